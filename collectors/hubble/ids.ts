const notHex = 256
const hexDigits = new Uint16Array(256).fill(notHex)
for (let i = 0; i < 16; i++) hexDigits['0123456789abcdef'.charCodeAt(i)] = hexDigits['0123456789ABCDEF'.charCodeAt(i)] = i

/** The 64 bits a record is known by when it comes again, as two words. */
export class IdReader {
  low = 0
  high = 0

  /** Takes the first 8 bytes of a UUID in text form. False when it is none. */
  readUuid(bytes: Buffer, start: number, end: number): boolean {
    if (end - start !== 36 || bytes[start + 8] !== 45 || bytes[start + 13] !== 45) return false
    const a = hexHalf(bytes, start)
    const b = hexHalf(bytes, start + 4)
    const c = hexHalf(bytes, start + 9)
    const d = hexHalf(bytes, start + 14)
    if ((a | b | c | d) < 0) return false
    this.low = a | (b << 16)
    this.high = c | (d << 16)
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
    this.low = a | 0
    this.high = b ^ (b >>> 15)
  }
}

/** Two bytes of four hexadecimal digits, the first byte the lower; negative when a digit is none. */
function hexHalf(bytes: Buffer, at: number): number {
  const first = (hexDigits[bytes[at]] << 4) | hexDigits[bytes[at + 1]]
  const second = (hexDigits[bytes[at + 2]] << 4) | hexDigits[bytes[at + 3]]
  return (first | second) > 255 ? -1 : first | (second << 8)
}
