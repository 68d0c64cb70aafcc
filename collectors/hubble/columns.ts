import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { AddressColumn, LabelColumn, WideColumn } from '../../runtime/block/columns.ts'
import { type Endpoint, type Texts, endpointColumns } from './texts.ts'
import type { Names } from './vocabulary.ts'

const enumSize = 256

/** A label column fed with the numbers of an enum. */
export class EnumColumn {
  readonly #codes: Uint16Array
  readonly #column: LabelColumn
  readonly #names: Names
  readonly #known = new Int32Array(enumSize).fill(-1)

  constructor(column: LabelColumn, names: Names) {
    this.#codes = column.codes
    this.#column = column
    this.#names = names
  }

  set(row: number, number: number): void {
    const code = number >= 0 && number < enumSize ? this.#known[number] : -1
    this.#codes[row] = code >= 0 ? code : this.#learn(number)
  }

  #learn(number: number): number {
    const code = this.#column.code(this.#names[number] ?? String(number))
    if (number >= 0 && number < enumSize) this.#known[number] = code
    return code
  }

  forget(): void {
    this.#known.fill(-1)
  }
}

/**
 * Label columns written together from one interned item. A row takes only the number the item has in the block at hand; the
 * columns are written from these numbers when the block is encoded. Items are found in a table of `size` lines, from block to
 * block; those that share a line push one another out, and get another number when they come again.
 */
export class TextColumns {
  readonly #builder: BlockBuilder
  readonly #columns: readonly LabelColumn[]
  readonly #from: number
  readonly #mask: number
  readonly #owners: (Texts | undefined)[]
  /** For each line the number of its item in this block, 0 when it has none yet. */
  readonly #numbers: Uint16Array
  /** For each line what the columns know its item's texts by. */
  readonly #known: Uint32Array
  /** Numbers of the rows' items; 0 where nothing was written. */
  readonly #rows: Uint16Array
  /** For each column the codes by the items' numbers. */
  readonly #codes: readonly Uint16Array[]
  #count = 0
  #filling = -1
  #era = 0

  /** `from` is the first of the item's texts that is written; `size` a power of two. */
  constructor(builder: BlockBuilder, names: readonly string[], { from = 0, size = 2048 } = {}) {
    this.#builder = builder
    this.#columns = names.map(name => builder.labels(name))
    this.#from = from
    this.#mask = size - 1
    this.#owners = Array.from({ length: size }, () => undefined)
    this.#numbers = new Uint16Array(size)
    this.#known = new Uint32Array(size * names.length)
    this.#rows = new Uint16Array(builder.capacity)
    this.#codes = names.map(() => new Uint16Array(builder.capacity + 1))
    builder.beforeEncode(() => this.#complete())
  }

  /** To be called when the builder begins another block. */
  forget(): void {
    const era = this.#columns.reduce((sum, column) => sum + column.era, 0)
    if (era !== this.#era) this.#owners.fill(undefined)
    this.#era = era
    this.#numbers.fill(0)
    this.#rows.fill(0)
    this.#count = 0
    this.#filling = this.#builder.filling
  }

  set(row: number, item: Texts): void {
    const line = item.index & this.#mask
    const number = this.#owners[line] === item ? this.#numbers[line] : 0
    this.#rows[row] = number || this.#learn(line, item)
  }

  #learn(line: number, item: Texts): number {
    const columns = this.#columns
    const at = line * columns.length
    if (this.#owners[line] !== item) this.#own(line, at, item)
    const number = (this.#numbers[line] = ++this.#count)
    for (let i = 0; i < columns.length; i++) this.#codes[i][number] = columns[i].codeOfNumber(this.#known[at + i])
    return number
  }

  #own(line: number, at: number, item: Texts): void {
    for (let i = 0; i < this.#columns.length; i++) this.#known[at + i] = this.#columns[i].number(item.texts[this.#from + i])
    this.#owners[line] = item
  }

  /** Several at once, joined by commas, each only once. */
  setAll(row: number, items: readonly Texts[], more: readonly Texts[] = []): void {
    if (items.length + more.length === 0) return
    if (items.length + more.length === 1) this.set(row, items.length ? items[0] : more[0])
    else this.#setText(row, [...new Set([...items, ...more].map(item => item.texts[this.#from]))].join(','))
  }

  #setText(row: number, text: string): void {
    const number = ++this.#count
    this.#codes[0][number] = this.#columns[0].code(text)
    this.#rows[row] = number
  }

  #complete(): void {
    if (this.#filling !== this.#builder.filling || this.#count === 0) return
    for (let i = 0; i < this.#columns.length; i++) gather(this.#columns[i].codes, this.#codes[i], this.#rows, this.#builder.rows)
  }
}

/** Writes the codes of the rows that have a number. */
function gather(codes: Uint16Array, codeOf: Uint16Array, numbers: Uint16Array, rows: number): void {
  for (let row = 0; row < rows; row++) {
    const number = numbers[row]
    if (number) codes[row] = codeOf[number]
  }
}

/** The columns of one end. */
export class EndColumns {
  readonly #endpoint: TextColumns
  readonly #service: TextColumns
  readonly #names: TextColumns
  readonly #identity
  readonly #address: Uint32Array
  readonly #port

  constructor(builder: BlockBuilder, prefix: 'src_' | 'dst_') {
    this.#endpoint = new TextColumns(
      builder,
      endpointColumns.map(name => prefix + name),
      { size: 16_384 },
    )
    this.#service = new TextColumns(builder, [`${prefix}service`])
    this.#names = new TextColumns(builder, [`${prefix}dns_name`])
    this.#identity = builder.numbers(`${prefix}identity`).values
    this.#address = wordsOf(builder.addresses(`${prefix}address`))
    this.#port = builder.numbers(`${prefix}port`).values
  }

  forget(): void {
    this.#endpoint.forget()
    this.#service.forget()
    this.#names.forget()
  }

  set(row: number, endpoint: Endpoint, service: Texts, names: readonly Texts[]): void {
    this.#endpoint.set(row, endpoint)
    this.#service.set(row, service)
    if (names.length) this.#names.setAll(row, names)
    this.#identity[row] = endpoint.identity
  }

  setAddress(row: number, words: Uint32Array, index: number, port: number): void {
    copyAddress(this.#address, row, words, index)
    this.#port[row] = port
  }
}

export const wordsOf = (column: AddressColumn) =>
  new Uint32Array(column.bytes.buffer, column.bytes.byteOffset, column.bytes.byteLength / Uint32Array.BYTES_PER_ELEMENT)

export function copyAddress(column: Uint32Array, row: number, words: Uint32Array, index: number): void {
  const to = row * 4
  const from = index * 4
  column[to] = words[from]
  column[to + 1] = words[from + 1]
  column[to + 2] = words[from + 2]
  column[to + 3] = words[from + 3]
}

/** As WideColumn.setNumber, without a division by remainder. */
export function setTime(column: WideColumn, row: number, time: number): void {
  const high = Math.floor(time / 4294967296)
  column.setWords(row, time - high * 4294967296, high)
}
