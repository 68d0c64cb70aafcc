import type { Point, Target } from '../samples/point.ts'
import { pointsOf } from './assemble.ts'
import type { Group, Series } from './series.ts'

/** Times of one group that may wait: a sender that makes up for an outage may be as far ahead on one of its connections. */
const mostWaiting = 32

interface Waiting {
  /** Microseconds. */
  time: number
  /** When the first of it came, in milliseconds. */
  arrived: number
  began: number | undefined
  values: Map<Series, number>
}

export interface RemotePoint {
  point: Point
  target: Target
}

/** What was made of samples, and how many of them were left out. */
export interface Outcome {
  points: RemotePoint[]
  /** Never became part of a whole histogram. */
  incomplete: number
  /** Of times that are through. */
  repeated: number
  noValue: number
}

export const newOutcome = (): Outcome => ({ points: [], incomplete: 0, repeated: 0, noValue: 0 })

/**
 * Puts the series of one group together that come one by one, perhaps in several requests and by several connections: a histogram is
 * handed on once all its buckets are there that it had before. Which those are is learned from its first time, which waits until it is
 * certain that nothing more comes. Times are handed on in order.
 */
export class Gathering {
  readonly #group: Group
  readonly #target: Target
  #expected = new Set<Series>()
  #isSettled = false
  /** Ascending. */
  readonly #waiting: Waiting[] = []
  #through = -Infinity

  constructor(group: Group, target: Target) {
    this.#group = group
    this.#target = target
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0
  }

  take(sample: { series: Series; value: number; time: number; began: number | undefined }, now: number, into: Outcome): void {
    const { series, value, time, began } = sample
    if (time <= this.#through) return void into.repeated++
    const waiting = this.#at(time, now)
    waiting.values.set(series, value)
    waiting.began ??= began
    this.#expected.add(series)
    this.#closeWhole(into)
    if (this.#waiting.length > mostWaiting) this.#close(into)
  }

  /** A series that has ended is not waited for. */
  leave(series: Series, into: Outcome): void {
    this.#expected.delete(series)
    this.#closeWhole(into)
  }

  /** Hands on what came before a time in milliseconds, whole or not. */
  closeBefore(arrived: number, into: Outcome): void {
    while (this.#waiting.length && this.#waiting[0].arrived <= arrived) this.#close(into)
    this.#closeWhole(into)
  }

  #at(time: number, now: number): Waiting {
    let at = this.#waiting.length
    while (at > 0 && this.#waiting[at - 1].time > time) at--
    const before = this.#waiting[at - 1]
    if (before?.time === time) return before
    const waiting: Waiting = { time, arrived: now, began: undefined, values: new Map() }
    this.#waiting.splice(at, 0, waiting)
    return waiting
  }

  /** The oldest, as long as they have all that is expected. */
  #closeWhole(into: Outcome): void {
    while (this.#isSettled && this.#waiting.length && this.#hasAll(this.#waiting[0])) this.#close(into)
  }

  #hasAll({ values }: Waiting): boolean {
    if (values.size < this.#expected.size) return false
    for (const series of this.#expected) if (!values.has(series)) return false
    return true
  }

  /** The oldest. What it has not is not waited for next time. */
  #close(into: Outcome): void {
    const oldest = this.#waiting.shift()!
    const { time, began, values } = oldest
    this.#through = time
    const series = [...values.keys()]
    const isWhole = this.#isSettled ? this.#hasAll(oldest) : isPlausible(series)
    const points = isWhole ? pointsOf(this.#group, { series, values: [...values.values()], time, began }) : undefined
    if (points) for (const point of points) into.points.push({ point, target: this.#target })
    else into.incomplete += values.size
    this.#isSettled = true
    this.#expected = new Set(series)
  }
}

/** No buckets at all, or what every histogram has. */
function isPlausible(series: readonly Series[]): boolean {
  const has = (role: Series['role']) => series.some(each => each.role === role)
  if (!has('bucket')) return true
  return has('sum') && has('count') && series.some(({ role, bound }) => role === 'bucket' && bound === Infinity)
}
