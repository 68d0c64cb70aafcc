import type { Memory } from './decoder.ts'

const generations = 16
/** Ids of a generation, at most: its table has to stay in the processor's cache, and a slot has as many bits for the number of an id. */
const mostPerGeneration = 1 << 15
const smallest = 1 << 10
const mostWaiting = 1 << 10
const numberMask = 0x1ffff
const numberBits = 17

/**
 * Ids of one stretch of time. A slot of the table is the number of an id, from 1, under bits of its hash, so that the table is small
 * and most ids that are not there are known by the slot alone; the ids are behind it, one after the other.
 */
class Generation {
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

/** The ids of the records that were written last, as many as `capacity`; in generations, the oldest of which is forgotten first. */
export class Remembered implements Memory {
  /** Records up to this time may have been forgotten. Microseconds. */
  horizon = -Infinity
  readonly #perGeneration: number
  readonly #most: number
  #generations = [new Generation()]
  /** Largest time of the generations before the newest: what is later, as most is, can be in the newest only. */
  #olderMaxTime = -Infinity
  #maxTime = -Infinity
  /** Ids that are in no table yet, all later than those that are. */
  readonly #waitingIds = new Int32Array(mostWaiting * 2)
  readonly #waitingTimes = new Float64Array(mostWaiting)
  #waiting = 0

  constructor(capacity = 1 << 21) {
    this.#perGeneration = Math.min(Math.ceil(capacity / generations), mostPerGeneration)
    this.#most = Math.ceil(capacity / this.#perGeneration)
  }

  /** Remembers an id. False when it was known. A record has the same time whenever it comes. */
  add(low: number, high: number, time: number): boolean {
    if (time > this.#maxTime) return this.#addLater(low, high, time)
    low |= 0
    high |= 0
    this.#settle()
    this.#newest()
    if (time <= this.#olderMaxTime && this.#isOlder(low, high, time)) return false
    return this.#insert(low, high, time, time)
  }

  /** What is later than all there was needs no looking up, and may wait, so that many at once go where no cache has them. */
  #addLater(low: number, high: number, time: number): true {
    if (this.#waiting === mostWaiting) this.#settle()
    this.#waitingIds[this.#waiting * 2] = low
    this.#waitingIds[this.#waiting * 2 + 1] = high
    this.#waitingTimes[this.#waiting++] = time
    this.#maxTime = time
    return true
  }

  #settle(): void {
    for (let i = 0; i < this.#waiting; i++) {
      const newest = this.#newest()
      newest.cover(this.#waitingTimes[i], this.#waitingTimes[i])
      newest.addNew(this.#waitingIds[i * 2], this.#waitingIds[i * 2 + 1])
    }
    this.#waiting = 0
  }

  #isOlder(low: number, high: number, time: number): boolean {
    const all = this.#generations
    for (let i = 1; i < all.length; i++) if (time <= all[i].maxTime && time >= all[i].minTime && all[i].has(low, high)) return true
    return false
  }

  has(low: number, high: number): boolean {
    this.#settle()
    return this.#generations.some(generation => generation.has(low | 0, high | 0))
  }

  /** Remembers the ids of a block, 8 bytes each, all between these times. */
  load(ids: Uint8Array, minTime: number, maxTime: number): void {
    this.#settle()
    this.#maxTime = Math.max(this.#maxTime, maxTime)
    const words = new Int32Array(new Uint8Array(ids).buffer)
    for (let i = 0; i < words.length; i += 2) this.#insert(words[i], words[i + 1], minTime, maxTime)
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
    const oldest = this.#generations.length === this.#most ? this.#generations.pop() : undefined
    if (oldest) this.horizon = Math.max(this.horizon, oldest.maxTime)
    oldest?.clear()
    const newest = oldest ?? new Generation()
    this.#generations.unshift(newest)
    return newest
  }
}
