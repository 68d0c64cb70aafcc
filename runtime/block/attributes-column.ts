import type { ClickHouseType } from '../../schema/field.ts'
import type { Column } from './column.ts'
import { Writer } from './writer.ts'

/** A text as a block has it, in words. */
export interface WrittenText {
  words: Int32Array
  /** Bytes, with those that say how long it is. */
  length: number
}

export function wordsOfText(text: string): WrittenText {
  const out = new Writer(64)
  out.text(text)
  const length = out.length
  out.zeros(4 - (length & 3))
  const bytes = Uint8Array.from(out.bytes())
  return { words: new Int32Array(bytes.buffer), length }
}

/**
 * Map(String, String): cumulative ends, then all keys, then all values. Rows are set in ascending order, the last perhaps again; pairs
 * are kept as they are written.
 */
export class AttributesColumn implements Column {
  readonly type: ClickHouseType = 'Map(String, String)'
  readonly #ends: Uint32Array
  readonly #keys = new Writer(1 << 10)
  readonly #values = new Writer(1 << 10)
  #count = 0
  /** The row that was begun last, and where its keys, values and pairs begin. */
  #row = -1
  #start = { keys: 0, values: 0, count: 0 }

  constructor(capacity: number) {
    this.#ends = new Uint32Array(capacity)
  }

  /** Begins the pairs of a row anew; rows that were passed over have none. */
  begin(row: number): void {
    if (row < this.#row) throw new RangeError(`row ${row} of attributes is set after row ${this.#row}`)
    if (row === this.#row) this.#cut()
    else this.#ends.fill(this.#count, this.#row + 1, row + 1)
    this.#row = row
    this.#start = { keys: this.#keys.length, values: this.#values.length, count: this.#count }
  }

  /** Adds a pair to the row that was begun last. */
  add(key: string, value: string): void {
    this.#keys.text(key)
    this.#values.text(value)
    this.#ends[this.#row] = ++this.#count
  }

  /** The same of a value that lies there as UTF-8. */
  addBytes(key: string, bytes: Buffer, start: number, end: number): void {
    this.#keys.text(key)
    if (!this.#values.ascii(bytes, start, end)) this.#values.text(bytes.toString('utf8', start, end))
    this.#ends[this.#row] = ++this.#count
  }

  /** The same of a key that is written already, as `wordsOfText` does; `view` is over the same bytes. */
  addView(key: WrittenText, bytes: Buffer, view: DataView, start: number, end: number): void {
    this.#keys.words(key.words, key.length)
    if (!this.#values.asciiWords(view, start, end)) this.#values.text(bytes.toString('utf8', start, end))
    this.#ends[this.#row] = ++this.#count
  }

  /** The same of a value that was made. */
  addText(key: WrittenText, value: string): void {
    this.#keys.words(key.words, key.length)
    this.#values.text(value)
    this.#ends[this.#row] = ++this.#count
  }

  /** Adds so many pairs whose keys and values were written by a Writer, each as a text. */
  addWritten(keys: Uint8Array, values: Uint8Array, count: number): void {
    this.#keys.copy(keys)
    this.#values.copy(values)
    this.#count += count
    this.#ends[this.#row] = this.#count
  }

  set(row: number, value: unknown): void {
    this.begin(row)
    for (const [key, text] of Object.entries(value as Readonly<Record<string, string>>)) this.add(key, text)
  }

  isDefault(): boolean {
    return this.#count === 0
  }

  write(out: Writer, rows: number): void {
    if (this.#row >= rows) this.#cut()
    const ends = new Uint32Array(rows * 2)
    for (let row = 0; row < rows; row++) ends[row * 2] = row <= this.#row ? this.#ends[row] : this.#count
    out.raw(ends)
    out.raw(this.#keys.bytes())
    out.raw(this.#values.bytes())
  }

  /** Forgets the pairs of the row that was begun last. */
  #cut(): void {
    this.#keys.cut(this.#start.keys)
    this.#values.cut(this.#start.values)
    this.#count = this.#start.count
    this.#ends[this.#row] = this.#count
  }

  reset(): void {
    this.#keys.reset()
    this.#values.reset()
    this.#count = 0
    this.#row = -1
  }
}
