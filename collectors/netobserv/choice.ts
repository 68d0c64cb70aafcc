import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { LabelColumn } from '../../runtime/block/columns.ts'

/** A column of labels that has one of a few texts in each row, by their number. */
export class Choice {
  readonly #builder: BlockBuilder
  readonly #column: LabelColumn
  readonly #texts: readonly string[]
  readonly #codes: Int32Array
  #filling = -1

  constructor(builder: BlockBuilder, name: string, texts: readonly string[]) {
    this.#builder = builder
    this.#column = builder.labels(name)
    this.#texts = texts
    this.#codes = new Int32Array(texts.length)
  }

  set(row: number, number: number): void {
    if (this.#filling !== this.#builder.filling) this.#begin()
    const code = this.#codes[number]
    this.#column.codes[row] = code >= 0 ? code : (this.#codes[number] = this.#column.code(this.#texts[number]))
  }

  #begin(): void {
    this.#filling = this.#builder.filling
    this.#codes.fill(-1)
  }
}
