import type { ClickHouseType } from '../../schema/field.ts'
import type { Column } from './column.ts'
import { Writer } from './writer.ts'

/** String. Rows are set in ascending order, the last perhaps again. They are kept as they are written. */
export class TextColumn implements Column {
  readonly type: ClickHouseType = 'String'
  readonly #out = new Writer(1 << 10)
  /** The row that was set last, and where it begins. */
  #row = -1
  #start = 0

  /** Where the text of a row belongs; rows that were passed over are empty. */
  #at(row: number): Writer {
    if (row < this.#row) throw new RangeError(`row ${row} of texts is set after row ${this.#row}`)
    if (row === this.#row) this.#out.cut(this.#start)
    else this.#out.zeros(row - this.#row - 1)
    this.#row = row
    this.#start = this.#out.length
    return this.#out
  }

  set(row: number, value: unknown): void {
    this.#at(row).text(String(value))
  }

  /** The text that lies there as UTF-8; what is not valid becomes U+FFFD. */
  setBytes(row: number, bytes: Buffer, start: number, end: number): void {
    const out = this.#at(row)
    if (!out.ascii(bytes, start, end)) out.text(bytes.toString('utf8', start, end))
  }

  /** The same; `view` is over the same bytes. */
  setView(row: number, bytes: Buffer, view: DataView, start: number, end: number): void {
    const out = this.#at(row)
    if (!out.asciiWords(view, start, end)) out.text(bytes.toString('utf8', start, end))
  }

  /** Up to 63 bytes in hexadecimal. */
  setHex(row: number, bytes: Buffer, start: number, length: number): void {
    this.#at(row).hex(bytes, start, length)
  }

  /** An empty text is one byte. */
  isDefault(): boolean {
    return this.#out.length <= this.#row + 1
  }

  /** Rows beyond `rows` are left out: they were set and not counted. */
  write(out: Writer, rows: number): void {
    const counted = Math.min(rows, this.#row + 1)
    const written = this.#out.bytes()
    out.raw(this.#row >= rows ? written.subarray(0, this.#start) : written)
    out.zeros(rows - counted)
  }

  reset(): void {
    this.#out.reset()
    this.#row = -1
    this.#start = 0
  }
}

/** Array(…): cumulative ends, then all the items. */
abstract class ListsColumn<T> implements Column {
  abstract readonly type: ClickHouseType
  readonly #lists: (readonly T[])[]
  #isEmpty = true

  constructor(capacity: number) {
    this.#lists = Array.from({ length: capacity }, () => nothing)
  }

  protected abstract writeItems(out: Writer, items: readonly T[]): void

  set(row: number, value: unknown): void {
    this.#lists[row] = value as readonly T[]
    this.#isEmpty = false
  }

  isDefault(): boolean {
    return this.#isEmpty
  }

  write(out: Writer, rows: number): void {
    if (this.#isEmpty) return out.zeros(rows * 8)
    let end = 0
    for (let row = 0; row < rows; row++) out.uint64((end += this.#lists[row].length))
    for (let row = 0; row < rows; row++) this.writeItems(out, this.#lists[row])
  }

  reset(rows: number): void {
    if (!this.#isEmpty) this.#lists.fill(nothing, 0, rows)
    this.#isEmpty = true
  }
}

const nothing: readonly never[] = []

/** Array(String). */
export class TextsColumn extends ListsColumn<string> {
  readonly type = 'Array(String)'

  protected writeItems(out: Writer, texts: readonly string[]): void {
    for (const text of texts) out.text(text)
  }
}

/** Array(Float64). */
export class NumbersColumn extends ListsColumn<number> {
  readonly type = 'Array(Float64)'

  protected writeItems(out: Writer, numbers: readonly number[]): void {
    out.raw(Float64Array.from(numbers))
  }
}
