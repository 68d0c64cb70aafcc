/** What is answered instead of an entity. */
export const notFound = { unknown: -1, notThen: -2, several: -3 } as const

/** What is found where a table is not asked, or knows nothing: no address at all, and one where the cluster has pods or services. */
export const noAddress = -4
export const nearby = -5

/** Bits of what `look` answers above the entity: why it is that entity only probably. */
export const doubts = { perhapsEnded: 1 << 29, clock: 1 << 28 } as const
/** The entity of an answer that is not negative. */
export const entityOf = (answer: number) => answer & (doubts.clock - 1)

/** Several that had an address: one entity of each object. */
export interface Crowd {
  entities: readonly number[]
  /** Whether they had it one after the other, and which had it then is not sure. */
  clock: boolean
  /** Whether one of them had perhaps ended. */
  perhapsEnded: boolean
}

/** Answers that stand for a crowd, from here down. */
const firstCrowd = -16
export const isCrowd = (answer: number) => answer <= firstCrowd
const mostCrowds = 50_000

/** Words of an address: its 16 bytes, the stretch of time the last answer holds for, that answer, its newest interval. */
const addressWords = 16
const [sinceAt, untilAt] = [2, 3]
const [answerAt, headAt] = [8, 9]

/** Words of an interval: from, to and ended_after, then what follows. */
const intervalWords = 10
const [fromAt, toAt, endedAt] = [0, 1, 2]
const [entityAt, objectAt, nextAt, ownerAt] = [6, 7, 8, 9]

/**
 * Whose an address was at a time: addresses to entities (small whole numbers) with the interval in which each was true, in typed
 * arrays. Open addressing over the 16 bytes of the address; the intervals of an address are a linked list, newest first. Each address
 * remembers the last answer and the stretch of time it holds for, so that what is asked in order of time reads one line of memory.
 */
export class AddressTable {
  #slots = new Int32Array(1024).fill(-1)
  #addresses = new Int32Array(512 * addressWords)
  #memos = new Float64Array(this.#addresses.buffer)
  #count = 0
  /** Places of addresses and intervals that were forgotten. */
  readonly #freeAddresses: number[] = []
  readonly #freeIntervals: number[] = []
  #intervals = new Int32Array(1024 * intervalWords)
  #times = new Float64Array(this.#intervals.buffer)
  #intervalCount = 0
  #crowds: Crowd[] = []
  readonly #crowdNumbers = new Map<string, number>()

  get addresses(): number {
    return this.#count - this.#freeAddresses.length
  }

  get intervals(): number {
    return this.#intervalCount - this.#freeIntervals.length
  }

