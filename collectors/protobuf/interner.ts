import { hashOf, same, viewOf } from './bytes.ts'
import { UndecodableError } from './cursor.ts'

/** Items of a generation, and bytes they take in the arena, at most. */
const maxItems = 1 << 15
const arenaBytes = 16 << 20
/** Slots of a fresh table; it doubles when it is half full, so that few items stay in the processor's cache. */
const firstSlots = 1 << 8
const hintBits = 12

/**
 * An item lies in the arena as a line of the processor's cache with what is known of it, and its bytes behind that. The first words
 * of the line are the length and the number of the value; those from `notes` on are for others to note what they like, 0 at first.
 */
const lineBytes = 64
export const lineWords = lineBytes / Int32Array.BYTES_PER_ELEMENT
export const notes = 2

/** What was interned since the last turn: an open-addressing table over the bytes themselves. */
class Generation<T> {
  readonly values: T[] = []
  readonly #arena: Buffer
  readonly #view: DataView
  readonly #words: Int32Array
  /** Lines of the arena: from where on they are free, and where they end. */
  #free: number
  readonly #end: number
  /** Pairs of a hash and a handle, 0 where there is none. */
  #slots = new Int32Array(firstSlots * 2)

  constructor(arena: Buffer, first: number, end: number) {
    this.#arena = arena
    this.#view = viewOf(arena)
    this.#words = new Int32Array(arena.buffer, arena.byteOffset, arena.length / Int32Array.BYTES_PER_ELEMENT)
    this.#free = first
    this.#end = end
  }

  hasRoom(length: number): boolean {
    return this.values.length < maxItems && this.#free + linesOf(length) <= this.#end
  }

  add(hash: number, bytes: Buffer, start: number, end: number, value: T): number {
    if (this.values.length * 4 >= this.#slots.length) this.#grow()
    const handle = this.#free
    this.#free += linesOf(end - start)
    this.#words.fill(0, handle * lineWords, (handle + 1) * lineWords)
    this.#words[handle * lineWords] = end - start
    this.#words[handle * lineWords + 1] = this.values.push(value) - 1
    bytes.copy(this.#arena, (handle + 1) * lineBytes, start, end)
    enter(this.#slots, hash, handle)
    return handle
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2)
    for (let at = 0; at < this.#slots.length; at += 2) if (this.#slots[at + 1]) enter(slots, this.#slots[at], this.#slots[at + 1])
    this.#slots = slots
  }

  find(hash: number, view: DataView, start: number, length: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let at = (hash << 1) & mask; slots[at + 1]; at = (at + 2) & mask)
      if (slots[at] === hash && this.is(slots[at + 1], view, start, length)) return slots[at + 1]
    return 0
  }

  is(handle: number, view: DataView, start: number, length: number): boolean {
    return this.#words[handle * lineWords] === length && same(view, start, this.#view, (handle + 1) * lineBytes, length)
  }
}

const linesOf = (length: number) => 1 + Math.ceil(length / lineBytes)

function enter(slots: Int32Array, hash: number, handle: number): void {
  const mask = slots.length - 1
  let at = (hash << 1) & mask
  while (slots[at + 1]) at = (at + 2) & mask
  slots[at] = hash
  slots[at + 1] = handle
}

/**
 * Remembers what bytes meant, so that what repeats is parsed once. Bytes are compared exactly. Holds at most two generations:
 * when one is full the older is forgotten, and what is still asked for moves to the newer.
 *
 * What is found is told by a handle, the number of its line in the arena. It is good until two generations have turned: for the
 * message at hand. Objects would be spread over more memory than fits into the processor's cache; behind a handle all lies together.
 */
export class Interner<T> {
  /** The arena as words: `lineWords` for each line. */
  readonly words: Int32Array
  readonly #arena: Buffer
  readonly #lines: number
  #newer: Generation<T>
  #older: Generation<T>
  /** Whether the newer generation has the upper half of the arena. */
  #isUpper = false
  /** How often the older generation was forgotten. */
  turns = 0
  /** For each hint the handle it led to last. */
  readonly #hints = new Int32Array(1 << hintBits)
  readonly #none: T
  readonly #parse: (bytes: Buffer, start: number, end: number) => T
  #stamps = 0

  /** `none` is the value of handle 0. What `parse` throws goes to the caller, and nothing is remembered. */
  constructor(none: T, parse: (bytes: Buffer, start: number, end: number) => T, bytes = arenaBytes) {
    this.#none = none
    this.#parse = parse
    this.#lines = bytes / lineBytes
    // Memory nobody wrote to yet is not taken from the system.
    this.#arena = Buffer.from(new ArrayBuffer(2 * bytes))
    this.words = new Int32Array(this.#arena.buffer)
    this.#newer = new Generation(this.#arena, 1, this.#lines)
    this.#older = new Generation(this.#arena, this.#lines, this.#lines)
  }

  value(handle: number): T {
    if (handle === 0) return this.#none
    const generation = handle >= this.#lines === this.#isUpper ? this.#newer : this.#older
    return generation.values[this.words[handle * lineWords + 1]]
  }

  /** A number that was not given before, to mark notes with. */
  stamp(): number {
    return ++this.#stamps
  }

  /** `view` is over the same bytes. */
  find(bytes: Buffer, view: DataView, start: number, end: number): number {
    const hash = hashOf(view, start, end)
    return this.#newer.find(hash, view, start, end - start) || this.#learn(hash, bytes, view, start, end)
  }

  /** As `find`, for long bytes that mostly are what they were when the hint was the same: it saves hashing them. */
  findBy(hint: number, bytes: Buffer, view: DataView, start: number, end: number): number {
    const length = end - start
    const line = Math.imul(hint ^ Math.imul(length, 0x85ebca6b), 0x9e3779b1) >>> (32 - hintBits)
    const handle = this.#hints[line]
    if (handle && this.#newer.is(handle, view, start, length)) return handle
    return (this.#hints[line] = this.find(bytes, view, start, end))
  }

  #learn(hash: number, bytes: Buffer, view: DataView, start: number, end: number): number {
    const older = this.#older.find(hash, view, start, end - start)
    const value = older ? this.value(older) : this.#parse(bytes, start, end)
    if (!this.#newer.hasRoom(end - start)) this.#turn()
    if (!this.#newer.hasRoom(end - start)) throw new UndecodableError(`a part of ${end - start} bytes`, start)
    return this.#newer.add(hash, bytes, start, end, value)
  }

  #turn(): void {
    this.turns++
    this.#isUpper = !this.#isUpper
    this.#older = this.#newer
    this.#newer = this.#isUpper ? new Generation(this.#arena, this.#lines, 2 * this.#lines) : new Generation(this.#arena, 1, this.#lines)
    this.#hints.fill(0)
  }
}
