import { same, viewOf } from '../protobuf/bytes.ts'

interface Entry<T> {
  hash: number
  start: number
  length: number
  value: T
  /** Another entry with the same hash. */
  other: Entry<T> | undefined
  /** What came after it last time. */
  next: Entry<T> | undefined
  turn: number
}

const firstBytes = 1 << 12
/** Entries nobody asks for that may stay, besides as many as there are others. */
const spareEntries = 1024

/**
 * What the bytes that name a series mean, so that a series is parsed once. Bytes are compared exactly. Agents tell their series in the same
 * order each time: what followed last time is tried first, which saves finding the end of it and hashing it.
 */
export class SeriesTable<T> {
  #arena = Buffer.alloc(firstBytes)
  #view = viewOf(this.#arena)
  #free = 0
  #byHash = new Map<number, Entry<T>>()
  #size = 0
  #turn = 1
  #seen = 0
  #seenBefore = 0
  /** Stands before the first of a message. */
  readonly #head: Entry<T> = { hash: 0, start: 0, length: 0, value: undefined as T, other: undefined, next: undefined, turn: 0 }
  #last = this.#head
  /** Length of what `expected` found. */
  length = 0

  get size(): number {
    return this.#size
  }

  /** Begins a message: the first series of the last one is expected. */
  begin(): void {
    this.#last = this.#head
  }

  /** The series that followed last time, if the bytes from `start` on begin with it. Its `length` bytes may be the beginning of a longer one. */
  expected(view: DataView, start: number): T | undefined {
    const entry = this.#last.next
    if (!entry || start + entry.length > view.byteLength || !same(view, start, this.#view, entry.start, entry.length)) return undefined
    this.length = entry.length
    return entry.value
  }

  /** Says that what `expected` found is it. */
  accept(): void {
    if (this.#last.next) this.#touch(this.#last.next)
  }

  find(view: DataView, start: number, end: number): T | undefined {
    const next = this.expected(view, start)
    if (next !== undefined && this.length === end - start) {
      this.accept()
      return next
    }
    const hash = hashOf(view, start, end)
    for (let entry = this.#byHash.get(hash); entry; entry = entry.other) {
      if (entry.length !== end - start || !same(view, start, this.#view, entry.start, entry.length)) continue
      this.#last.next = entry
      this.#touch(entry)
      return entry.value
    }
    return undefined
  }

  add(bytes: Buffer, view: DataView, start: number, end: number, value: T): void {
    const hash = hashOf(view, start, end)
    const at = this.#keep(bytes, start, end)
    const entry: Entry<T> = { hash, start: at, length: end - start, value, other: this.#byHash.get(hash), next: undefined, turn: 0 }
    this.#byHash.set(hash, entry)
    this.#size++
    this.#last.next = entry
    this.#touch(entry)
  }

  /** Forgets what was not seen since the turn before this one, when that is much. Says whether it did. */
  turn(): boolean {
    const wasSeen = Math.max(this.#seen, this.#seenBefore)
    this.#seenBefore = this.#seen
    this.#seen = 0
    const oldest = this.#turn++ - 1
    if (this.#size <= 2 * wasSeen + spareEntries) return false
    this.#keepSince(oldest)
    return true
  }

  *values(): Iterable<T> {
    for (const entry of this.#byHash.values()) for (let each: Entry<T> | undefined = entry; each; each = each.other) yield each.value
  }

  #touch(entry: Entry<T>): void {
    this.#last = entry
    if (entry.turn === this.#turn) return
    entry.turn = this.#turn
    this.#seen++
  }

  #keep(bytes: Buffer, start: number, end: number): number {
    const at = this.#free
    this.#free += end - start
    if (this.#free > this.#arena.length) this.#grow()
    bytes.copy(this.#arena, at, start, end)
    return at
  }

  #grow(): void {
    const larger = Buffer.alloc(Math.max(this.#free, 2 * this.#arena.length))
    this.#arena.copy(larger)
    this.#arena = larger
    this.#view = viewOf(larger)
  }

  #keepSince(turn: number): void {
    const [arena, entries] = [this.#arena, [...this.#byHash.values()]]
    this.#arena = Buffer.alloc(firstBytes)
    this.#view = viewOf(this.#arena)
    this.#free = this.#size = 0
    this.#byHash = new Map()
    this.#head.next = undefined
    this.#last = this.#head
    for (const entry of entries)
      for (let each: Entry<T> | undefined = entry, other; each; each = other) {
        other = each.other
        each.next = undefined
        if (each.turn < turn) continue
        each.start = this.#keep(arena, each.start, each.start + each.length)
        each.other = this.#byHash.get(each.hash)
        this.#byHash.set(each.hash, each)
        this.#size++
      }
  }
}

/** Over all bytes: series of one metric may differ in a label in the middle only. */
function hashOf(view: DataView, start: number, end: number): number {
  let hash = end - start
  let at = start
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1)
    hash ^= hash >>> 15
  }
  for (; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x85ebca77)
  return hash ^ (hash >>> 13)
}
