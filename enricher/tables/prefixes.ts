import { Combinations } from './combinations.ts'

/** Ranges of one length, and how often each was added. */
interface Ranges {
  known: Combinations
  counts: number[]
  empty: number
}

const leastTidied = 1024

/** Ranges of addresses, each of IPv4 as a part of ::ffff:0:0/96, to ask whether one holds an address. */
export class Prefixes {
  readonly #byLength = new Map<number, Ranges>()

  /** The addresses that share the first `bits` of 128 with that in `words` from `at` on. */
  add(words: Int32Array, at: number, bits: number): void {
    const ranges = this.#of(bits)
    const number = ranges.known.number(...masked(words, at, bits))
    const isNew = number === ranges.counts.length
    if (!isNew && ranges.counts[number] === 0) ranges.empty--
    ranges.counts[number] = (isNew ? 0 : ranges.counts[number]) + 1
  }

  /** Takes back what was added once. */
  remove(words: Int32Array, at: number, bits: number): void {
    const ranges = this.#of(bits)
    const number = ranges.known.find(...masked(words, at, bits))
    if (number < 0 || ranges.counts[number] === 0 || --ranges.counts[number] > 0) return
    ranges.empty++
    if (ranges.empty >= leastTidied && ranges.empty * 2 > ranges.counts.length) this.#byLength.set(bits, tidied(ranges))
  }

  has(words: Int32Array, at: number): boolean {
    for (const [bits, { known, counts }] of this.#byLength) {
      const [a, b, c, d] = masked(words, at, bits)
      const number = known.find(a, b, c, d)
      if (number >= 0 && counts[number] > 0) return true
    }
    return false
  }

  #of(bits: number): Ranges {
    let ranges = this.#byLength.get(bits)
    if (!ranges) this.#byLength.set(bits, (ranges = { known: new Combinations(), counts: [], empty: 0 }))
    return ranges
  }
}

/** The same without what was taken back. */
function tidied({ known, counts }: Ranges): Ranges {
  const left: Ranges = { known: new Combinations(), counts: [], empty: 0 }
  for (const [number, count] of counts.entries()) if (count > 0) left.counts[left.known.number(...known.parts(number))] = count
  return left
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
