/** Bytes hashed at once; the head that is hashed of what is long. */
const stepBytes = 16
const tailBytes = 96

export const viewOf = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * Hashes the head and the tail. Endpoints of one workload differ in the endpoint id, which is first, and in the pod's name,
 * which is followed by the workload and cluster only.
 */
export function hashOf(view: DataView, start: number, end: number): number {
  const length = end - start
  if (length < stepBytes) return hashShort(view, start, end)
  if (length <= 32) return hashMiddling(view, start, length)
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

/** Eight bytes at the beginning, in the middle and at the end: all, or nearly. */
function hashMiddling(view: DataView, start: number, length: number): number {
  const middle = start + (length >> 1) - 4
  const last = start + length - 8
  const first = Math.imul(view.getInt32(start, true) ^ length, 0x9e3779b1) + Math.imul(view.getInt32(start + 4, true), 0x85ebca77)
  const second = Math.imul(view.getInt32(middle, true), 0xc2b2ae3d) + Math.imul(view.getInt32(middle + 4, true), 0x27d4eb2f)
  const third = Math.imul(view.getInt32(last, true), 0x165667b1) + Math.imul(view.getInt32(last + 4, true), 0x2545f491)
  return mixed((first + second + third) | 0)
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
 * Thirty-two bytes at a time, the last perhaps once more: operations on 64-bit reads that end in a comparison make no BigInt,
 * and one branch for four of them takes two thirds of the time of four.
 */
export function same(a: DataView, aStart: number, b: DataView, bStart: number, length: number): boolean {
  if (length < 32) return sameShort(a, aStart, b, bStart, length)
  const last = aStart + length - 32
  const shift = bStart - aStart
  for (let i = aStart; ; i += 32) {
    if (i > last) i = last
    const j = i + shift
    const first = (a.getBigInt64(i, true) ^ b.getBigInt64(j, true)) | (a.getBigInt64(i + 8, true) ^ b.getBigInt64(j + 8, true))
    const second = (a.getBigInt64(i + 16, true) ^ b.getBigInt64(j + 16, true)) | (a.getBigInt64(i + 24, true) ^ b.getBigInt64(j + 24, true))
    if ((first | second) !== 0n) return false
    if (i === last) return true
  }
}

function sameShort(a: DataView, aStart: number, b: DataView, bStart: number, length: number): boolean {
  if (length < 8) {
    for (let i = 0; i < length; i++) if (a.getUint8(aStart + i) !== b.getUint8(bStart + i)) return false
    return true
  }
  for (let i = 0; i + 8 <= length; i += 8) if (a.getBigInt64(aStart + i, true) !== b.getBigInt64(bStart + i, true)) return false
  return a.getBigInt64(aStart + length - 8, true) === b.getBigInt64(bStart + length - 8, true)
}
