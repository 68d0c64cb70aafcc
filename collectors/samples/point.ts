/** Names and values of a series' labels, by name. The same series may come with the same array each time, which is then found sooner. */
export type Labels = readonly (readonly [name: string, value: string])[]

/** One point of a series, as the sources of metrics hand it on. */
export interface Point {
  /** Name of the family: without _bucket, _sum and _count where `histogram` is there. */
  metric: string
  type: 'gauge' | 'counter' | 'histogram'
  labels: Labels
  /** Microseconds. */
  time: number
  /** Of a histogram its count. */
  value: number
  /** When the series began to count, in microseconds, where the source says. */
  began?: number
  unit?: string
  histogram?: Histogram
}

/** What a histogram holds since it began. */
export interface Histogram {
  sum: number
  /** Upper bounds of its buckets, ascending; the last may be infinite. */
  bounds: readonly number[]
  /** Observations in each bucket alone, not in those below it. */
  counts: readonly number[]
}

/** Who was measured, as far as the source knows. */
export interface Target {
  reporter: string
  cluster: string
}

/** Takes points of any source: finds what grew, and writes samples. */
export interface PointTaker {
  /** May be asked many times between two awaits; `ready` makes room. */
  take(point: Point, target: Target): void
  ready(): Promise<void>
}
