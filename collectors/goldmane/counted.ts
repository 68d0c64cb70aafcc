import type { Counts } from './message.ts'

const names = ['forwardPackets', 'forwardBytes', 'replyPackets', 'replyBytes', 'connections'] as const satisfies readonly (keyof Counts)[]
export const nothing: Counts = { forwardPackets: 0, forwardBytes: 0, replyPackets: 0, replyBytes: 0, connections: 0 }

/**
 * What was written of each key in each interval, so that an interval that is told again counts only by what it has grown. Holds at most
 * `capacity` of them; the oldest intervals are forgotten first.
 */
export class Counted {
  /** Intervals up to this start, in seconds, may have been forgotten. */
  horizon = -Infinity
  /** Start of the newest interval; 0 when nothing was written. */
  newest = 0
  readonly #capacity: number
  readonly #intervals = new Map<number, Map<string, Counts>>()
  #size = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** What `counts` has more than was told of this interval before; nothing when that is nothing, or the interval is forgotten. */
  growth(id: string, start: number, counts: Counts): Counts | undefined {
    if (start <= this.horizon) return undefined
    const before = this.#intervals.get(start)?.get(id) ?? nothing
    const grown = { ...nothing }
    for (const name of names) grown[name] = Math.max(0, counts[name] - before[name])
    return names.some(name => grown[name] > 0) ? grown : undefined
  }

  /** Remembers that so much of an interval was written, besides what was before. */
  add(id: string, start: number, written: Counts): void {
    const interval = this.#interval(start)
    const known = interval.get(id)
    if (known) for (const name of names) known[name] += written[name]
    else {
      interval.set(id, { ...written })
      this.#size++
      if (this.#size > this.#capacity) this.#forget()
    }
    this.newest = Math.max(this.newest, start)
  }

  #interval(start: number): Map<string, Counts> {
    const known = this.#intervals.get(start)
    if (known) return known
    const made = new Map<string, Counts>()
    this.#intervals.set(start, made)
    return made
  }

  #forget(): void {
    const oldest = [...this.#intervals.keys()].reduce((least, start) => Math.min(least, start))
    this.#size -= this.#intervals.get(oldest)!.size
    this.#intervals.delete(oldest)
    this.horizon = Math.max(this.horizon, oldest)
  }
}
