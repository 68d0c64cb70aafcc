import type { Message } from './flow-rows.ts'
import type { Session } from './session.ts'

/** Data whose template has not come. */
export interface HeldSet {
  message: Message
  id: number
  bytes: Uint8Array
}

/** Keeps data until its template comes: so many bytes of all exporters together, and each set so long. */
export class HeldSets {
  readonly #maxBytes: number
  readonly #maxMs: number
  #sets: HeldSet[] = []
  #bytes = 0

  constructor({ maxBytes, maxMs }: { maxBytes: number; maxMs: number }) {
    this.#maxBytes = maxBytes
    this.#maxMs = maxMs
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Keeps a copy; returns the oldest that had to go for it, or the set itself when it is too large. */
  add(set: HeldSet): HeldSet[] {
    if (set.bytes.length > this.#maxBytes) return [set]
    this.#sets.push({ ...set, bytes: new Uint8Array(set.bytes) })
    this.#bytes += set.bytes.length
    let gone = 0
    while (this.#bytes > this.#maxBytes) this.#bytes -= this.#sets[gone++].bytes.length
    return this.#sets.splice(0, gone)
  }

  /** Takes out what waits for a template. */
  take(isWanted: (set: HeldSet) => boolean): HeldSet[] {
    const taken: HeldSet[] = []
    const rest: HeldSet[] = []
    for (const set of this.#sets) (isWanted(set) ? taken : rest).push(set)
    if (taken.length) this.#keep(rest)
    return taken
  }

  /** Takes out what has waited too long; all of it at the end. `now` in milliseconds. */
  expire(now: number): HeldSet[] {
    return this.take(({ message }) => now - message.received / 1000 > this.#maxMs)
  }

  #keep(sets: HeldSet[]): void {
    this.#sets = sets
    this.#bytes = sets.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }
}

/** Whether a set waits for this template of this session, or of another process of the same exporter and domain. */
export const waitsFor = (session: Session, id: number) => (set: HeldSet) =>
  set.id === id &&
  set.message.session.protocol === session.protocol &&
  set.message.session.exporter === session.exporter &&
  set.message.session.domain === session.domain
