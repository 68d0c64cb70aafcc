import type { Memory } from './decoder.ts'
import { Generation, mostPerGeneration } from './remember-generation.ts'

const generations = 16
/** Ids that wait to be put into a table, at most. */
const mostWaiting = 1 << 10

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
