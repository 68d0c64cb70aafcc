/** What `find` answers instead of an entity. */
export const notFound = { unknown: -1, notThen: -2, several: -3 } as const

/**
 * Whose an address was at a time: addresses to entities (small whole numbers) with the interval in which each was true, in typed
 * arrays. Open addressing over the 16 bytes of the address; the intervals of an address are a linked list, newest first.
 */
export class AddressTable {
  #slots = new Int32Array(1024).fill(-1)
  /** Addresses in order of arrival, four words each. */
  #addresses = new Int32Array(512 * 4)
  #heads = new Int32Array(512)
  #count = 0
  #from = new Float64Array(1024)
  #to = new Float64Array(1024)
  #entities = new Int32Array(1024)
  #next = new Int32Array(1024)
  #intervals = 0

  get addresses(): number {
    return this.#count
  }

  get intervals(): number {
    return this.#intervals
  }

  /** The address in `words` from `at` on was the entity's from `from` until before `to`, microseconds. Returns a number for `close`. */
  add(words: Int32Array, at: number, from: number, to: number, entity: number): number {
    const address = this.#findOrAdd(words, at)
    if (this.#intervals === this.#from.length) this.#growIntervals()
    const interval = this.#intervals++
    this.#from[interval] = from
    this.#to[interval] = to
    this.#entities[interval] = entity
    this.#insertByStart(address, interval)
    return interval
  }

  /** Ends (or prolongs) an interval. */
  close(interval: number, to: number): void {
    this.#to[interval] = to
  }

  /**
   * The one entity that had the address at that time; `several` when more than one had, and then `candidates` lists them;
   * `notThen` when the address is known but was nobody's at that time; else `unknown`.
   */
  find(words: Int32Array, at: number, time: number, candidates?: number[]): number {
    const address = this.#slots[this.#slotOf(words, at)]
    if (address < 0) return notFound.unknown
    let found: number = notFound.notThen
    for (let interval = this.#heads[address]; interval >= 0; interval = this.#next[interval]) {
      if (time < this.#from[interval] || time >= this.#to[interval]) continue
      const entity = this.#entities[interval]
      candidates?.push(entity)
      if (found === notFound.notThen) found = entity
      else if (found !== entity) found = notFound.several
    }
    return found
  }

  #slotOf(words: Int32Array, at: number): number {
    const a = words[at]
    const b = words[at + 1]
    const c = words[at + 2]
    const d = words[at + 3]
    const mask = this.#slots.length - 1
    let slot = mix(a, b, c, d) & mask
    for (;;) {
      const address = this.#slots[slot]
      if (address < 0) return slot
      const word = address * 4
      const known = this.#addresses
      if (known[word + 3] === d && known[word + 2] === c && known[word + 1] === b && known[word] === a) return slot
      slot = (slot + 1) & mask
    }
  }

  #findOrAdd(words: Int32Array, at: number): number {
    if (this.#count * 2 >= this.#slots.length) this.#growSlots()
    const slot = this.#slotOf(words, at)
    if (this.#slots[slot] >= 0) return this.#slots[slot]
    const address = this.#count++
    if (address * 4 >= this.#addresses.length) {
      this.#addresses = grown(this.#addresses)
      this.#heads = grown(this.#heads)
    }
    this.#addresses.set(words.subarray(at, at + 4), address * 4)
    this.#heads[address] = -1
    this.#slots[slot] = address
    return address
  }

  #insertByStart(address: number, interval: number): void {
    let before = -1
    let after = this.#heads[address]
    while (after >= 0 && this.#from[after] > this.#from[interval]) {
      before = after
      after = this.#next[after]
    }
    this.#next[interval] = after
    if (before < 0) this.#heads[address] = interval
    else this.#next[before] = interval
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1)
    const mask = slots.length - 1
    for (let address = 0; address < this.#count; address++) {
      const [a, b, c, d] = this.#addresses.subarray(address * 4, address * 4 + 4)
      let slot = mix(a, b, c, d) & mask
      while (slots[slot] >= 0) slot = (slot + 1) & mask
      slots[slot] = address
    }
    this.#slots = slots
  }

  #growIntervals(): void {
    this.#from = grown(this.#from)
    this.#to = grown(this.#to)
    this.#entities = grown(this.#entities)
    this.#next = grown(this.#next)
  }
}

function mix(a: number, b: number, c: number, d: number): number {
  let hash = Math.imul(a ^ Math.imul(b, 0x85ebca6b), 0xc2b2ae35) ^ Math.imul(c, 0x27d4eb2f) ^ Math.imul(d, 0x9e3779b1)
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}

function grown<A extends Int32Array | Float64Array>(array: A): A {
  const larger = new (array.constructor as new (length: number) => A)(array.length * 2)
  larger.set(array)
  return larger
}
