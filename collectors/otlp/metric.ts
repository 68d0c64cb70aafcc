import { Cursor } from '../protobuf/cursor.ts'
import { type PointType, attributesField } from './data-point.ts'
import { eachMessage } from './groups.ts'

/** A metric of an export: what it is, and where its points lie. */
export interface Metric {
  name: string
  unit: string
  type: PointType
  /** Whether its points tell what grew since the one before, not since the beginning. */
  isDelta: boolean
  /** Whether a sum can only grow. */
  isMonotonic: boolean
  isSum: boolean
  /** Start and end of each point. */
  points: number[]
}

const types: Readonly<Record<number, PointType>> = { 5: 'number', 7: 'number', 9: 'histogram', 10: 'exponential', 11: 'summary' }
const sumField = 7
const delta = 1
const longestName = 1024

export const attributesFieldOf = ({ type }: Metric) => attributesField[type]

/** Metric{name 1, unit 3, gauge 5, sum 7, histogram 9, exponential_histogram 10, summary 11}. Throws UndecodableError. */
export function readMetric(bytes: Buffer, start: number, end: number): Metric {
  const metric: Metric = { name: '', unit: '', type: 'number', isDelta: false, isMonotonic: false, isSum: false, points: [] }
  eachMessage(bytes, start, end, (field, at, to) => {
    if (field === 1) metric.name = bytes.toString('utf8', at, Math.min(to, at + longestName))
    else if (field === 3) metric.unit = bytes.toString('utf8', at, Math.min(to, at + longestName))
    else if (Object.hasOwn(types, field)) {
      metric.type = types[field]
      metric.isSum = field === sumField
      readData(metric, bytes, at, to)
    }
  })
  return metric
}

/** Gauge, Sum, Histogram, ExponentialHistogram, Summary{data_points 1, aggregation_temporality 2, is_monotonic 3}. */
function readData(metric: Metric, bytes: Buffer, start: number, end: number): void {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 0x0a) {
      cursor.span()
      metric.points.push(cursor.start, cursor.end)
    } else if (tag === 0x10) metric.isDelta = cursor.varint() === delta
    else if (tag === 0x18) metric.isMonotonic = cursor.varint() !== 0
    else cursor.skip(tag)
  }
  cursor.close(end)
}
