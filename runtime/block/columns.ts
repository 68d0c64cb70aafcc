import { type ClickHouseType, type Field, clickhouseTypes } from '../../schema/field.ts'
import { addressBytes, readAddress, writeAddress } from './address.ts'
import type { Labels } from './block.ts'
import type { LabelBudget } from './label-budget.ts'
import { Writer } from './writer.ts'

/** A column being filled. Rows that are not set hold the type's default. */
export interface Column {
  readonly type: ClickHouseType
  /** The slow way, for rare records: any value a record of this field may have. */
  set(row: number, value: unknown): void
  /** Whether the first `rows` rows hold nothing but the default: then the block goes without the column. */
  isDefault(rows: number): boolean
  write(out: Writer, rows: number): void
  /** Forgets the first `rows` rows. */
  reset(rows: number): void
}

type NumberArray = Uint8Array | Uint16Array | Uint32Array | Float64Array

/** Bool, UInt8, UInt16, UInt32 and Float64: write into `values`. */
export class NumberColumn implements Column {
  readonly type: ClickHouseType
  readonly values: NumberArray
  readonly #default: number

  constructor(type: ClickHouseType, values: NumberArray, defaultValue = 0) {
    this.type = type
    this.values = values
    this.#default = defaultValue
    values.fill(defaultValue)
  }

  set(row: number, value: unknown): void {
    this.values[row] = Number(value)
  }

