/** Ids a generation may hold: its table has to stay in the processor's cache, and a slot has as many bits for the number of an id. */
export const mostPerGeneration = 1 << 15
const smallest = 1 << 10
const numberBits = 17
const numberMask = (1 << numberBits) - 1

/**
 * Ids of one stretch of time. A slot of the table is the number of an id, from 1, under bits of its hash, so that the table is small
 * and most ids that are not there are known by the slot alone; the ids are behind it, one after the other.
 */
export class Generation {
  minTime = Infinity
  maxTime = -Infinity
  count = 0
  #slots = new Int32Array(smallest)
  #ids = new Int32Array(smallest)

  clear(): void {
    this.minTime = Infinity
    this.maxTime = -Infinity
    this.count = 0
    this.#slots.fill(0)
  }

  has(low: number, high: number): boolean {
    return this.#find(low, high, hashOf(low, high)) < 0
  }

  add(low: number, high: number): boolean {
    if (this.count * 2 >= this.#slots.length) this.#grow()
    const hash = hashOf(low, high)
    const slot = this.#find(low, high, hash)
    if (slot < 0) return false
    this.#ids[this.count * 2] = low
    this.#ids[this.count * 2 + 1] = high
    this.#slots[slot] = (hash & ~numberMask) | ++this.count
    return true
  }

  /** Where the id belongs, or -1 when it is there. */
  #find(low: number, high: number, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = slots[slot]
      if (found === 0) return slot
      if ((found ^ hash) >>> numberBits !== 0) continue
      const at = ((found & numberMask) - 1) * 2
      if (this.#ids[at] === low && this.#ids[at + 1] === high) return -1
    }
  }

  #grow(): void {
    const ids = this.#ids
    this.#slots = new Int32Array(this.#slots.length * 2)
    this.#ids = new Int32Array(this.#slots.length)
    this.#ids.set(ids)
    for (let number = 1; number <= this.count; number++) {
      const hash = hashOf(ids[number * 2 - 2], ids[number * 2 - 1])
      this.#slots[this.#find(ids[number * 2 - 2], ids[number * 2 - 1], hash)] = (hash & ~numberMask) | number
    }
  }

  /** As `add`, for an id that is known not to be there. */
  addNew(low: number, high: number): void {
    if (this.count * 2 >= this.#slots.length) this.#grow()
    const slots = this.#slots
    const mask = slots.length - 1
    const hash = hashOf(low, high)
    let slot = hash & mask
    while (slots[slot] !== 0) slot = (slot + 1) & mask
    this.#ids[this.count * 2] = low
    this.#ids[this.count * 2 + 1] = high
    slots[slot] = (hash & ~numberMask) | ++this.count
  }

  cover(minTime: number, maxTime: number): void {
    if (minTime < this.minTime) this.minTime = minTime
    if (maxTime > this.maxTime) this.maxTime = maxTime
  }
}

function hashOf(low: number, high: number): number {
  const hash = Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1)
  return hash ^ (hash >>> 15)
}
