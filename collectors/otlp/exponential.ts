import type { Buckets, DataPoint } from './data-point.ts'

/** Bounds are 2^(n/2): fine enough to tell a latency of 1 from one of 1.5, and the same for all series at all times. */
const perOctave = 2
const firstOctave = -20
const lastOctave = 32

const bounds: number[] = Array.from({ length: (lastOctave - firstOctave) * perOctave + 1 }, (_, i) => 2 ** (firstOctave + i / perOctave))

/**
 * An exponential histogram with fixed bounds, from 2^-20 to 2^32. The sender's own change whenever its range or scale does, and what
 * grew between two points could not be told then. A bucket finer than ours is added to the one it lies in; one that is coarser counts
 * where its upper bound lies. Zeros and negative values are in the first.
 */
export function withFixedBounds(point: DataPoint): DataPoint {
  const { scale, zeroCount, positive, negative } = point
  const counts = bounds.map(() => 0)
  counts.push(0)
  counts[0] = zeroCount + total(negative)
  for (const [i, count] of positive.counts.entries()) if (count) counts[bucketOf(positive.offset + i, scale)] += count
  return { ...point, bounds, counts }
}

/** Bucket `index` of a scale lies between 2^(index / 2^scale), not included, and 2^((index + 1) / 2^scale). */
function bucketOf(index: number, scale: number): number {
  const upper = (index + 1) / 2 ** scale
  return Math.min(bounds.length, Math.max(0, Math.ceil((upper - firstOctave) * perOctave - 1e-9)))
}

const total = ({ counts }: Buckets) => counts.reduce((sum, count) => sum + count, 0)
