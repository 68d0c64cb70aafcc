import { setTimeout as sleep } from 'node:timers/promises'
import type { ObjectVersion } from '../../schema/object.ts'
import type { ObjectLog } from '../objects.ts'

const most = 10_000
const atOnce = 500
const settleMs = 20

/** What is to be published, in its order. */
export class Teller {
  readonly #objects: ObjectLog
  #waiting: ObjectVersion[] = []
  #wake: (() => void) | undefined
  #room = Promise.withResolvers<void>()
  #published = 0
  #stopped = false

  constructor(objects: ObjectLog) {
    this.#objects = objects
  }

  /** How many were published of all that were told. */
  get published(): number {
    return this.#published
  }

  /** Returns how many have been told with it. */
  tell(version: ObjectVersion): number {
    this.#waiting.push(version)
    this.#wake?.()
    return this.#published + this.#waiting.length
  }

  /** Resolves when more can be told: what waits for a slow bus is kept in memory. */
  async ready(): Promise<void> {
    while (this.#waiting.length > most && !this.#stopped) await this.#room.promise
  }

  /** Publishes until the signal is aborted; rejects when the bus refuses for good. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.#wake?.()
    signal.addEventListener('abort', stop, { once: true })
    while (!signal.aborted) {
      if (!this.#waiting.length) await new Promise<void>(resolve => (this.#wake = resolve))
      // What happens together goes together.
      await sleep(settleMs, undefined, { signal }).catch(() => {})
      await this.#publish(signal)
    }
    this.#stopped = true
    this.#room.resolve()
  }

  async #publish(signal: AbortSignal): Promise<void> {
    while (this.#waiting.length && !signal.aborted) {
      const batch = this.#waiting.slice(0, atOnce)
      await this.#objects.publish(batch)
      this.#waiting.splice(0, batch.length)
      this.#published += batch.length
      this.#room.resolve()
      this.#room = Promise.withResolvers()
    }
  }
}
