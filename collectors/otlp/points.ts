import type { Labels, Point } from '../samples/point.ts'
import type { DataPoint } from './data-point.ts'
import type { Metric } from './metric.ts'

/**
 * The points of series a data point stands for: one, but of a summary its count, its sum and each of its quantiles, named as Prometheus
 * names them.
 */
export function pointsOf(metric: Metric, point: DataPoint, labels: Labels): Point[] {
  const common = { metric: metric.name, labels, time: point.time, began: point.began || undefined, unit: metric.unit || undefined }
  switch (metric.type) {
    case 'number':
      return [{ ...common, type: metric.isSum && metric.isMonotonic ? 'counter' : 'gauge', value: point.value }]
    case 'histogram':
    case 'exponential':
      return [{ ...common, type: 'histogram', value: point.count, histogram: histogramOf(point) }]
    case 'summary':
      return summary(common, point)
  }
}

/** The last bucket has no upper bound. A histogram without buckets has one. */
function histogramOf({ sum, bounds, counts, count }: DataPoint) {
  return { sum, bounds: [...bounds, Infinity], counts: counts.length ? counts : [count] }
}

function summary(common: Omit<Point, 'type' | 'value'>, { count, sum, quantiles }: DataPoint): Point[] {
  const { metric, labels } = common
  return [
    { ...common, metric: `${metric}_count`, type: 'counter', value: count, unit: undefined },
    { ...common, metric: `${metric}_sum`, type: 'counter', value: sum },
    ...quantiles.map(({ quantile, value }): Point => ({
      ...common,
      type: 'gauge',
      labels: [...labels, ['quantile', String(quantile)]],
      value,
      began: undefined,
    })),
  ]
}
