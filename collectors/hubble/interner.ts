const maxEntries = 1 << 15
const arenaBytes = 16 << 20
/** Bytes hashed at once; the head that is hashed of what is long. */
const stepBytes = 16
const tailBytes = 96

/** Slots of a fresh table; it doubles when it is half full, so that few items stay in the processor's cache. */
const firstSlots = 1 << 8

/** What was interned since the last turn: an open-addressing table over the bytes themselves. */
class Generation<T> {
  /** Pairs of a hash and the number of an entry plus one, 0 where there is none. */
  #slots = new Int32Array(firstSlots * 2)
  /** Pairs of the start in the arena and the length. */
  #entries = new Int32Array(firstSlots)
  readonly #values: T[] = []
  #arena = Buffer.allocUnsafe(1 << 16)
  #view = viewOf(this.#arena)
  #used = 0

  full(more: number): boolean {
    return this.#values.length >= maxEntries || this.#used + more > arenaBytes
  }

  add(hash: number, bytes: Buffer, start: number, end: number, value: T): void {
    this.#room(end - start)
    if (this.#values.length * 4 >= this.#slots.length) this.#grow()
    const entry = this.#values.push(value) - 1
    this.#entries[entry * 2] = this.#used
    this.#entries[entry * 2 + 1] = end - start
    bytes.copy(this.#arena, this.#used, start, end)
    this.#used += end - start
    enter(this.#slots, hash, entry)
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2)
    for (let at = 0; at < this.#slots.length; at += 2) if (this.#slots[at + 1]) enter(slots, this.#slots[at], this.#slots[at + 1] - 1)
    this.#slots = slots
    const entries = new Int32Array(this.#entries.length * 2)
    entries.set(this.#entries)
    this.#entries = entries
  }

  #room(count: number): void {
    if (this.#used + count <= this.#arena.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#arena.length * 2, this.#used + count))
    this.#arena.copy(larger, 0, 0, this.#used)
    this.#arena = larger
    this.#view = viewOf(larger)
  }

  find(hash: number, view: DataView, start: number, length: number): T | undefined {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let at = (hash << 1) & mask; slots[at + 1]; at = (at + 2) & mask) {
      if (slots[at] !== hash) continue
      const entry = slots[at + 1] - 1
      if (this.#entries[entry * 2 + 1] === length && same(view, start, this.#view, this.#entries[entry * 2], length))
        return this.#values[entry]
    }
    return undefined
  }
}

function enter(slots: Int32Array, hash: number, entry: number): void {
  const mask = slots.length - 1
  let at = (hash << 1) & mask
  while (slots[at + 1]) at = (at + 2) & mask
  slots[at] = hash
  slots[at + 1] = entry + 1
}

/**
 * Remembers what bytes meant, so that what repeats is parsed once. Bytes are compared exactly. Holds at most two generations:
 * when one is full the older is forgotten, and what is still asked for moves to the newer.
 */
export class Interner<T> {
  #newer = new Generation<T>()
  #older = new Generation<T>()
  readonly #parse: (bytes: Buffer, start: number, end: number, number: number) => T
  #parsed = 0

  /** `parse` is told the number of what it parses, from 1. What it throws goes to the caller, and nothing is remembered. */
  constructor(parse: (bytes: Buffer, start: number, end: number, number: number) => T) {
    this.#parse = parse
  }

  /** `view` is over the same bytes. */
  find(bytes: Buffer, view: DataView, start: number, end: number): T {
    const hash = hashOf(view, start, end)
    return this.#newer.find(hash, view, start, end - start) ?? this.#learn(hash, bytes, view, start, end)
  }

  #learn(hash: number, bytes: Buffer, view: DataView, start: number, end: number): T {
    const value = this.#older.find(hash, view, start, end - start) ?? this.#parse(bytes, start, end, ++this.#parsed)
    if (end - start > arenaBytes) return value
    if (this.#newer.full(end - start)) {
      this.#older = this.#newer
      this.#newer = new Generation()
    }
    this.#newer.add(hash, bytes, start, end, value)
    return value
  }
}

export const viewOf = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * Hashes the head and the tail. Endpoints of one workload differ in the endpoint id, which is first, and in the pod's name,
 * which is followed by the workload and cluster only.
 */
function hashOf(view: DataView, start: number, end: number): number {
  const length = end - start
  if (length < stepBytes) return hashShort(view, start, end)
  if (length <= stepBytes + tailBytes) return hashRange(view, start, end, length)
  return hashRange(view, end - tailBytes, end, hashRange(view, start, start + stepBytes, length))
}

/** Four chains side by side, as each step of one waits for the step before. The last step may overlap the one before it. */
function hashRange(view: DataView, start: number, end: number, seed: number): number {
  let a = seed ^ 0x9e3779b9
  let b = seed
  let c = ~seed
  let d = seed ^ 0x165667b1
  for (let at = start; at < end; at += stepBytes) {
    if (at + stepBytes > end) at = end - stepBytes
    a = Math.imul(a ^ view.getInt32(at, true), 0x9e3779b1)
    b = Math.imul(b ^ view.getInt32(at + 4, true), 0x85ebca77)
    c = Math.imul(c ^ view.getInt32(at + 8, true), 0xc2b2ae3d)
    d = Math.imul(d ^ view.getInt32(at + 12, true), 0x27d4eb2f)
    a ^= a >>> 15
    b ^= b >>> 13
    c ^= c >>> 16
    d ^= d >>> 14
  }
  return mixed(Math.imul(a ^ (b << 7), 0x85ebca77) + Math.imul(c ^ (d << 5), 0x9e3779b1) + (b ^ d))
}

function hashShort(view: DataView, start: number, end: number): number {
  const length = end - start
  if (length >= 8) {
    const head = Math.imul(view.getInt32(start, true) ^ length, 0x9e3779b1) ^ view.getInt32(start + 4, true)
    const tail = Math.imul(view.getInt32(end - 8, true), 0x85ebca77) ^ view.getInt32(end - 4, true)
    return mixed(Math.imul(head, 0x27d4eb2f) ^ (tail + (head >>> 15)))
  }
  let hash = length
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x01000193)
  return mixed(hash)
}

function mixed(hash: number): number {
  const high = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35)
  return high ^ (high >>> 13)
}

/**
 * Eight bytes at a time, the last perhaps once more: the comparison of two 64-bit reads makes no BigInt. Spelt out, as a
 * function for one comparison is not always inlined and then costs more than all the rest.
 */
function same(a: DataView, aStart: number, b: DataView, bStart: number, length: number): boolean {
  if (length < 8) return sameShort(a, aStart, b, bStart, length)
  const end = aStart + length
  let i = aStart
  let j = bStart
  for (; i + 32 <= end; i += 32, j += 32) {
    if (a.getBigInt64(i, true) !== b.getBigInt64(j, true)) return false
    if (a.getBigInt64(i + 8, true) !== b.getBigInt64(j + 8, true)) return false
    if (a.getBigInt64(i + 16, true) !== b.getBigInt64(j + 16, true)) return false
    if (a.getBigInt64(i + 24, true) !== b.getBigInt64(j + 24, true)) return false
  }
  for (; i + 8 <= end; i += 8, j += 8) if (a.getBigInt64(i, true) !== b.getBigInt64(j, true)) return false
  return a.getBigInt64(end - 8, true) === b.getBigInt64(bStart + length - 8, true)
}

function sameShort(a: DataView, aStart: number, b: DataView, bStart: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a.getUint8(aStart + i) !== b.getUint8(bStart + i)) return false
  return true
}
