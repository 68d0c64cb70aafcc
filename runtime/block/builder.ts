import { type RecordKind, collectedFields } from '../../schema/record.ts'
import { AttributesColumn } from './attributes-column.ts'
import type { Column } from './column.ts'
import { LabelColumn, columnOf } from './columns.ts'
import type { LabelBudget } from './label-budget.ts'
import { AddressColumn, NumberColumn, WideColumn } from './number-columns.ts'
import { TextColumn, TextsColumn } from './text-columns.ts'
import { Writer } from './writer.ts'

/** Rows beyond the capacity: one thing a source reads may make a few rows, of which the last still fit into a block that has become full. */
const spareRows = 16
/** Rows of a block, unless said otherwise. What it says of its labels costs each reader once a block; docs/decisions/0019-rows-of-a-block.md. */
export const rowsPerBlock = 16_384
const unlimited: ReadonlyMap<string, LabelBudget> = new Map()

/**
 * A block being filled with the columns a collector writes. The hot path takes typed columns once (`numbers`, `labels`…), writes
 * their row `rows` and then counts it with `next`; rare records go through `add`.
 */
export class BlockBuilder {
  readonly kind: RecordKind
  readonly capacity: number
  /** 8 bytes a row: what the record is known by when it is sent again. */
  readonly ids: Uint8Array
  rows = 0
  /** Which block it is filling, counted up by `reset`: codes of labels are good for one filling. */
  filling = 0
  /** Smallest and largest time, microseconds; for the headers of the message. */
  minTime = Infinity
  maxTime = -Infinity
  readonly #columns: Map<string, Column>
  readonly #completions: (() => void)[] = []
  readonly #out = new Writer()

  /** `budgets` of its labels, by name, may be shared with other builders. */
  constructor(kind: RecordKind, capacity = rowsPerBlock, budgets = unlimited) {
    if (capacity > 60_000) throw new RangeError(`a block holds at most 60000 rows, got ${capacity}`)
    this.kind = kind
    this.capacity = capacity
    this.ids = new Uint8Array((capacity + spareRows) * 8)
    const rows = capacity + spareRows
    this.#columns = new Map(collectedFields(kind).map(([name, field]) => [name, columnOf(field, rows, budgets.get(name))]))
  }

  get full(): boolean {
    return this.rows >= this.capacity
  }

  numbers(name: string): NumberColumn {
    return this.#typed(name, NumberColumn)
  }
  wides(name: string): WideColumn {
    return this.#typed(name, WideColumn)
  }
  addresses(name: string): AddressColumn {
    return this.#typed(name, AddressColumn)
  }
  labels(name: string): LabelColumn {
    return this.#typed(name, LabelColumn)
  }
  texts(name: string): TextColumn {
    return this.#typed(name, TextColumn)
  }
  textLists(name: string): TextsColumn {
    return this.#typed(name, TextsColumn)
  }
  attributes(name: string): AttributesColumn {
    return this.#typed(name, AttributesColumn)
  }

  #typed<C extends Column>(name: string, type: abstract new (...args: never[]) => C): C {
    const column = this.#columns.get(name)
    if (column instanceof type) return column
    throw new TypeError(`${this.kind.name}.${name} is ${column?.type ?? 'no column a collector writes'}, not a ${type.name}`)
  }

  /** `complete` is called by each `encode` before the columns are read: for what is cheaper to write column by column. */
  beforeEncode(complete: () => void): void {
    this.#completions.push(complete)
  }

  /** Counts the row that was just written; `time` is its time in microseconds. */
  next(time: number): void {
    this.rows++
    if (time < this.minTime) this.minTime = time
    if (time > this.maxTime) this.maxTime = time
  }

  /** Appends a record given as an object; `id` is what it is known by, 8 bytes. */
  add(record: Readonly<Record<string, unknown>>, id?: Uint8Array): void {
    const row = this.rows
    for (const [name, value] of Object.entries(record)) {
      if (value === undefined) continue
      const column = this.#columns.get(name)
      if (!column) throw new TypeError(`${this.kind.name} has no column ${name} that a collector writes`)
      column.set(row, value)
    }
    if (id) this.ids.set(id.subarray(0, 8), row * 8)
    this.next(Number(record.time ?? 0))
  }

  /**
   * The block in ClickHouse's Native format, without the columns that hold nothing but their defaults, except the first, which tells how
   * many rows there are. A view, valid until the next `encode` of this builder.
   */
  encode(): Buffer {
    for (const complete of this.#completions) complete()
    const out = this.#out
    out.reset()
    out.shortVaruint(0)
    out.varuint(this.rows)
    let count = 0
    for (const [name, column] of this.#columns) {
      if (column.isDefault(this.rows) && count > 0) continue
      count++
      out.text(name)
      out.text(column.type)
      column.write(out, this.rows)
    }
    out.shortVaruint(count, 0)
    return out.bytes()
  }

  reset(): void {
    for (const column of this.#columns.values()) column.reset(this.rows)
    this.ids.fill(0, 0, this.rows * 8)
    this.rows = 0
    this.filling++
    this.minTime = Infinity
    this.maxTime = -Infinity
  }
}
