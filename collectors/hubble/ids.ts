const notHex = 255
const hexDigits = new Uint8Array(256).fill(notHex)
for (let i = 0; i < 16; i++) hexDigits['0123456789abcdef'.charCodeAt(i)] = hexDigits['0123456789ABCDEF'.charCodeAt(i)] = i

/** The 64 bits a record is known by when it comes again, as two words. */
export class IdReader {
  low = 0
  high = 0

  /** Takes the first 8 bytes of a UUID in text form. False when it is none. */
  readUuid(bytes: Buffer, start: number, end: number): boolean {
    if (end - start !== 36 || bytes[start + 8] !== 45 || bytes[start + 13] !== 45) return false
    const first = hexWord(bytes, start, start + 4)
    const second = hexWord(bytes, start + 9, start + 14)
    if (first < 0 || second < 0) return false
    this.low = swap(first)
    this.high = swap(second)
    return true
  }

  /** Hashes what has no UUID. */
  hash(bytes: Uint8Array, start: number, end: number): void {
    let a = 0x811c9dc5
    let b = 0x9747b28c ^ (end - start)
    for (let i = start; i < end; i++) {
      a = Math.imul(a ^ bytes[i], 0x01000193)
      b = Math.imul((b << 5) ^ (b >>> 27) ^ bytes[i], 0x9e3779b1)
    }
    this.low = a >>> 0
    this.high = (b ^ (b >>> 15)) >>> 0
  }
}

/** Four hexadecimal digits at each of two places, -1 when one is none. */
function hexWord(bytes: Buffer, upper: number, lower: number): number {
  const high = hexHalf(bytes, upper)
  const low = hexHalf(bytes, lower)
  return high < 0 || low < 0 ? -1 : high * 65536 + low
}

function hexHalf(bytes: Buffer, at: number): number {
  const a = hexDigits[bytes[at]]
  const b = hexDigits[bytes[at + 1]]
  const c = hexDigits[bytes[at + 2]]
  const d = hexDigits[bytes[at + 3]]
  return (a | b | c | d) > 15 ? -1 : (a << 12) | (b << 8) | (c << 4) | d
}

/** Big-endian to little-endian. */
const swap = (word: number) => ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24)) >>> 0