  isDefault(rows: number): boolean {
    return isFilledWith(this.values, this.#default, rows)
  }

  write(out: Writer, rows: number): void {
    out.raw(this.values.subarray(0, rows))
  }

  reset(rows: number): void {
    this.values.fill(this.#default, 0, rows)
  }
}

/** UInt64 and DateTime64(6), as pairs of 32-bit words so that no BigInt is made. */
export class WideColumn implements Column {
  readonly type: ClickHouseType
  readonly #words: Uint32Array
  #isEmpty = true

  constructor(type: ClickHouseType, capacity: number) {
    this.type = type
    this.#words = new Uint32Array(capacity * 2)
  }

  /** A whole number from 0 to 2^53. */
  setNumber(row: number, value: number): void {
    // Division is much faster than the remainder of what is no 32-bit number.
    const high = Math.floor(value / 4294967296)
    this.setWords(row, value - high * 4294967296, high)
  }

  setWords(row: number, low: number, high: number): void {
    this.#words[row * 2] = low
    this.#words[row * 2 + 1] = high
    this.#isEmpty = false
  }

  set(row: number, value: unknown): void {
    this.setNumber(row, Math.max(0, Number(value)))
  }

  getNumber(row: number): number {
    return this.#words[row * 2] + this.#words[row * 2 + 1] * 4294967296
  }

  isDefault(): boolean {
    return this.#isEmpty
  }

  write(out: Writer, rows: number): void {
    if (this.#isEmpty) out.zeros(rows * 8)
    else out.raw(this.#words.subarray(0, rows * 2))
  }

  reset(rows: number): void {
    if (!this.#isEmpty) this.#words.fill(0, 0, rows * 2)
    this.#isEmpty = true
  }
}

/** IPv6, 16 bytes a row in `bytes`. */
export class AddressColumn implements Column {
  readonly type: ClickHouseType = 'IPv6'
  readonly bytes: Uint8Array

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity * addressBytes)
  }

  set(row: number, value: unknown): void {
    writeAddress(this.bytes, row * addressBytes, String(value))
  }

  get(row: number): string {
    return readAddress(this.bytes, row * addressBytes)
  }

  isDefault(rows: number): boolean {
    return isFilledWith(new Int32Array(this.bytes.buffer), 0, rows * 4)
  }

  write(out: Writer, rows: number): void {
    out.raw(this.bytes.subarray(0, rows * addressBytes))
  }

  reset(rows: number): void {
    this.bytes.fill(0, 0, rows * addressBytes)
  }
}

/** Texts a label column knows beyond a block, at most. */
const maxKnown = 1 << 15

/**
 * LowCardinality(String): texts by their code, the codes in `codes`. Code 0 is ''; a field whose default is another text has it as code 1.
 * `code` finds or makes the code of a text; codes are forgotten with `reset`.
 */
export class LabelColumn implements Column {
  readonly type: ClickHouseType = 'LowCardinality(String)'
  readonly codes: Uint16Array
  readonly #default: string
  readonly #budget: LabelBudget | undefined
  #keys: string[] = []
  /** Texts keep their number from block to block: most come again, and to enter them into a map anew would cost more. */
  readonly #numbers = new Map<string, number>()
  #texts: string[] = []
  /** Counted up when the numbers of texts are given anew. */
  era = 0
  /** By a text's number: the block it came in last, and its code there. */
  #blocks = new Uint32Array(64)
  #codeOf = new Uint16Array(64)
  #block = 0
  #labels: ((rows: number) => Labels) | undefined
  /** What `#labels` said for the block that is being written. */
  #made: Labels | undefined

  constructor(capacity: number, defaultText = '', budget?: LabelBudget) {
    this.#budget = budget
    this.codes = new Uint16Array(capacity)
    this.#default = defaultText
    this.reset(capacity)
  }

  get keys(): readonly string[] {
    return this.#keys
  }

  code(text: string): number {
    return this.codeOfNumber(this.number(text))
  }

  /** What the column knows a text by, in all blocks of this era: with it `codeOfNumber` finds the code sooner than `code`. */
  number(text: string): number {
    return this.#numbers.get(text) ?? this.#learn(text)
  }

  codeOfNumber(number: number): number {
    if (this.#blocks[number] === this.#block) return this.#codeOf[number]
    this.#blocks[number] = this.#block
    return (this.#codeOf[number] = this.#keys.push(this.#texts[number]) - 1)
  }

  #learn(text: string): number {
    const number = this.#texts.push(text) - 1
    this.#numbers.set(text, number)
    if (number < this.#blocks.length) return number
    const [blocks, codes] = [this.#blocks, this.#codeOf]
    this.#blocks = new Uint32Array(number * 2)
    this.#codeOf = new Uint16Array(number * 2)
    this.#blocks.set(blocks)
    this.#codeOf.set(codes)
    return number
  }

  set(row: number, value: unknown): void {
    this.codes[row] = this.code(String(value))
  }

  /**
   * From now on the column is what `labels` says when a block is written, for so many rows; the first of its keys is ''. Nothing else
   * writes to it. For columns that are cheaper to make at once than row by row.
   */
  writeFrom(labels: (rows: number) => Labels): void {
    this.#labels = labels
  }

  isDefault(rows: number): boolean {
    if (!this.#labels) return isFilledWith(this.codes, this.code(this.#default), rows)
    this.#made = this.#labels(rows)
    return this.#made.keys.length === 1 && this.#default === ''
  }

  write(out: Writer, rows: number): void {
    const made = this.#made ?? { keys: this.#keys, codes: this.codes }
    const { keys, codes } = this.#budget?.within(made, rows) ?? made
    writeLabels(out, keys, codes, rows)
    this.#made = undefined
  }

  reset(rows: number): void {
    if (this.#labels) return
    if (this.#texts.length > maxKnown) this.#forget()
    this.#block++
    this.#keys = []
    this.code('')
    this.codes.fill(this.code(this.#default), 0, rows)
  }

  #forget(): void {
    this.#numbers.clear()
    this.#texts = []
    this.era++
  }
}

/** The body of a LowCardinality(String) column: version, flags and index width, keys, indexes. */
export function writeLabels(out: Writer, keys: readonly string[], codes: Uint8Array | Uint16Array | Uint32Array, rows: number): void {
  if (rows === 0) return
  const wide = keys.length > 65536 ? 2 : keys.length > 256 ? 1 : 0
  out.uint64(1)
  out.uint64(0x600 | wide)
  out.uint64(keys.length)
  for (const key of keys) out.text(key)
  out.uint64(rows)
  if (keys.length === 1) return out.zeros(rows)
  const used = codes.subarray(0, rows)
  if (wide === 0 && !(used instanceof Uint8Array)) return out.lowBytes(codes, rows)
  const Indexes = [Uint8Array, Uint16Array, Uint32Array][wide]
  out.raw(used instanceof Indexes ? used : new Indexes(used))
}

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

/** Compares memory with itself, one value farther on: a loop over arrays of several types would take five times as long. */
function isFilledWith(values: NumberArray | Int32Array, value: number, count: number): boolean {
  if (count === 0) return true
  if (values[0] !== value) return false
  const width = values.BYTES_PER_ELEMENT
  const bytes = Buffer.from(values.buffer as ArrayBuffer, values.byteOffset, count * width)
  return bytes.subarray(width).equals(bytes.subarray(0, bytes.length - width))
}

const makers: Record<ClickHouseType, (capacity: number, field: Field, budget?: LabelBudget) => Column> = {
  Bool: (capacity, field) => new NumberColumn('Bool', new Uint8Array(capacity), field.default),
  UInt8: (capacity, field) => new NumberColumn('UInt8', new Uint8Array(capacity), field.default),
  UInt16: (capacity, field) => new NumberColumn('UInt16', new Uint16Array(capacity), field.default),
  UInt32: (capacity, field) => new NumberColumn('UInt32', new Uint32Array(capacity), field.default),
  Float64: (capacity, field) => new NumberColumn('Float64', new Float64Array(capacity), field.default),
  UInt64: capacity => new WideColumn('UInt64', capacity),
  "DateTime64(6, 'UTC')": capacity => new WideColumn("DateTime64(6, 'UTC')", capacity),
  IPv6: capacity => new AddressColumn(capacity),
  String: () => new TextColumn(),
  'LowCardinality(String)': (capacity, field, budget) => new LabelColumn(capacity, field.values?.[0], budget),
  'Array(String)': capacity => new TextsColumn(capacity),
  'Array(Float64)': capacity => new NumbersColumn(capacity),
  'Map(String, String)': capacity => new AttributesColumn(capacity),
}

export function columnOf(field: Field, capacity: number, budget?: LabelBudget): Column {
  return makers[clickhouseTypes[field.type]](capacity, field, budget)
}
