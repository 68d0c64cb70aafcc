import type { Histogram } from '../samples/point.ts'
import { type Cursor, bytesType } from '../protobuf/cursor.ts'
import { ExpositionError } from './reading.ts'

const mostBuckets = 1 << 14
const customSchema = -53
const [lowestSchema, highestSchema] = [-4, 8]
const two32 = 2 ** 32

interface Side {
  /** Pairs of an offset and a length. */
  spans: number[]
  deltas: number[]
  counts: number[]
}

const newSide = (): Side => ({ spans: [], deltas: [], counts: [] })

/**
 * The fields of a native histogram, which messages of Prometheus have in common but for a shift of their numbers: schema is field 4 in
 * prometheus.Histogram and io.prometheus.write.v2.Histogram, field 5 in io.prometheus.client.Histogram.
 */
export class NativeHistogram {
  schema = 0
  zeroThreshold = 0
  zeroCount = 0
  custom: number[] = []
  readonly #negative = newSide()
  readonly #positive = newSide()
  #hasZero = false

  /** Whether there is anything of a native histogram. */
  get isThere(): boolean {
    return this.#hasZero || this.#positive.spans.length > 0 || this.#negative.spans.length > 0
  }

  /** Takes in the field `tag` of a cursor that stands behind the tag, if it is one of them. `field` is as in prometheus.Histogram. */
  read(cursor: Cursor, tag: number, field: number): boolean {
    if (field === 4) this.schema = signed(cursor)
    else if (field === 5) this.#zero(doubleAt(cursor))
    else if (field === 6) this.zeroCount = unsigned(cursor)
    else if (field === 7) this.zeroCount = doubleAt(cursor)
    else if (field >= 8 && field <= 13) this.#side(cursor, tag, field < 11 ? this.#negative : this.#positive, (field - 8) % 3)
    else if (field === 16) each(cursor, tag, this.custom, doubleAt)
    else return false
    return true
  }

  #zero(threshold: number): void {
    this.zeroThreshold = threshold
    this.#hasZero = true
  }

  #side(cursor: Cursor, tag: number, side: Side, part: number): void {
    if (part === 1) return each(cursor, tag, side.deltas, signed)
    if (part === 2) return each(cursor, tag, side.counts, doubleAt)
    cursor.span()
    const { start, end } = cursor
    const span = [0, 0]
    for (cursor.at = start; cursor.at < end;) {
      const inner = cursor.tag()
      if (inner === 8) span[0] = signed(cursor)
      else if (inner === 16) span[1] = cursor.varint()
      else cursor.skip(inner)
    }
    cursor.close(end)
    if (side.spans.push(...span) > 2 * mostBuckets) throw tooMany()
  }

  /** With explicit bounds; a gap between buckets is a bucket without observations. Throws ExpositionError. */
  histogram(sum: number): Histogram {
    const isCustom = this.schema === customSchema
    if (!isCustom && !(this.schema >= lowestSchema && this.schema <= highestSchema))
      throw new ExpositionError(`schema ${this.schema} of a native histogram`, 'unknown_kind')
    const bounds: number[] = []
    const counts: number[] = []
    const add = (lower: number, upper: number, count: number) => {
      if (lower > (bounds.at(-1) ?? -Infinity) && (bounds.length || lower !== -Infinity)) append(bounds, counts, lower, 0)
      append(bounds, counts, upper, count)
    }
    const base = 2 ** (2 ** -this.schema)
    const boundOf = isCustom ? (index: number) => this.#customBound(index) : (index: number) => base ** index
    for (const [index, count] of bucketsOf(this.#negative).reverse()) add(-boundOf(index), -boundOf(index - 1), count)
    if (!isCustom) add(0 - this.zeroThreshold, this.zeroThreshold, this.zeroCount)
    for (const [index, count] of bucketsOf(this.#positive)) add(boundOf(index - 1), boundOf(index), count)
    return { sum, bounds, counts }
  }

  #customBound(index: number): number {
    if (index < 0) return -Infinity
    return index < this.custom.length ? this.custom[index] : Infinity
  }
}

/** The zero bucket may reach over the bounds beside it, which then say nothing. */
function append(bounds: number[], counts: number[], bound: number, count: number): void {
  if (bounds.length && bound <= bounds[bounds.length - 1]) return void (counts[counts.length - 1] += count)
  bounds.push(bound)
  counts.push(count)
}

const tooMany = () => new ExpositionError(`a native histogram of more than ${mostBuckets} buckets`, 'over_limit')

/** Index and count of each bucket, ascending: spans say which there are, and integers say how much more than the one before. */
function bucketsOf({ spans, deltas, counts }: Side): [index: number, count: number][] {
  const buckets: [number, number][] = []
  const isDelta = deltas.length > 0
  const given = isDelta ? deltas : counts
  let index = 0
  let count = 0
  for (let at = 0; at < spans.length; at += 2) {
    index += spans[at]
    if (buckets.length + spans[at + 1] > given.length) throw new ExpositionError('a native histogram with fewer counts than buckets')
    for (let i = 0; i < spans[at + 1]; i++) {
      count = isDelta ? count + given[buckets.length] : given[buckets.length]
      if (!(count >= 0)) throw new ExpositionError('a native histogram with a count below 0')
      buckets.push([index++, count])
    }
  }
  if (buckets.length !== given.length) throw new ExpositionError('a native histogram with more counts than buckets')
  return buckets
}

/** A number of a repeated field, or all of them where they are packed. */
function each(cursor: Cursor, tag: number, into: number[], read: (cursor: Cursor) => number): void {
  if ((tag & 7) !== bytesType) into.push(read(cursor))
  else {
    cursor.span()
    const { start, end } = cursor
    for (cursor.at = start; cursor.at < end;) if (into.push(read(cursor)) > mostBuckets) throw tooMany()
    cursor.close(end)
  }
  if (into.length > mostBuckets) throw tooMany()
}

/** A uint64; beyond 2^53 the nearest number. */
export function unsigned(cursor: Cursor): number {
  const low = cursor.varint()
  return cursor.high ? cursor.high * two32 + low : low
}

/** An int64. */
export function integer(cursor: Cursor): number {
  const low = cursor.varint()
  return cursor.high ? (cursor.high | 0) * two32 + low : low
}

/** A sint32 or sint64. */
function signed(cursor: Cursor): number {
  const value = unsigned(cursor)
  return value % 2 ? -(value + 1) / 2 : value / 2
}

/** A double. Throws UndecodableError where the message ends within. */
export function doubleAt(cursor: Cursor): number {
  const { at } = cursor
  cursor.skip(fixed64)
  return cursor.bytes.readDoubleLE(at)
}

const fixed64 = 9
