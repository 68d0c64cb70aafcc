import { Combinations } from './combinations.ts'

/** Ranges of addresses, each of IPv4 as a part of ::ffff:0:0/96, to ask whether one holds an address. */
export class Prefixes {
  readonly #byLength = new Map<number, Combinations>()

  /** The addresses that share the first `bits` of 128 with that in `words` from `at` on. */
  add(words: Int32Array, at: number, bits: number): void {
    let known = this.#byLength.get(bits)
    if (!known) this.#byLength.set(bits, (known = new Combinations()))
    const [a, b, c, d] = masked(words, at, bits)
    known.number(a, b, c, d)
  }

  has(words: Int32Array, at: number): boolean {
    for (const [bits, known] of this.#byLength) {
      const [a, b, c, d] = masked(words, at, bits)
      if (known.find(a, b, c, d) >= 0) return true
    }
    return false
  }
}

function masked(words: Int32Array, at: number, bits: number): [number, number, number, number] {
  const word = (index: number) => words[at + index] & maskOf(bits - index * 32)
  return [word(0), word(1), word(2), word(3)]
}

/** The first `bits` of four bytes that lie in memory in order, as a word that has the first of them lowest. */
function maskOf(bits: number): number {
  if (bits <= 0) return 0
  if (bits >= 32) return -1
  const mask = ~(0xffffffff >>> bits) >>> 0
  return (mask >>> 24) | ((mask >>> 8) & 0xff00) | ((mask << 8) & 0xff0000) | (mask << 24)
}
