import { Cursor } from '../protobuf/cursor.ts'
import { cutBytes } from './any-value.ts'
import type { Limits } from './options.ts'
import { pairsOf } from './resource.ts'
import { nanosText } from './time.ts'

/**
 * An event of a span as JSON: {"time":"2026-01-02T03:04:05.678901234Z","name":"exception","attributes":{…}}. Event{time_unix_nano 1,
 * name 2, attributes 3, dropped_attributes_count 4}. `discarded` counts attributes that were left out or cut.
 */
export function eventText(bytes: Buffer, start: number, end: number, limits: Limits): { text: string; discarded: number } {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  let name = ''
  let time = 0n
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag !== 0x12) cursor.skip(tag)
    else {
      cursor.span()
      const isLong = cursor.end - cursor.start > limits.value_bytes
      name = isLong ? cutBytes(bytes, cursor.start, cursor.end, limits.value_bytes) : cursor.text(cursor.start, cursor.end)
    }
    if (tag === 0x09) time = bytes.readBigUInt64LE(cursor.at - 8)
  }
  cursor.close(end)
  const { pairs, discarded } = pairsOf(bytes, start, end, 3, limits)
  const attributes = pairs.size ? Object.fromEntries(pairs) : undefined
  return { text: JSON.stringify({ time: nanosText(time) || undefined, name, attributes }), discarded }
}

/** A link of a span as trace/span in hexadecimal. Link{trace_id 1, span_id 2}. */
export function linkText(bytes: Buffer, start: number, end: number): string {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  let [trace, span] = ['', '']
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag !== 0x0a && tag !== 0x12) {
      cursor.skip(tag)
      continue
    }
    cursor.span()
    const id = bytes.toString('hex', cursor.start, Math.min(cursor.end, cursor.start + 16))
    if (tag === 0x0a) trace = id
    else span = id
  }
  cursor.close(end)
  return `${trace}/${span}`
}
