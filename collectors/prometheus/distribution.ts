import { Cursor } from '../protobuf/cursor.ts'
import type { Bucket } from './assemble.ts'
import { NativeHistogram, doubleAt, integer, unsigned } from './native.ts'
import { ExpositionError } from './reading.ts'

const mostBuckets = 1 << 14
const bytesTag = (field: number) => (field << 3) | 2

/** What io.prometheus.client.Histogram and Summary have in common. */
export interface Distribution {
  count: number
  sum: number
  /** Microseconds. */
  began?: number
  /** Of a summary its quantiles, each with its value. */
  buckets: Bucket[]
  native: NativeHistogram
}

/** A Histogram, or else a Summary. Throws ExpositionError and UndecodableError. */
export function distribution(cursor: Cursor, isHistogram: boolean): Distribution {
  const told: Distribution = { count: 0, sum: 0, buckets: [], native: new NativeHistogram() }
  const partOf = isHistogram ? bucketOf : quantileOf
  const createdField = isHistogram ? 15 : 4
  while (cursor.at < cursor.limit) {
    const tag = cursor.tag()
    if (tag === 8) told.count = unsigned(cursor)
    else if (tag === 17) told.sum = doubleAt(cursor)
    else if (tag === 33 && isHistogram) told.count = doubleAt(cursor)
    else if (tag === bytesTag(3)) {
      if (told.buckets.push(partOf(within(cursor))) > mostBuckets)
        throw new ExpositionError(`more than ${mostBuckets} buckets`, 'over_limit')
    } else if (tag === bytesTag(createdField)) {
      cursor.span()
      told.began = timestampOf(cursor)
    } else if (!isHistogram || tag >>> 3 > 14 || !told.native.read(cursor, tag, (tag >>> 3) - 1)) cursor.skip(tag)
  }
  return told
}

/** Another cursor over the sub-message that comes next. */
function within(cursor: Cursor): Cursor {
  cursor.span()
  const inner = new Cursor()
  inner.open(cursor.bytes, cursor.start, cursor.end)
  return inner
}

function bucketOf(cursor: Cursor): Bucket {
  const bucket: Bucket = { bound: 0, value: 0 }
  while (cursor.at < cursor.limit) {
    const tag = cursor.tag()
    if (tag === 8) bucket.value = unsigned(cursor)
    else if (tag === 33) bucket.value = doubleAt(cursor)
    else if (tag === 17) bucket.bound = doubleAt(cursor)
    else cursor.skip(tag)
  }
  return bucket
}

function quantileOf(cursor: Cursor): Bucket {
  const quantile: Bucket = { bound: 0, value: 0 }
  while (cursor.at < cursor.limit) {
    const tag = cursor.tag()
    if (tag === 9) quantile.bound = doubleAt(cursor)
    else if (tag === 17) quantile.value = doubleAt(cursor)
    else cursor.skip(tag)
  }
  return quantile
}

/** A google.protobuf.Timestamp that the cursor found with `span`, in microseconds. */
export function timestampOf({ bytes, start, end }: Cursor): number {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  let micros = 0
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 8) micros += integer(cursor) * 1e6
    else if (tag === 16) micros += Math.trunc(integer(cursor) / 1000)
    else cursor.skip(tag)
  }
  return micros
}
