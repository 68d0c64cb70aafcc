/** Mixes two numbers into 32 well-spread bits, the same on every machine (the finalizer of MurmurHash3). */
export function mix(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** A number that stands for a text and other numbers: what is drawn once, such as a name, is drawn from this. */
export function hashOf(seed: number, text: string, ...more: number[]): number {
  let h = seed
  for (let i = 0; i < text.length; i++) h = mix(h, text.charCodeAt(i))
  for (const value of more) h = mix(mix(h, value % 4294967296), Math.floor(value / 4294967296))
  return h
}

/** Numbers that depend on nothing but the seed (sfc32). */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number, stream: number) {
    this.#a = mix(seed, stream)
    this.#b = mix(this.#a, seed)
    this.#c = mix(this.#b, stream)
    for (let i = 0; i < 8; i++) this.next()
  }

  /** 32 bits. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor((this.next() / 4294967296) * limit)
  }

  between(from: number, to: number): number {
    return from + this.below(to - from)
  }

  chance(probability: number): boolean {
    return this.next() < probability * 4294967296
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]
  }

  /** Around `median`, skewed to the right as latencies are. */
  skewed(median: number, spread: number): number {
    const normal = (this.next() + this.next() + this.next() + this.next()) / 4294967296 - 2
    return median * Math.exp(normal * 1.73 * spread)
  }
}
