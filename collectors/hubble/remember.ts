import type { Memory } from './decoder.ts'

const generations = 16
const smallest = 1 << 10

/** Ids of one stretch of time: a small table, so that what comes now is looked up in the processor's cache. */
class Generation {
  minTime = Infinity
  maxTime = -Infinity
  count = 0
  #slots = new Uint32Array(smallest * 2)

  clear(): void {
    this.minTime = Infinity
    this.maxTime = -Infinity
    this.count = 0
    this.#slots.fill(0)
  }

  has(low: number, high: number): boolean {
    return this.#find(this.#slots, low, high) < 0
  }

  add(low: number, high: number): boolean {
    if (this.count * 4 >= this.#slots.length) this.#grow()
    const slot = this.#find(this.#slots, low, high)
    if (slot < 0) return false
    this.#slots[slot] = low
    this.#slots[slot + 1] = high
    this.count++
    return true
  }

  /** Where the id belongs, or -1 when it is there. */
  #find(slots: Uint32Array, low: number, high: number): number {
    const mask = slots.length - 2
    const hash = Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1)
    for (let slot = ((hash ^ (hash >>> 15)) << 1) & mask; ; slot = (slot + 2) & mask) {
      if (slots[slot] === low && slots[slot + 1] === high) return -1
      if (slots[slot] === 0 && slots[slot + 1] === 0) return slot
    }
  }

  #grow(): void {
    const larger = new Uint32Array(this.#slots.length * 2)
    for (let i = 0; i < this.#slots.length; i += 2) {
      const [low, high] = [this.#slots[i], this.#slots[i + 1]]
      if (low === 0 && high === 0) continue
      const slot = this.#find(larger, low, high)
      larger[slot] = low
      larger[slot + 1] = high
    }
    this.#slots = larger
  }

  cover(minTime: number, maxTime: number): void {
    if (minTime < this.minTime) this.minTime = minTime
    if (maxTime > this.maxTime) this.maxTime = maxTime
  }
}

/** The ids of the records that were written last, as many as `capacity`; in generations, the oldest of which is forgotten first. */
export class Remembered implements Memory {
  /** Records up to this time may have been forgotten. Microseconds. */
  horizon = -Infinity
  readonly #perGeneration: number
  #generations = [new Generation()]
  /** Largest time of the generations before the newest: what is later, as most is, can be in the newest only. */
  #olderMaxTime = -Infinity

  constructor(capacity = 1 << 21) {
    this.#perGeneration = Math.ceil(capacity / generations)
  }

  /** Remembers an id. False when it was known. */
  add(low: number, high: number, time: number): boolean {
    if (low === 0 && high === 0) low = 1
    this.#newest()
    if (time <= this.#olderMaxTime && this.#isOlder(low, high, time)) return false
    return this.#insert(low, high, time, time)
  }

  #isOlder(low: number, high: number, time: number): boolean {
    const all = this.#generations
    for (let i = 1; i < all.length; i++) if (time <= all[i].maxTime && time >= all[i].minTime && all[i].has(low, high)) return true
    return false
  }

  has(low: number, high: number): boolean {
    if (low === 0 && high === 0) low = 1
    return this.#generations.some(generation => generation.has(low, high))
  }

  /** Remembers the ids of a block, 8 bytes each, all between these times. */
  load(ids: Uint8Array, minTime: number, maxTime: number): void {
    const words = new Uint32Array(new Uint8Array(ids).buffer)
    for (let i = 0; i < words.length; i += 2) this.#insert(words[i] || (words[i + 1] ? 0 : 1), words[i + 1], minTime, maxTime)
  }

  #insert(low: number, high: number, minTime: number, maxTime: number): boolean {
    const newest = this.#newest()
    newest.cover(minTime, maxTime)
    return newest.add(low, high)
  }

  /** The generation that has room; the one before it is full. */
  #newest(): Generation {
    const newest = this.#generations[0]
    return newest.count < this.#perGeneration ? newest : this.#turn()
  }

  #turn(): Generation {
    this.#olderMaxTime = Math.max(this.#olderMaxTime, this.#generations[0].maxTime)
    const oldest = this.#generations.length === generations ? this.#generations.pop() : undefined
    if (oldest) this.horizon = Math.max(this.horizon, oldest.maxTime)
    oldest?.clear()
    const newest = oldest ?? new Generation()
    this.#generations.unshift(newest)
    return newest
  }
}