  /**
   * The address in `words` from `at` on was the entity's from `from` until before `to`, microseconds; since `endedAfter` that is not sure.
   * Entities of one object are one owner. Returns a number for `close`.
   */
  add(words: Int32Array, at: number, from: number, to: number, entity: number, { endedAfter = to, object = entity } = {}): number {
    const address = this.#findOrAdd(words, at)
    if ((this.#intervalCount + 1) * intervalWords > this.#intervals.length) this.#growIntervals()
    const interval = this.#freeIntervals.pop() ?? this.#intervalCount++
    const word = interval * intervalWords
    this.#intervals[word + entityAt] = entity
    this.#intervals[word + objectAt] = object
    this.#intervals[word + ownerAt] = address
    this.#times[word / 2 + fromAt] = from
    this.close(interval, to, endedAfter)
    this.#insertByStart(address, interval)
    return interval
  }

  /** Ends (or prolongs) an interval. */
  close(interval: number, to: number, endedAfter = to): void {
    const word = interval * intervalWords
    this.#times[word / 2 + toAt] = to
    this.#times[word / 2 + endedAt] = Math.min(to, endedAfter)
    this.#memos[(this.#intervals[word + ownerAt] * addressWords) / 2 + sinceAt] = Infinity
  }

  /** Forgets an interval, whose number is given again; and an address that is nobody's any more. */
  remove(interval: number): void {
    const word = interval * intervalWords
    const address = this.#intervals[word + ownerAt]
    const next = this.#intervals[word + nextAt]
    let before = -1
    for (let at = this.#head(address); at !== word; at = this.#intervals[at + nextAt]) before = at
    if (before < 0) this.#addresses[address * addressWords + headAt] = next
    else this.#intervals[before + nextAt] = next
    this.#memos[(address * addressWords) / 2 + sinceAt] = Infinity
    this.#freeIntervals.push(interval)
    if (this.#head(address) >= 0) return
    this.#removeSlot(this.#slotOf(this.#addresses, address * addressWords))
    this.#freeAddresses.push(address)
  }

  /**
   * The one entity that had the address at that time; `several` when more than one had, and then `candidates` lists them;
   * `notThen` when the address is known but was nobody's at that time; else `unknown`.
   */
  find(words: Int32Array, at: number, time: number, candidates?: number[]): number {
    const address = this.#slots[this.#slotOf(words, at)]
    if (address < 0) return notFound.unknown
    let found: number = notFound.notThen
    for (let word = this.#head(address); word >= 0; word = this.#intervals[word + nextAt]) {
      if (time < this.#times[word / 2 + fromAt] || time >= this.#times[word / 2 + toAt]) continue
      const entity = this.#intervals[word + entityAt]
      candidates?.push(entity)
      if (found === notFound.notThen) found = entity
      else if (found !== entity) found = notFound.several
    }
    return found
  }

  /**
   * Who had the address at a time of which is known that it lies within [from, to]. An entity that had it all the while, or with `doubts` when that is
   * not sure. A crowd (`isCrowd`) when several objects had it. Else `notThen` or `unknown`.
   */
  look(words: Int32Array, at: number, from: number, to: number): number {
    const address = this.#slots[this.#slotOf(words, at)]
    if (address < 0) return notFound.unknown
    const memo = address * (addressWords / 2)
    if (this.#memos[memo + sinceAt] <= from && to < this.#memos[memo + untilAt]) return this.#addresses[address * addressWords + answerAt]
    return this.#remember(address, to) <= from ? this.#addresses[address * addressWords + answerAt] : this.#around(address, from, to)
  }

  crowd(answer: number): Crowd {
    return this.#crowds[firstCrowd - answer]
  }

  /** Forgets answers when they have become many; those given out before mean nothing after. */
  tidy(): void {
    if (this.#crowds.length < mostCrowds) return
    this.#crowds = []
    this.#crowdNumbers.clear()
    for (let address = 0; address < this.#count; address++) this.#memos[(address * addressWords) / 2 + sinceAt] = Infinity
  }

  #head(address: number): number {
    return this.#addresses[address * addressWords + headAt]
  }

  /** Keeps the answer for a time and the stretch around it in which nothing begins or ends; returns since when that is. */
  #remember(address: number, time: number): number {
    let since = -Infinity
    let until = Infinity
    const alive: number[] = []
    for (let word = this.#head(address); word >= 0; word = this.#intervals[word + nextAt]) {
      const at = word / 2
      for (let bound = at + fromAt; bound <= at + endedAt; bound++) {
        const edge = this.#times[bound]
        if (edge <= time) since = Math.max(since, edge)
        else until = Math.min(until, edge)
      }
      if (this.#times[at + fromAt] <= time && time < this.#times[at + toAt]) alive.push(word)
    }
    const memo = (address * addressWords) / 2
    this.#memos[memo + sinceAt] = since
    this.#memos[memo + untilAt] = until
    this.#addresses[address * addressWords + answerAt] = this.#answerAt(alive, time)
    return since
  }

  /** Of versions of one object the newest counts, which comes first. */
  #answerAt(alive: readonly number[], time: number): number {
    if (alive.length === 0) return notFound.notThen
    const [newest] = alive
    if (alive.some(word => this.#objectOf(word) !== this.#objectOf(newest))) return this.#crowdOf(alive, time, false)
    return this.#intervals[newest + entityAt] | (time >= this.#times[newest / 2 + endedAt] ? doubts.perhapsEnded : 0)
  }

  /** The same for a stretch of time in which something begins or ends. */
  #around(address: number, from: number, to: number): number {
    const touching: number[] = []
    for (let word = this.#head(address); word >= 0; word = this.#intervals[word + nextAt]) {
      const begins = this.#times[word / 2 + fromAt]
      const ends = this.#times[word / 2 + toAt]
      if (begins < ends && begins <= to && ends > from) touching.push(word)
    }
    if (touching.length === 0) return notFound.notThen
    const object = this.#objectOf(touching[0])
    if (touching.some(word => this.#objectOf(word) !== object)) return this.#crowdOf(touching, to, !this.#met(touching, from, to))
    return this.#alone(touching, from, to)
  }

  /** Of the versions of one object, newest first, the oldest there: what it was when the time begins. */
  #alone(touching: readonly number[], from: number, to: number): number {
    const [newest] = touching
    const oldest = touching.at(-1)!
    const entity = this.#intervals[oldest + entityAt]
    const ends = this.#times[newest / 2 + toAt]
    if (ends > to && this.#times[newest / 2 + endedAt] <= to) return entity | doubts.perhapsEnded
    return this.#times[oldest / 2 + fromAt] <= from && ends > to ? entity : entity | doubts.clock
  }

  /** Whether more than one object had it at the one end of the stretch or the other. */
  #met(touching: readonly number[], from: number, to: number): boolean {
    return [from, to].some(time => {
      const then = touching.filter(word => this.#times[word / 2 + fromAt] <= time && time < this.#times[word / 2 + toAt])
      return then.some(word => this.#objectOf(word) !== this.#objectOf(then[0]))
    })
  }

  #objectOf(word: number): number {
    return this.#intervals[word + objectAt]
  }

  #crowdOf(words: readonly number[], time: number, clock: boolean): number {
    const newest = new Map<number, number>()
    for (const word of words) if (!newest.has(this.#objectOf(word))) newest.set(this.#objectOf(word), this.#intervals[word + entityAt])
    const entities = [...newest.values()].sort((a, b) => a - b)
    const perhapsEnded = words.some(word => this.#times[word / 2 + endedAt] <= time && time < this.#times[word / 2 + toAt])
    const name = `${clock ? 'c' : ''}${perhapsEnded ? 'p' : ''}${entities.join()}`
    let number = this.#crowdNumbers.get(name)
    if (number === undefined) this.#crowdNumbers.set(name, (number = firstCrowd + 1 - this.#crowds.push({ entities, clock, perhapsEnded })))
    return number
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
      const word = address * addressWords
      const known = this.#addresses
      if (known[word + 3] === d && known[word + 2] === c && known[word + 1] === b && known[word] === a) return slot
      slot = (slot + 1) & mask
    }
  }

  /** Moves what was put farther on because the slot was taken, so that it is found again. */
  #removeSlot(slot: number): void {
    const mask = this.#slots.length - 1
    const known = this.#addresses
    let hole = slot
    for (let at = (slot + 1) & mask; this.#slots[at] >= 0; at = (at + 1) & mask) {
      const word = this.#slots[at] * addressWords
      const wanted = mix(known[word], known[word + 1], known[word + 2], known[word + 3]) & mask
      if (((at - wanted) & mask) < ((at - hole) & mask)) continue
      this.#slots[hole] = this.#slots[at]
      hole = at
    }
    this.#slots[hole] = -1
  }

  #findOrAdd(words: Int32Array, at: number): number {
    if (this.addresses * 2 >= this.#slots.length) this.#growSlots()
    const slot = this.#slotOf(words, at)
    if (this.#slots[slot] >= 0) return this.#slots[slot]
    const address = this.#freeAddresses.pop() ?? this.#count++
    if ((address + 1) * addressWords > this.#addresses.length) {
      this.#addresses = grown(this.#addresses)
      this.#memos = new Float64Array(this.#addresses.buffer)
    }
    this.#addresses.set(words.subarray(at, at + 4), address * addressWords)
    this.#addresses[address * addressWords + headAt] = -1
    this.#memos[(address * addressWords) / 2 + sinceAt] = Infinity
    this.#slots[slot] = address
    return address
  }

  #insertByStart(address: number, interval: number): void {
    const word = interval * intervalWords
    const from = this.#times[word / 2 + fromAt]
    let before = -1
    let after = this.#head(address)
    while (after >= 0 && this.#times[after / 2 + fromAt] > from) {
      before = after
      after = this.#intervals[after + nextAt]
    }
    this.#intervals[word + nextAt] = after
    if (before < 0) this.#addresses[address * addressWords + headAt] = word
    else this.#intervals[before + nextAt] = word
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1)
    const mask = slots.length - 1
    const known = this.#addresses
    for (let address = 0; address < this.#count; address++) {
      const word = address * addressWords
      if (known[word + headAt] < 0) continue
      let slot = mix(known[word], known[word + 1], known[word + 2], known[word + 3]) & mask
      while (slots[slot] >= 0) slot = (slot + 1) & mask
      slots[slot] = address
    }
    this.#slots = slots
  }

  #growIntervals(): void {
    this.#intervals = grown(this.#intervals)
    this.#times = new Float64Array(this.#intervals.buffer)
  }
}

function mix(a: number, b: number, c: number, d: number): number {
  let hash = Math.imul(a ^ Math.imul(b, 0x85ebca6b), 0xc2b2ae35) ^ Math.imul(c, 0x27d4eb2f) ^ Math.imul(d, 0x9e3779b1)
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}

function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2)
  larger.set(array)
  return larger
}
