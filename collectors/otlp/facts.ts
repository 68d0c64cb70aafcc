import { textAt } from '../protobuf/cursor.ts'
import { viewOf } from '../protobuf/bytes.ts'
import { Interner } from '../protobuf/interner.ts'
import { names } from './keys.ts'
import { type Place, nowhere, readPlace } from './place.ts'

const longestKept = 64
/** Bytes of the longest text that can say where an end is: 255 characters. */
const longestPlace = 4 * 255
const keptBytes = 8 << 20

/**
 * What the attributes of the span at hand say, by the numbers of `keys.ts`. Texts stay where they lie in the message until they are
 * asked for, and the short ones are made once for all spans.
 */
export class Facts {
  bytes: Buffer = Buffer.alloc(0)
  #view = viewOf(this.bytes)
  readonly #starts = new Int32Array(names.length)
  readonly #ends = new Int32Array(names.length)
  /** The span that said it last. */
  readonly #spans = new Int32Array(names.length)
  readonly #texts: string[] = names.map(() => '')
  #span = 0
  readonly #kept = new Interner<string>('', textAt, keptBytes)
  readonly #places = new Interner<Place>(nowhere, (bytes, start, end) => readPlace(textAt(bytes, start, end)), keptBytes)

  open(bytes: Buffer): void {
    this.bytes = bytes
    this.#view = viewOf(bytes)
  }

  /** Forgets what the span before said. */
  next(): void {
    this.#span = (this.#span + 1) | 0
  }

  setBytes(name: number, start: number, end: number): void {
    this.#spans[name] = this.#span
    this.#starts[name] = start
    this.#ends[name] = end
    this.#texts[name] = ''
  }

  /** What is no text in the message. */
  setText(name: number, text: string): void {
    this.#spans[name] = this.#span
    this.#starts[name] = -1
    this.#ends[name] = -1
    this.#texts[name] = text
  }

  has(name: number): boolean {
    return this.#spans[name] === this.#span
  }

  /** Where the text lies in the message, or -1. */
  start(name: number): number {
    return this.#spans[name] === this.#span ? this.#starts[name] : -1
  }

  end(name: number): number {
    return this.#ends[name]
  }

  text(name: number): string {
    if (this.#spans[name] !== this.#span) return ''
    const start = this.#starts[name]
    return start < 0 ? this.#texts[name] : this.slice(start, this.#ends[name])
  }

  /** The first of them that says something. */
  either(first: number, second: number, third = -1): string {
    return this.text(first) || this.text(second) || (third < 0 ? '' : this.text(third))
  }

  /** A piece of the message as text. */
  slice(start: number, end: number): string {
    if (end === start) return ''
    if (end - start > longestKept) return textAt(this.bytes, start, end)
    return this.#kept.value(this.#kept.find(this.bytes, this.#view, start, end))
  }

  /** Where the first of them that says something says an end is. */
  place(first: number, second: number, third = -1): Place {
    const name = this.#says(first) ? first : this.#says(second) ? second : third
    return this.#says(name) ? this.#place(name) : nowhere
  }

  #says(name: number): boolean {
    return name >= 0 && this.#spans[name] === this.#span && (this.#ends[name] > this.#starts[name] || this.#texts[name] !== '')
  }

  #place(name: number): Place {
    const start = this.#starts[name]
    return start < 0 ? readPlace(this.#texts[name]) : this.placeIn(start, this.#ends[name])
  }

  /** Where a piece of the message says an end is. */
  placeIn(start: number, end: number): Place {
    if (end === start || end - start > longestPlace) return nowhere
    if (end - start > longestKept) return readPlace(textAt(this.bytes, start, end))
    return this.#places.value(this.#places.find(this.bytes, this.#view, start, end))
  }

  /** A whole number below 2^32, or 0. */
  number(name: number): number {
    if (this.#spans[name] !== this.#span) return 0
    const start = this.#starts[name]
    return start < 0 ? numberIn(this.#texts[name]) : this.#digits(start, this.#ends[name])
  }

  #digits(start: number, end: number): number {
    if (end - start > 10) return 0
    let value = 0
    for (let i = start; i < end; i++) {
      const digit = this.bytes[i] - 48
      if (!(digit >= 0 && digit <= 9)) return 0
      value = value * 10 + digit
    }
    return value <= 0xffffffff ? value : 0
  }
}

function numberIn(text: string): number {
  if (text.length > 10) return 0
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (!(digit >= 0 && digit <= 9)) return 0
    value = value * 10 + digit
  }
  return value <= 0xffffffff ? value : 0
}
