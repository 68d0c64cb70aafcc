import type { BlockBuilder } from '../../runtime/block/builder.ts'

/** Codes of texts in one filling of one block. */
interface Coded {
  builder: BlockBuilder
  filling: number
  codes: Uint16Array
}

/** Texts read once and written to label columns many times. */
export class Words {
  readonly texts: readonly string[]
  /** By the place of the columns they were written to last. */
  readonly coded: (Coded | undefined)[] = []

  constructor(...texts: readonly string[]) {
    this.texts = texts
  }
}

export const noWords = new Words('')

/** Label columns that are written together, from words that have a text for each. */
export class LabelGroup {
  readonly #builder: BlockBuilder
  readonly #names: readonly string[]
  readonly #columns: readonly Uint16Array[]
  /** Where words keep the codes; groups to which the same words are written differ in it. */
  readonly #place: number

  constructor(builder: BlockBuilder, place: number, names: readonly string[]) {
    this.#builder = builder
    this.#place = place
    this.#names = names
    this.#columns = names.map(name => builder.labels(name).codes)
  }

  write(row: number, words: Words): void {
    const known = words.coded[this.#place]
    const codes = known && known.builder === this.#builder && known.filling === this.#builder.filling ? known.codes : this.#encode(words)
    const columns = this.#columns
    for (let i = 0; i < columns.length; i++) columns[i][row] = codes[i]
  }

  #encode(words: Words): Uint16Array {
    const codes = Uint16Array.from(this.#names, (name, i) => this.#builder.labels(name).code(words.texts[i]))
    while (words.coded.length < this.#place) words.coded.push(undefined)
    words.coded[this.#place] = { builder: this.#builder, filling: this.#builder.filling, codes }
    return codes
  }
}
