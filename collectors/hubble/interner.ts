const maxEntries = 1 << 15
const arenaBytes = 16 << 20
const headBytes = 16
const tailBytes = 128

/** Numbers an entry has in `entries`: hash, start in the arena, length. */
const entrySize = 4

/** What was interned since the last turn: an open-addressing table over the bytes themselves. */
class Generation<T> {
  readonly #slots = new Int32Array(maxEntries * 2).fill(-1)
  readonly #entries = new Int32Array(maxEntries * entrySize)
  readonly #values: T[] = []
  #arena = Buffer.allocUnsafe(1 << 16)
  #view = viewOf(this.#arena)
  #used = 0

  full(more: number): boolean {
    return this.#values.length >= maxEntries || this.#used + more > arenaBytes
  }

  add(hash: number, bytes: Buffer, start: number, end: number, value: T): void {
    this.#room(end - start)
    const entry = this.#values.push(value) - 1
    this.#entries[entry * entrySize] = hash
    this.#entries[entry * entrySize + 1] = this.#used
    this.#entries[entry * entrySize + 2] = end - start
    bytes.copy(this.#arena, this.#used, start, end)
    this.#used += end - start
    const mask = this.#slots.length - 1
    let slot = hash & mask
    while (this.#slots[slot] >= 0) slot = (slot + 1) & mask
    this.#slots[slot] = entry
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
    const entries = this.#entries
    const mask = slots.length - 1
    for (let slot = hash & mask; slots[slot] >= 0; slot = (slot + 1) & mask) {
      const at = slots[slot] * entrySize
      if (entries[at] === hash && entries[at + 2] === length && same(view, start, this.#view, entries[at + 1], length))
        return this.#values[slots[slot]]
    }
    return undefined
  }
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

  /** `parse` is told how many it parsed before. What it throws goes to the caller, and nothing is remembered. */
  constructor(parse: (bytes: Buffer, start: number, end: number, number: number) => T) {
    this.#parse = parse
  }

  /** `view` is over the same bytes. */
  find(bytes: Buffer, view: DataView, start: number, end: number): T {
    const hash = hashOf(view, start, end)
    return this.#newer.find(hash, view, start, end - start) ?? this.#learn(hash, bytes, view, start, end)
  }

  #learn(hash: number, bytes: Buffer, view: DataView, start: number, end: number): T {
    const value = this.#older.find(hash, view, start, end - start) ?? this.#parse(bytes, start, end, this.#parsed++)
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
  if (length <= headBytes + tailBytes) return hashRange(view, start, end, length)
  return hashRange(view, end - tailBytes, end, hashRange(view, start, start + headBytes, length))
}

function hashRange(view: DataView, start: number, end: number, seed: number): number {
  let a = seed ^ 0x9e3779b9
  let b = Math.imul(seed, 0x85ebca6b)
  let at = start
  for (; at + 8 <= end; at += 8) {
    a = Math.imul(a ^ view.getInt32(at), 0x9e3779b1)
    b = Math.imul(b ^ view.getInt32(at + 4), 0x85ebca77)
    a ^= a >>> 15
    b ^= b >>> 13
  }
  for (; at < end; at++) a = Math.imul(a ^ view.getUint8(at), 0x01000193)
  a = Math.imul(a ^ (b + (a >>> 16)), 0xc2b2ae35)
  return a ^ (a >>> 13)
}

/** Eight bytes at a time: the comparison of two 64-bit reads makes no BigInt. */
function same(a: DataView, aStart: number, b: DataView, bStart: number, length: number): boolean {
  let i = 0
  for (; i + 8 <= length; i += 8) if (a.getBigInt64(aStart + i) !== b.getBigInt64(bStart + i)) return false
  for (; i < length; i++) if (a.getUint8(aStart + i) !== b.getUint8(bStart + i)) return false
  return true
}
