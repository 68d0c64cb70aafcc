import { setTimeout as sleep } from 'node:timers/promises'

export interface Patience {
  /** How long to wait at most. */
  ms: number
  signal: AbortSignal
}

/** From so long without a word on, nobody waits for a cluster. */
const silentMs = 10_000

interface Beat {
  /** Up to when all is known, microseconds. */
  time: number
  heardMs: number
}

/** Up to when all is known that was told of the objects of a cluster. */
export class Heartbeats {
  readonly #beats = new Map<string, Beat>()
  #next = Promise.withResolvers<void>()
  readonly #now: () => number

  /** `now` is a clock in milliseconds that never goes back. */
  constructor(now = () => performance.now()) {
    this.#now = now
  }

  get clusters(): Iterable<[cluster: string, beat: Readonly<Beat>]> {
    return this.#beats
  }

  beat(cluster: string, time: number): void {
    this.#beats.set(cluster, { time: Math.max(time, this.#beats.get(cluster)?.time ?? -Infinity), heardMs: this.#now() })
    this.#next.resolve()
    this.#next = Promise.withResolvers()
  }

  /** Microseconds; infinite for a cluster that has none, of which nobody says what is still to come. */
  upTo(cluster: string): number {
    return this.#beats.get(cluster)?.time ?? Infinity
  }

  /**
   * Resolves when each of the clusters is known up to its time (true), or when that was waited for long enough (false). A cluster that has fallen
   * silent is not waited for. Rejects with the signal's reason.
   */
  async reach(wanted: ReadonlyMap<string, number>, { ms, signal }: Patience): Promise<boolean> {
    const deadline = this.#now() + ms
    for (;;) {
      signal.throwIfAborted()
      const missing = [...wanted].filter(([cluster, time]) => this.upTo(cluster) < time)
      if (missing.length === 0) return true
      const now = this.#now()
      const anyAlive = missing.some(([cluster]) => now - this.#beats.get(cluster)!.heardMs < silentMs)
      if (!anyAlive || now >= deadline) return false
      await this.#change(deadline - now, signal)
    }
  }

  async #change(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController()
    const pause = sleep(ms, undefined, { signal: AbortSignal.any([signal, over.signal]) }).catch(() => {})
    await Promise.race([this.#next.promise, pause])
    over.abort()
  }
}
