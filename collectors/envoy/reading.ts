import { viewOf } from '../protobuf/bytes.ts'
import { Cursor } from '../protobuf/cursor.ts'
import type { Interner } from '../protobuf/interner.ts'
import type { Details, Parts } from './parts.ts'
import { type Words, noWords } from './words.ts'

/** Bytes of a text that becomes a label. */
const maxLabel = 1024

/** A text as it lies in the bytes. */
export interface Span {
  start: number
  end: number
}

/** A message while its entries are read: texts are places in `bytes`, and what repeats is what its bytes meant before. */
export class Reading {
  bytes: Buffer = Buffer.alloc(0)
  /** Over the same bytes. */
  view = viewOf(this.bytes)
  readonly cursor = new Cursor()
  readonly parts: Parts
  /** Texts that were cut, and pairs that were left out. */
  overLimit = 0
  readonly #pair = { key: { start: 0, end: 0 }, value: { start: 0, end: 0 } }

  constructor(parts: Parts) {
    this.parts = parts
  }

  open(bytes: Buffer, view: DataView): void {
    this.bytes = bytes
    this.view = view
  }

  /** Timestamp or Duration, in nanoseconds; what is before the epoch, or negative, is 0. */
  nanos(start: number, end: number): number {
    const { cursor } = this
    let seconds = 0
    let nanos = 0
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) {
        seconds = cursor.varint()
        if (cursor.high) seconds = 0
      } else if (tag === 16) {
        nanos = cursor.varint()
        if (nanos > 999_999_999) nanos = 0
      } else cursor.skip(tag)
    }
    cursor.close(end)
    return seconds * 1e9 + nanos
  }

  /** UInt32Value. */
  wrapped(start: number, end: number): number {
    const { cursor } = this
    let value = 0
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) value = cursor.varint()
      else cursor.skip(tag)
    }
    cursor.close(end)
    return value
  }

  /** A number of 64 bits, as far as JavaScript counts. */
  wide(): number {
    const low = this.cursor.varint()
    return Math.min(low + this.cursor.high * 4294967296, Number.MAX_SAFE_INTEGER)
  }

  /** The places of key and value of an entry of a map; good until the next is read. */
  pair(start: number, end: number): { readonly key: Span; readonly value: Span } {
    const { cursor } = this
    const { key, value } = this.#pair
    if (this.#isPlain(start, end)) return this.#pair
    key.start = key.end = value.start = value.end = 0
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 10 || tag === 18) {
        cursor.span()
        const part = tag === 10 ? key : value
        part.start = cursor.start
        part.end = cursor.end
      } else cursor.skip(tag)
    }
    cursor.close(end)
    return this.#pair
  }

  /** Key before value, each with a length of one byte, as all but long ones are written: found without a cursor. */
  #isPlain(start: number, end: number): boolean {
    const { bytes } = this
    const { key, value } = this.#pair
    if (end - start < 4 || bytes[start] !== 10) return false
    const middle = start + 2 + bytes[start + 1]
    if (bytes[start + 1] > 127 || middle + 2 > end || bytes[middle] !== 18 || middle + 2 + bytes[middle + 1] !== end) return false
    if (bytes[middle + 1] > 127) return false
    key.start = start + 2
    key.end = middle
    value.start = middle + 2
    value.end = end
    return true
  }

  /** What these bytes meant before. Three of them tell most parts of a length apart, which saves hashing all. */
  known<T>(interner: Interner<T>, start: number, end: number): T {
    const { bytes } = this
    const hint = bytes[start] | (bytes[(start + end) >> 1] << 8) | (bytes[end - 1] << 16)
    return interner.value(interner.findBy(hint, bytes, this.view, start, end))
  }

  words(start: number, end: number, words = this.parts.words): Words {
    return end === start ? noWords : this.known(words, start, this.cut(start, end))
  }

  details(start: number, end: number): Details {
    return this.known(this.parts.details, start, this.cut(start, end))
  }

  setSpan(span: Span, start: number, end: number, longest: number): void {
    span.start = start
    span.end = this.cut(start, end, longest)
  }

  /** Where a text ends that may be too long; no character is cut through. */
  cut(start: number, end: number, longest = maxLabel): number {
    if (end - start <= longest) return end
    this.overLimit++
    let cut = start + longest
    while ((this.bytes[cut] & 0xc0) === 0x80 && cut > start) cut--
    return cut
  }

  startsWith(text: string, start: number, end: number): boolean {
    if (end - start < text.length) return false
    for (let i = 0; i < text.length; i++) if (this.bytes[start + i] !== text.charCodeAt(i)) return false
    return true
  }
}
