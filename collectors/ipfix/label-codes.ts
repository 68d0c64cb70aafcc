import type { LabelColumn } from '../../runtime/block/columns.ts'

const unknown = 0xffff

/** Codes of a column of labels for what records give as small numbers. */
export class LabelCodes {
  readonly #column: LabelColumn
  readonly #textOf: (value: number) => string
  readonly #codes: Uint16Array

  constructor(column: LabelColumn, size: number, textOf: (value: number) => string) {
    this.#column = column
    this.#textOf = textOf
    this.#codes = new Uint16Array(size).fill(unknown)
  }

  /** To be called when the block begins anew. */
  forget(): void {
    this.#codes.fill(unknown)
  }

  set(row: number, value: number): void {
    const known = this.#codes[value]
    this.#column.codes[row] = known === undefined || known === unknown ? this.#find(value) : known
  }

  #find(value: number): number {
    const code = this.#column.code(this.#textOf(value))
    if (value < this.#codes.length) this.#codes[value] = code
    return code
  }
}
