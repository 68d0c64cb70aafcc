import type { Histogram, Point } from '../samples/point.ts'
import type { Group, Parts, Role, Series } from './series.ts'

/** What a group says at one time: a histogram, or its series each for itself. Nothing if it is a histogram that is not whole. */
export function pointsOf(group: Group, parts: Parts): Point[] | undefined {
  if (!group.isHistogram && !parts.series.some(({ role }) => role === 'bucket')) return alonePoints(group, parts)
  const whole = wholeOf(group, parts)
  if (!whole) return undefined
  const { count, histogram } = whole
  return [{ ...common(group, parts), metric: group.family, type: 'histogram', value: count, histogram }]
}

const common = ({ labels, unit }: Group, { time, began }: Parts) => ({
  labels,
  time,
  ...(began !== undefined && { began }),
  ...(unit && { unit }),
})

/** A sum and a count without buckets are a summary's, and grow; a count alone that nobody declared may be of anything. */
function alonePoints(group: Group, { series, values, ...times }: Parts): Point[] {
  const grows = series.some(({ role }) => role === 'sum')
  return series.map(({ name, role, labels }, i) => ({
    ...common(group, { series, values, ...times }),
    metric: name,
    type: role === 'counter' || grows ? 'counter' : 'gauge',
    labels,
    value: values[i],
  }))
}

export interface Bucket {
  bound: number
  /** Observations up to the bound, those of the buckets below it too. */
  value: number
}

/**
 * Each bucket alone, up to an infinite one. A count below that of a smaller bucket, as agents that count meanwhile tell it, is taken for
 * the same. The bounds are those of `holder` where they are equal.
 */
export function histogramOf(
  buckets: Bucket[],
  { count, sum }: { count: number; sum: number },
  holder: { bounds: readonly number[] },
): Histogram {
  if (buckets.at(-1)?.bound !== Infinity) buckets.push({ bound: Infinity, value: count })
  let below = 0
  const counts = buckets.map(({ value }) => {
    const inside = Math.max(0, value - below)
    below = Math.max(below, value)
    return inside
  })
  const isSame = holder.bounds.length === buckets.length && buckets.every(({ bound }, i) => bound === holder.bounds[i])
  if (!isSame) holder.bounds = buckets.map(({ bound }) => bound)
  return { sum, bounds: holder.bounds, counts }
}

/** The whole of a group's histogram; nothing if neither a count nor the bucket of all says how many there were. */
function wholeOf(group: Group, { series, values }: Parts): { count: number; histogram: Histogram } | undefined {
  const of = (role: Role) => values[series.findIndex(each => each.role === role)] as number | undefined
  const buckets = bucketsOf(series, values)
  const last = buckets.at(-1)
  const count = of('count') ?? (last?.bound === Infinity ? last.value : undefined)
  if (count === undefined) return undefined
  return { count, histogram: histogramOf(buckets, { count, sum: of('sum') ?? 0 }, group) }
}

/** In ascending order. */
function bucketsOf(series: readonly Series[], values: readonly number[]): Bucket[] {
  const buckets: Bucket[] = []
  let isSorted = true
  for (let i = 0; i < series.length; i++) {
    if (series[i].role !== 'bucket') continue
    const { bound } = series[i]
    isSorted &&= !(bound <= (buckets.at(-1)?.bound ?? -Infinity))
    buckets.push({ bound, value: values[i] })
  }
  if (isSorted) return buckets
  return buckets.sort((a, b) => (a.bound < b.bound ? -1 : 1)).filter(({ bound }, i) => bound !== buckets[i + 1]?.bound)
}
