import type { Instruments } from '../../runtime/telemetry.ts'
import type { Outbox } from '../outbox.ts'
import type { Api } from './api.ts'
import type { Moment } from './history.ts'
import type { Taker } from './objects.ts'
import type { Lag } from './lag.ts'
import { Reflector, type Timing } from './reflector.ts'
import type { Resource } from './resource.ts'

/** What came before a watch was open for so long is what it had missed: after a gap, and after none. Milliseconds. */
const backlogMs = 1000
const renewedMs = 250
const backlogPauseMs = 200
const longestBacklogMs = 30_000
/** A watch that is renewed leaves no gap. */
const leastGapMs = 2000
/** One probe that is late means nothing. */
const doubtMs = 5000

interface Options {
  api: Api
  cluster: string
  taker: Taker
  lag: Lag
  /** Until when the resource was surely known before, in microseconds; 0 for never. */
  sure: number
  timing: Timing
  signal: AbortSignal
  ready(): Promise<void>
  onState(followed: Followed): void
  outbox: Outbox
  instruments: Instruments
}

/** One resource of a cluster, followed; knows until when what is known of it is surely all. */
export class Followed {
  readonly resource: Resource
  readonly reflector: Reflector
  readonly #options: Options
  #sure: number
  /** When it was last known that nothing is on its way for long, in milliseconds. */
  #certainAt = 0
  /** While what comes may have happened in a gap: until when (ms), and since when (µs). */
  #backlog = { until: 0, from: 0, most: 0 }

  constructor(resource: Resource, options: Options) {
    const { api, taker, signal, timing, ready, instruments } = options
    this.resource = resource
    this.#options = options
    this.#sure = options.sure
    this.reflector = new Reflector(resource, {
      api,
      signal,
      timing,
      onState: () => options.onState(this),
      reflected: {
        ready,
        opened: () => this.#open(),
        listing: at => this.#listing(at),
        changed: object => {
          instruments.received(1)
          taker.changed(object, this.#now())
        },
        deleted: object => {
          instruments.received(1)
          taker.deleted(object, this.#now())
        },
        unreadable: (object, error) => this.#unreadable(object.metadata, error),
      },
    })
  }

  /** Whether what happens is seen as it happens. */
  get alive(): boolean {
    const { open, openedAt } = this.reflector
    return open && Date.now() >= Math.max(openedAt + renewedMs, this.#backlog.until)
  }

  /** All that happened up to then was seen; microseconds. */
  isSureUntil(time: number): void {
    this.#sure = Math.max(this.#sure, time)
    this.#certainAt = Date.now()
  }

  #listing(at: number) {
    const { taker, instruments } = this.#options
    const moment = after(this.#sure, at)
    const listing = taker.listing(moment)
    let count = 0
    return {
      add: (object: Parameters<typeof listing.add>[0]) => {
        count++
        listing.add(object)
      },
      end: () => {
        instruments.received(count)
        listing.end()
        this.#sure = moment.at
      },
    }
  }

  #open(): void {
    const now = Date.now()
    this.#certainAt = now
    if (now * 1000 - this.#sure > leastGapMs * 1000)
      this.#backlog = { until: now + backlogMs, from: this.#sure, most: now + longestBacklogMs }
  }

  #now(): Moment {
    const now = Date.now()
    const { until, from, most } = this.#backlog
    if (now < until) {
      this.#backlog.until = Math.min(most, Math.max(until, now + backlogPauseMs))
      return after(from, now)
    }
    // While the server answers nobody, what comes has been on its way for nobody knows how long.
    if (now - this.#certainAt > doubtMs) return after(this.#sure, now)
    this.#sure = now * 1000
    return { at: this.#sure, sure: this.#sure, since: (now - this.#options.lag.ms) * 1000 }
  }

  /** Its name alone is kept: pods have secrets in them. */
  #unreadable(metadata: { uid?: string; namespace?: string; name?: string } = {}, error: unknown): void {
    const { outbox, instruments, cluster } = this.#options
    const { uid, namespace, name } = metadata
    instruments.discarded(1, 'undecodable')
    const body = Buffer.from(JSON.stringify({ resource: this.resource.name, namespace, name, uid }))
    outbox.deadLetter({ source: 'kubernetes', reporter: cluster, reason: error instanceof Error ? error.message : String(error), body })
  }
}

/** Noticed at `ms`; it happened somewhen since `sure` (µs). */
function after(sure: number, ms: number): Moment {
  const at = ms * 1000
  const since = Math.min(sure, at - 1)
  return { at, sure: since, since }
}
