import { copyLiteral, copyWithin } from './copies.ts'
import { CompressionError } from './error.ts'

/**
 * What was compressed with Snappy's block format (github.com/google/snappy, format_description.txt). Allocates no more than `maxBytes`.
 * Throws CompressionError.
 */
export function uncompressSnappy(bytes: Buffer, maxBytes: number): Buffer {
  const { length, at } = lengthOf(bytes)
  if (length > maxBytes) throw new CompressionError('too_large', `more than ${maxBytes} bytes when decompressed`)
  // The densest there is, copies of 64 bytes, take 3 bytes each.
  if (length > 22 * (bytes.length - at)) throw broken('a length that cannot be')
  const out = Buffer.allocUnsafe(length)
  const end = expand(bytes, at, out)
  if (end !== length) throw broken(`${length} bytes promised, ${end} there`)
  return out
}

const broken = (what: string) => new CompressionError('broken', `no Snappy: ${what}`)

function lengthOf(bytes: Buffer): { length: number; at: number } {
  let length = 0
  for (let at = 0; at < Math.min(5, bytes.length); at++) {
    length += (bytes[at] & 127) * 2 ** (7 * at)
    if (bytes[at] < 128) return { length, at: at + 1 }
  }
  throw broken('no length')
}

/** Writes all elements, and says how far. */
function expand(bytes: Buffer, start: number, out: Buffer): number {
  const { length: limit } = bytes
  let to = 0
  for (let at = start; at < limit;) {
    const tag = bytes[at++]
    const kind = tag & 3
    let length = (tag >>> 2) + 1
    if (kind === 0) {
      const extra = length > 60 ? length - 60 : 0
      if (extra) length = littleEndian(bytes, at, extra) + 1
      at += extra
      if (at + length > limit || to + length > out.length) throw broken('a literal over the end')
      copyLiteral(bytes, at, out, to, length)
      at += length
    } else {
      let offset = 0
      if (kind === 1) {
        length = ((tag >>> 2) & 7) + 4
        offset = ((tag >>> 5) << 8) | bytes[at++]
      } else {
        const size = kind === 2 ? 2 : 4
        offset = littleEndian(bytes, at, size)
        at += size
      }
      if (at > limit || offset === 0 || offset > to || to + length > out.length) throw broken('a copy of what is not there')
      copyWithin(out, to, offset, length)
    }
    to += length
  }
  return to
}

function littleEndian(bytes: Buffer, at: number, size: number): number {
  if (at + size > bytes.length) throw broken('it ends within a number')
  return bytes.readUIntLE(at, size)
}
