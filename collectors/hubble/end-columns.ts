import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { copyAddress, wordsOf } from '../columns.ts'
import { ItemColumns, Numbering } from './item-columns.ts'
import type { Known } from './known.ts'
import { type Texts, endpointColumns } from './texts.ts'

/** Numbers of what both ends of a block, and what it is said of them, have in common. */
export class EndNumberings {
  readonly endpoints: Numbering
  readonly services: Numbering
  readonly names: Numbering

  constructor(builder: BlockBuilder, { endpoints, services, names, dictionaries }: Known, place: number) {
    this.endpoints = new Numbering(builder, endpoints, { dictionaries, place, width: endpointColumns.length, most: 2 })
    this.services = new Numbering(builder, services, { dictionaries, place, width: 1, most: 2 })
    this.names = new Numbering(builder, names, { dictionaries, place, width: 1, most: 2 })
  }

  forget(): void {
    for (const numbering of [this.endpoints, this.services, this.names]) numbering.forget()
  }
}

/** The columns of one end. */
export class EndColumns {
  readonly #endpoint: ItemColumns
  readonly #service: ItemColumns
  readonly #names: ItemColumns
  readonly #address: Uint32Array
  readonly #port

  constructor(builder: BlockBuilder, prefix: 'src_' | 'dst_', { endpoints, services, names }: EndNumberings) {
    this.#endpoint = new ItemColumns(
      endpoints,
      endpointColumns.map(name => prefix + name),
    )
    this.#service = new ItemColumns(services, [`${prefix}service`])
    this.#names = new ItemColumns(names, [`${prefix}dns_name`])
    this.#endpoint.writeIdentities(builder.numbers(`${prefix}identity`))
    this.#address = wordsOf(builder.addresses(`${prefix}address`))
    this.#port = builder.numbers(`${prefix}port`).values
  }

  forget(): void {
    for (const columns of [this.#endpoint, this.#service, this.#names]) columns.forget()
  }

  set(row: number, endpoint: number, service: number, names: readonly Texts[]): void {
    this.#endpoint.set(row, endpoint)
    this.#service.set(row, service)
    if (names.length) this.#names.setAll(row, names)
  }

  setAddress(row: number, words: Int32Array, index: number, port: number): void {
    copyAddress(this.#address, row, words, index)
    this.#port[row] = port
  }
}
