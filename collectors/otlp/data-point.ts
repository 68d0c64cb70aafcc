import { Cursor } from '../protobuf/cursor.ts'
import { withFixedBounds } from './exponential.ts'
import { microsOf } from './time.ts'

/** A data point of any type of metric, as far as it is read. */
export interface DataPoint {
  /** Microseconds; 0 when it says none. */
  began: number
  time: number
  /** The sender has nothing to tell at this time. */
  isMissing: boolean
  value: number
  count: number
  sum: number
  bounds: number[]
  counts: number[]
  quantiles: { quantile: number; value: number }[]
  scale: number
  zeroCount: number
  zeroThreshold: number
  positive: Buckets
  negative: Buckets
}

export interface Buckets {
  offset: number
  counts: number[]
}

export type PointType = 'number' | 'histogram' | 'exponential' | 'summary'

/** Field numbers of attributes, which differ from type to type, and of flags. */
export const attributesField: Readonly<Record<PointType, number>> = { number: 7, histogram: 9, exponential: 1, summary: 7 }
const flagsField: Readonly<Record<PointType, number>> = { number: 8, histogram: 10, exponential: 10, summary: 8 }
const mostBuckets = 512
const noRecordedValue = 1

/** Reads NumberDataPoint, HistogramDataPoint, ExponentialHistogramDataPoint or SummaryDataPoint. Throws UndecodableError. */
export function readPoint(bytes: Buffer, start: number, end: number, type: PointType): DataPoint {
  const point = emptyPoint()
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    const at = cursor.at
    cursor.skip(tag)
    const after = cursor.at
    const field = tag >>> 3
    if (tag >>> 3 === flagsField[type] && (tag & 7) === 0) point.isMissing = (numberAt(cursor, at) & noRecordedValue) !== 0
    else if (tag === 0x11) point.began = timeAt(bytes, after)
    else if (tag === 0x19) point.time = timeAt(bytes, after)
    else if (type === 'number') readNumber(point, bytes, tag, after)
    else if (tag === 0x21) point.count = unsignedAt(bytes, after - 8)
    else if (tag === 0x29) point.sum = bytes.readDoubleLE(after - 8)
    else if (type === 'histogram') readHistogram(point, bytes, field, tag, cursor)
    else if (type === 'summary') readSummary(point, bytes, tag, cursor)
    else readExponential(point, bytes, tag, at, cursor)
    cursor.at = after
  }
  cursor.close(end)
  return type === 'exponential' ? withFixedBounds(point) : point
}

const emptyPoint = (): DataPoint => ({
  began: 0,
  time: 0,
  isMissing: false,
  value: 0,
  count: 0,
  sum: 0,
  bounds: [],
  counts: [],
  quantiles: [],
  scale: 0,
  zeroCount: 0,
  zeroThreshold: 0,
  positive: { offset: 0, counts: [] },
  negative: { offset: 0, counts: [] },
})

/** as_double 4, as_int 6 (sfixed64). */
function readNumber(point: DataPoint, bytes: Buffer, tag: number, after: number): void {
  if (tag === 0x21) point.value = bytes.readDoubleLE(after - 8)
  else if (tag === 0x31) point.value = Number(bytes.readBigInt64LE(after - 8))
}

/** bucket_counts 6 (fixed64), explicit_bounds 7 (double), both packed or one by one. */
function readHistogram(point: DataPoint, bytes: Buffer, field: number, tag: number, { start, end, at }: Cursor): void {
  if (field !== 6 && field !== 7) return
  const [from, to] = (tag & 7) === 2 ? [start, end] : [at - 8, at]
  for (let i = from; i + 8 <= to && point.counts.length <= mostBuckets && point.bounds.length <= mostBuckets; i += 8) {
    if (field === 6) point.counts.push(unsignedAt(bytes, i))
    else point.bounds.push(bytes.readDoubleLE(i))
  }
}

/** quantile_values 6: ValueAtQuantile{quantile 1, value 2}. */
function readSummary(point: DataPoint, bytes: Buffer, tag: number, { start, end }: Cursor): void {
  if (tag !== 0x32 || point.quantiles.length >= mostBuckets) return
  const read = { quantile: 0, value: 0 }
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const inner = cursor.tag()
    cursor.skip(inner)
    if (inner === 0x09) read.quantile = bytes.readDoubleLE(cursor.at - 8)
    else if (inner === 0x11) read.value = bytes.readDoubleLE(cursor.at - 8)
  }
  cursor.close(end)
  point.quantiles.push(read)
}

/** scale 6 (sint32), zero_count 7, positive 8, negative 9, zero_threshold 14. */
function readExponential(point: DataPoint, bytes: Buffer, tag: number, at: number, cursor: Cursor): void {
  const after = cursor.at
  if (tag === 0x30) point.scale = signed(numberAt(cursor, at))
  else if (tag === 0x39) point.zeroCount = unsignedAt(bytes, after - 8)
  else if (tag === 0x42) point.positive = readBuckets(bytes, cursor.start, cursor.end)
  else if (tag === 0x4a) point.negative = readBuckets(bytes, cursor.start, cursor.end)
  else if (tag === 0x71) point.zeroThreshold = bytes.readDoubleLE(after - 8)
}

/** Buckets{offset 1 (sint32), bucket_counts 2 (uint64)}. */
function readBuckets(bytes: Buffer, start: number, end: number): Buckets {
  const buckets: Buckets = { offset: 0, counts: [] }
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 0x08) buckets.offset = signed(cursor.varint())
    else if (tag === 0x10) addCount(buckets, cursor)
    else if (tag === 0x12) {
      cursor.span()
      const to = cursor.end
      cursor.at = cursor.start
      while (cursor.at < to) addCount(buckets, cursor)
      cursor.close(to)
    } else cursor.skip(tag)
  }
  cursor.close(end)
  return buckets
}

function addCount(buckets: Buckets, cursor: Cursor): void {
  const low = cursor.varint()
  if (buckets.counts.length < mostBuckets) buckets.counts.push(cursor.high * 4294967296 + low)
}

function numberAt(cursor: Cursor, at: number): number {
  cursor.at = at
  return cursor.varint()
}

/** Zigzag, 32 bits. */
const signed = (value: number) => (value >>> 1) ^ -(value & 1)
const unsignedAt = (bytes: Buffer, at: number) => bytes.readUInt32LE(at + 4) * 4294967296 + bytes.readUInt32LE(at)
const timeAt = (bytes: Buffer, after: number) => microsOf(bytes.readUInt32LE(after - 8), bytes.readUInt32LE(after - 4), 0)
