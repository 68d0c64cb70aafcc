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

/** Fillings of builders, numbered so that a text knows whether its codes are of the one at hand. */
let fillings = 0

/** Label columns written together from one interned item. `place` is the item's drawer for their codes. */
export class TextColumns {
  readonly #columns: readonly LabelColumn[]
  readonly #first: Uint16Array
  readonly #place: number
  readonly #from: number
  #filling = 0

  /** `from` is the first of the item's texts that is written. */
  constructor(place: number, columns: readonly LabelColumn[], from = 0) {
    this.#place = place
    this.#from = from
    this.#columns = columns
    this.#first = columns[0].codes
  }

  forget(): void {
    this.#filling = ++fillings
  }

  set(row: number, item: Texts): void {
    const columns = this.#columns
    const at = this.#place * item.texts.length
    if (item.stamps[this.#place] !== this.#filling) {
      for (let i = 0; i < columns.length; i++) item.codes[at + i] = columns[i].code(item.texts[this.#from + i])
      item.stamps[this.#place] = this.#filling
    }
    this.#first[row] = item.codes[at]
    for (let i = 1; i < columns.length; i++) columns[i].codes[row] = item.codes[at + i]
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
  readonly #endpoint: TextColumns
  readonly #service: TextColumns
  readonly #names: TextColumns
  readonly #identity
  readonly #address: Uint32Array
  readonly #port

  /** Takes three places from `place` on. */
  constructor(builder: BlockBuilder, prefix: 'src_' | 'dst_', place: number) {
    const labels = (name: string) => builder.labels(prefix + name)
    this.#endpoint = new TextColumns(place, endpointColumns.map(labels))
    this.#service = new TextColumns(place + 1, [labels('service')])
    this.#names = new TextColumns(place + 2, [labels('dns_name')])
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
