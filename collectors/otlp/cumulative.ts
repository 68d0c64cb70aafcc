import type { DataPoint } from './data-point.ts'

/** What a series has counted so far. */
interface Total {
  began: number
  time: number
  value: number
  count: number
  sum: number
  /** Bounds the counts are for. */
  bounds: string
  counts: number[]
}

const mostSeries = 100_000

/**
 * Adds up the points of series that tell what grew (delta temporality), so that they tell the whole since the series began. A series that
 * was not heard for long gives way when there are too many; it begins anew then, with the beginning of its next interval, and nothing is
 * counted twice or left out.
 */
export class Cumulative {
  readonly #totals = new Map<string, Total>()
  readonly #most: number

  constructor(most = mostSeries) {
    this.#most = most
  }

  /** The point as the whole since the series began; undefined for one that is not newer than the last: it was sent again. */
  add(series: string, point: DataPoint): DataPoint | undefined {
    const bounds = point.bounds.join()
    const before = this.#totals.get(series)
    if (before && point.time <= before.time) return undefined
    const isNew = !before || before.bounds !== bounds
    const total = isNew ? { ...emptyTotal(point), bounds } : before
    grow(total, point)
    // The order of the map is that of the last points.
    this.#totals.delete(series)
    this.#totals.set(series, total)
    if (this.#totals.size > this.#most) this.#forgetOldest()
    return { ...point, began: total.began, value: total.value, count: total.count, sum: total.sum, counts: [...total.counts] }
  }

  #forgetOldest(): void {
    const [oldest] = this.#totals.keys()
    this.#totals.delete(oldest)
  }
}

const emptyTotal = ({ began, time, counts }: DataPoint) => ({
  began: began || time,
  time: 0,
  value: 0,
  count: 0,
  sum: 0,
  counts: counts.map(() => 0),
})

function grow(total: Total, { time, value, count, sum, counts }: DataPoint): void {
  total.time = time
  total.value += value
  total.count += count
  total.sum += sum
  for (const [i, more] of counts.entries()) total.counts[i] = (total.counts[i] ?? 0) + more
}
