import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { AddressColumn, LabelColumn, WideColumn } from '../../runtime/block/columns.ts'
import { type Endpoint, type Texts, sharedColumns } from './texts.ts'
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
 * Label columns written together from one interned item. The codes an item has in the block at hand are kept in a table as
 * wide as `size`; items that share a line of it push one another out.
 */
export class TextColumns {
  readonly #columns: readonly LabelColumn[]
  readonly #first: Uint16Array
  readonly #from: number
  readonly #mask: number
  readonly #owners: (Texts | undefined)[]
  readonly #codes: Uint16Array

  /** `from` is the first of the item's texts that is written; `size` a power of two. */
  constructor(columns: readonly LabelColumn[], { from = 0, size = 1024 } = {}) {
    this.#from = from
    this.#columns = columns
    this.#first = columns[0].codes
    this.#mask = size - 1
    this.#owners = Array.from({ length: size }, () => undefined)
    this.#codes = new Uint16Array(size * columns.length)
  }

  forget(): void {
    this.#owners.fill(undefined)
  }

  set(row: number, item: Texts): void {
    const columns = this.#columns
    const line = item.index & this.#mask
    const at = line * columns.length
    if (this.#owners[line] !== item) this.#learn(line, at, item)
    this.#first[row] = this.#codes[at]
    for (let i = 1; i < columns.length; i++) columns[i].codes[row] = this.#codes[at + i]
  }

  #learn(line: number, at: number, item: Texts): void {
    for (let i = 0; i < this.#columns.length; i++) this.#codes[at + i] = this.#columns[i].code(item.texts[this.#from + i])
    this.#owners[line] = item
  }

  /** Several at once, joined by commas, each only once. */
  setAll(row: number, items: readonly Texts[], more: readonly Texts[] = []): void {
    if (items.length + more.length === 0) return
    if (items.length + more.length === 1) this.set(row, items.length ? items[0] : more[0])
    else this.#first[row] = this.#columns[0].code([...new Set([...items, ...more].map(item => item.texts[this.#from]))].join(','))
  }
}

/** The columns of one end. */
export class EndColumns {
  readonly #pod: TextColumns
  readonly #shared: TextColumns
  readonly #service: TextColumns
  readonly #names: TextColumns
  readonly #identity
  readonly #address: Uint32Array
  readonly #port

  constructor(builder: BlockBuilder, prefix: 'src_' | 'dst_') {
    const labels = (name: string) => builder.labels(prefix + name)
    this.#pod = new TextColumns([labels('pod')], { size: 8192 })
    this.#shared = new TextColumns(sharedColumns.map(labels))
    this.#service = new TextColumns([labels('service')])
    this.#names = new TextColumns([labels('dns_name')])
    this.#identity = builder.numbers(`${prefix}identity`).values
    this.#address = wordsOf(builder.addresses(`${prefix}address`))
    this.#port = builder.numbers(`${prefix}port`).values
  }

  forget(): void {
    this.#pod.forget()
    this.#shared.forget()
    this.#service.forget()
    this.#names.forget()
  }

  set(row: number, endpoint: Endpoint, service: Texts, names: readonly Texts[]): void {
    this.#pod.set(row, endpoint)
    this.#shared.set(row, endpoint.shared)
    this.#service.set(row, service)
    this.#names.setAll(row, names)
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
