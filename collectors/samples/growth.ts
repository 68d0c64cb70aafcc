import type { Histogram, Point } from './point.ts'

/** What is remembered of a series: its last point. */
export interface Last {
  /** Microseconds. */
  time: number
  value: number
  began?: number
  /** Absent where only the value is known, as it is after a restart. */
  histogram?: Histogram
}

/** What a series grew by. */
export interface Growth {
  delta: number
  /** Microseconds: the time of the point before, or when a series began that counts from its beginning; 0 for a first point that counts nothing. */
  since: number
  reset: boolean
  sum: number
  bounds: readonly number[]
  counts: readonly number[]
}

/** A beginning moves by so much without being another one, in microseconds: some senders compute it anew each time. */
const beginningTolerance = 500_000

const none: readonly number[] = []
const nothing: Growth = { delta: 0, since: 0, reset: false, sum: 0, bounds: none, counts: none }

/**
 * What a counter or histogram grew by with this point. `watchedSince` is the time of the first point of its target: a series that began
 * later counts from its beginning, any other from its first point on.
 */
export function grow(last: Last | undefined, point: Point, watchedSince: number): Growth {
  if (point.type === 'gauge') return last ? { ...nothing, since: last.time } : nothing
  if (!last) return hasBegunWithin(point, watchedSince) ? whole(point, point.began!, false) : nothing
  if (isReset(last, point)) return whole(point, last.time, true)
  return { ...nothing, delta: point.value - last.value, since: last.time, ...growthOfBuckets(last.histogram, point.histogram) }
}

const hasBegunWithin = ({ began, time }: Point, watchedSince: number) => began !== undefined && began >= watchedSince && began <= time

function isReset(last: Last, point: Point): boolean {
  if (point.value < last.value || hasBegunAnew(last, point)) return true
  const [before, now] = [last.histogram, point.histogram]
  return (
    before !== undefined &&
    now !== undefined &&
    isSame(before.bounds, now.bounds) &&
    now.counts.some((count, i) => count < before.counts[i])
  )
}

function hasBegunAnew(last: Last, { began }: Point): boolean {
  if (began === undefined) return false
  return last.began === undefined ? began >= last.time : began > last.began + beginningTolerance
}

/** All a series holds since it began. */
function whole({ value, histogram }: Point, since: number, reset: boolean): Growth {
  return { delta: value, since, reset, ...(histogram ? bucketsOf(histogram.bounds, histogram.counts, histogram.sum) : noBuckets) }
}

type Buckets = Pick<Growth, 'sum' | 'bounds' | 'counts'>
const noBuckets: Buckets = { sum: 0, bounds: none, counts: none }

function growthOfBuckets(before: Histogram | undefined, now: Histogram | undefined): Buckets {
  if (!before || !now) return noBuckets
  const held = isSame(before.bounds, now.bounds) ? before.counts : rearranged(before, now.bounds)
  const counts = now.counts.map((count, i) => count - held[i])
  const sum = now.sum - before.sum
  return counts.some(count => count < 0) ? { ...noBuckets, sum: finite(sum) } : bucketsOf(now.bounds, counts, sum)
}

/**
 * Buckets that grew, each with the bound below it where its neighbour did not grow: what lies between is known without the
 * others.
 */
function bucketsOf(bounds: readonly number[], counts: readonly number[], sum: number): Buckets {
  const kept = bounds.flatMap((_, i) => (counts[i] > 0 || counts[i + 1] > 0 ? [i] : []))
  return { sum: finite(sum), bounds: kept.map(i => bounds[i]), counts: kept.map(i => counts[i]) }
}

const finite = (number: number) => (Number.isFinite(number) ? number : 0)

/**
 * What the buckets held, in buckets of other bounds: each goes whole into the first that reaches as far. That is exact where buckets came,
 * went or were merged, as those of native histograms are; where one was split, some count falls, and nothing is told of the buckets.
 */
function rearranged({ bounds, counts }: Histogram, into: readonly number[]): number[] {
  const held = into.map(() => 0)
  let at = 0
  for (const [i, bound] of bounds.entries()) {
    while (at < into.length - 1 && into[at] < bound) at++
    if (held.length) held[at] += counts[i]
  }
  return held
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  return one === other || (one.length === other.length && one.every((bound, i) => bound === other[i]))
}
