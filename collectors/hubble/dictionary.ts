/** Texts a dictionary may hold when a block begins to use it. */
const largest = 1 << 17

/** Texts under numbers, so that columns tell texts apart without looking into them. '' is 0. */
export class Dictionary {
  /** Which dictionary it is, from 1. */
  readonly number: number
  readonly texts: string[] = ['']
  readonly #ids = new Map<string, number>([['', 0]])
  /** By the number of a text: who asked for its code last, and that code. */
  #codes = new Int32Array(128)
  #asked = 0

  constructor(number: number) {
    this.number = number
  }

  get full(): boolean {
    return this.texts.length > largest
  }

  id(text: string): number {
    const known = this.#ids.get(text)
    if (known !== undefined) return known
    const id = this.texts.push(text) - 1
    this.#ids.set(text, id)
    return id
  }

  /**
   * Gives the used of `count` items codes by the text at `offset` of `width` in `ids`: items of the same text the same code, '' 0. The
   * codes go to `codes` by the items' numbers. Returns the texts by their codes.
   */
  encode(ids: Int32Array, { offset, width, count, used }: Place, codes: Uint16Array): string[] {
    if (this.#codes.length < this.texts.length * 2) this.#codes = new Int32Array(this.texts.length * 4)
    const known = this.#codes
    const asked = ++this.#asked
    const keys = ['']
    known[0] = asked
    known[1] = 0
    for (let number = 1; number <= count; number++) {
      if (!used[number]) continue
      const id = ids[number * width + offset]
      if (known[id * 2] !== asked) {
        known[id * 2] = asked
        known[id * 2 + 1] = keys.push(this.texts[id]) - 1
      }
      codes[number] = known[id * 2 + 1]
    }
    return keys
  }
}

interface Place {
  offset: number
  width: number
  count: number
  /** Not 0 for the items that come in the column. */
  used: Uint8Array
}

/** The dictionary of the blocks that begin now. A full one is given up, and with it the texts nobody uses any more. */
export class Dictionaries {
  #current = new Dictionary(1)

  get current(): Dictionary {
    if (this.#current.full) this.#current = new Dictionary(this.#current.number + 1)
    return this.#current
  }
}
