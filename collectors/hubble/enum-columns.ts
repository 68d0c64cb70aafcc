import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { Labels } from '../../runtime/block/block.ts'

/** The text of a number of an enum; '' is that of rows that are not set, unless it gives another for 0. */
export type NameOf = (number: number) => string

/** In place of a number that needs more than eight bits. */
const other = 255

/**
 * Up to four label columns fed with the numbers of enums, which a row takes as one word; the columns are made of the words when the
 * block is encoded. Rows that are not set are as if all were 0.
 */
export class EnumColumns {
  readonly #builder: BlockBuilder
  readonly #words: Int32Array
  readonly #codes: Uint8Array
  /** For each column the numbers that are larger, by row. */
  readonly #others = [0, 1, 2, 3].map(() => new Map<number, number>())
  #isEmpty = true

  constructor(builder: BlockBuilder, columns: readonly (readonly [name: string, nameOf: NameOf])[]) {
    this.#builder = builder
    this.#words = new Int32Array(builder.capacity)
    this.#codes = new Uint8Array(builder.capacity)
    for (const [i, [name, nameOf]] of columns.entries()) this.also(name, i, nameOf)
  }

  /** Writes the numbers of a column to another one too, under other names. */
  also(name: string, index: number, nameOf: NameOf): void {
    this.#builder.labels(name).writeFrom(rows => this.#labels(index, nameOf, rows))
  }

  forget(): void {
    this.#words.fill(0)
    for (const others of this.#others) others.clear()
    this.#isEmpty = true
  }

  /** Numbers of 32 bits. */
  set(row: number, a: number, b = 0, c = 0, d = 0): void {
    this.#isEmpty = false
    if ((a | b | c | d) >>> 0 < other) this.#words[row] = a | (b << 8) | (c << 16) | (d << 24)
    else this.#setOthers(row, [a, b, c, d])
  }

  #setOthers(row: number, numbers: readonly number[]): void {
    let word = 0
    for (const [i, number] of numbers.entries()) {
      const isOther = number >>> 0 >= other
      if (isOther) this.#others[i].set(row, number)
      word |= (isOther ? other : number) << (i * 8)
    }
    this.#words[row] = word
  }

  #labels(index: number, nameOf: NameOf, rows: number): Labels {
    const keys = ['']
    const codeOf = codesOf(keys, nameOf)
    if (this.#isEmpty) return { keys, codes: this.#codes.fill(codeOf(0), 0, rows) }
    if (this.#others[index].size === 0) {
      gather(this.#codes, this.#words, index * 8, rows, codeOf)
      return { keys, codes: this.#codes }
    }
    const numbers = Array.from(this.#words.subarray(0, rows), (word, row) => this.#others[index].get(row) ?? (word >>> (index * 8)) & 255)
    return { keys, codes: Uint16Array.from(numbers, codeOf) }
  }
}

/** Finds the codes of numbers; those of the same text have the same. */
function codesOf(keys: string[], nameOf: NameOf): (number: number) => number {
  return number => {
    const name = nameOf(number)
    const code = keys.indexOf(name)
    return code < 0 ? keys.push(name) - 1 : code
  }
}

function gather(codes: Uint8Array, words: Int32Array, shift: number, rows: number, codeOf: (number: number) => number): void {
  const known = new Int16Array(256).fill(-1)
  for (let row = 0; row < rows; row++) {
    const number = (words[row] >>> shift) & 255
    let code = known[number]
    if (code < 0) code = known[number] = codeOf(number)
    codes[row] = code
  }
}
