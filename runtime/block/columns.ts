import { type ClickHouseType, type Field, clickhouseTypes } from '../../schema/field.ts'
import { AttributesColumn } from './attributes-column.ts'
import type { Labels } from './block.ts'
import { type Column, isFilledWith } from './column.ts'
import type { LabelBudget } from './label-budget.ts'
import { AddressColumn, NumberColumn, WideColumn } from './number-columns.ts'
import { NumbersColumn, TextColumn, TextsColumn } from './text-columns.ts'
import type { Writer } from './writer.ts'

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
