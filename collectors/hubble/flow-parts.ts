import { openEnd } from '../../schema/object.ts'
import { type Cursor, varintType } from '../protobuf/cursor.ts'

// Small messages of a flow. `cursor` is open over the bytes; so it is for the other readers.

/** The last value of the first field of a small message, 0 without. */
export function numberIn(cursor: Cursor, bytes: Buffer, start: number, end: number): number {
  if (end - start === 2 && bytes[start] === 8 && bytes[start + 1] < 128) return bytes[start + 1]
  cursor.at = start
  let value = 0
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 8) value = cursor.varint() || (cursor.high ? 1 : 0)
    else cursor.skip(tag)
  }
  cursor.close(end)
  return value
}

/** Microseconds; what claims to be later has a broken clock. */
const latest = openEnd

/** Microseconds; -1 for what is before 1970 or after 2100, and for none. */
export function timeAt(cursor: Cursor, bytes: Buffer, start: number, end: number): number {
  // Seconds of five bytes and nanoseconds of as many at most, as today's times have.
  if (bytes[start] !== 8 || bytes[start + 6] !== 16 || end - start > 12) return anyTimeAt(cursor, start, end)
  const [a, b, c, d, e] = [bytes[start + 1], bytes[start + 2], bytes[start + 3], bytes[start + 4], bytes[start + 5]]
  if ((a & b & c & d) < 128 || e > 127) return anyTimeAt(cursor, start, end)
  let nanos = 0
  let at = start + 7
  let byte = 128
  for (let shift = 0; byte > 127 && at < end; shift += 7) {
    byte = bytes[at++]
    nanos |= (byte & 127) << shift
  }
  if (at !== end || byte > 127 || nanos < 0) return anyTimeAt(cursor, start, end)
  const seconds = ((a & 127) | ((b & 127) << 7) | ((c & 127) << 14) | ((d & 127) << 21)) + e * 268435456
  const time = seconds * 1e6 + ((nanos / 1000) | 0)
  return time < latest ? time : -1
}

function anyTimeAt(cursor: Cursor, start: number, end: number): number {
  cursor.at = start
  let seconds = 0
  let nanos = 0
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 8) seconds = cursor.varint() + cursor.high * 4294967296
    else if (tag === 16) nanos = cursor.varint() | 0
    else cursor.skip(tag)
  }
  cursor.close(end)
  const time = seconds * 1e6 + Math.floor(nanos / 1000)
  return time > 0 && time < latest ? time : -1
}

export function traceIdIn(cursor: Cursor, start: number, end: number): string {
  cursor.at = start
  let traceId = ''
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 10) traceId = traceIdOf(cursor, cursor.varint(), traceId)
    else cursor.skip(tag)
  }
  cursor.close(end)
  return traceId
}

function traceIdOf(cursor: Cursor, length: number, traceId: string): string {
  const end = cursor.at + length
  while (cursor.at < end) {
    const tag = cursor.tag()
    cursor.skip(tag)
    if (tag === 10) traceId = cursor.bytes.toString('utf8', cursor.start, cursor.end)
  }
  cursor.close(end)
  return traceId
}

/** Writes to `counts` how many flows came in, went out, and did what nobody knows. */
export function readCounts(cursor: Cursor, start: number, end: number, counts: number[]): void {
  cursor.at = start
  while (cursor.at < end) {
    const tag = cursor.tag()
    if ((tag & 7) === varintType && tag <= 24) counts[(tag >>> 3) - 1] = cursor.varint()
    else cursor.skip(tag)
  }
  cursor.close(end)
}
