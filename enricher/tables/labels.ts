import type { Labels } from '../../runtime/block/block.ts'

/** A column of labels on its way: '' where nothing was set. */
export class LabelBuilder {
  readonly #codeOf = new Map([['', 0]])
  readonly #codes: Uint16Array

  constructor(rows: number) {
    this.#codes = new Uint16Array(rows)
  }

  get isEmpty(): boolean {
    return this.#codeOf.size === 1
  }

  get labels(): Labels {
    return { keys: [...this.#codeOf.keys()], codes: this.#codes }
  }

  set(row: number, text: string): void {
    let code = this.#codeOf.get(text)
    if (code === undefined) this.#codeOf.set(text, (code = this.#codeOf.size))
    this.#codes[row] = code
  }
}
