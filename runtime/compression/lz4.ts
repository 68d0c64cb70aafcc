import { copyLiteral, copyWithin } from './copies.ts'
import { CompressionError } from './error.ts'

const frameMagic = 0x184d2204
/** The last four bits of the magic of a frame to pass over may be any. */
const skippableMagic = 0x184d2a50
const flags = { blockChecksum: 0x10, contentSize: 0x08, contentChecksum: 0x04, dictionary: 0x01 } as const
const version1 = 0x40
const uncompressed = 0x80000000
/** Bytes of a block at the most, by number: 64 KiB, 256 KiB, 1 MiB, 4 MiB. */
const blockSizes = [0, 0, 0, 0, 1 << 16, 1 << 18, 1 << 20, 1 << 22]
const shortestMatch = 4

/**
 * What was compressed as LZ4 frames (github.com/lz4/lz4, lz4_Frame_format.md and lz4_Block_format.md). Its checksums are not looked at:
 * what carries frames has its own. Allocates little more than twice what comes out, which is no more than `maxBytes`. Throws
 * CompressionError.
 */
export function uncompressLz4(bytes: Buffer, maxBytes: number): Buffer {
  const out = new Output(maxBytes)
  for (let at = 0; at < bytes.length;) {
    const magic = numberAt(bytes, at)
    if (magic === frameMagic) at = readFrame(bytes, at + 4, out)
    else if ((magic & ~15) >>> 0 === skippableMagic) at += 8 + numberAt(bytes, at + 4)
    else throw broken('no frame')
    if (at > bytes.length) throw broken('a frame that breaks off')
  }
  return out.bytes.subarray(0, out.length)
}

const broken = (what: string) => new CompressionError('broken', `no LZ4: ${what}`)

function numberAt(bytes: Buffer, at: number): number {
  if (at + 4 > bytes.length) throw broken('it ends within a number')
  return bytes.readUInt32LE(at)
}

/** What has come out so far. */
class Output {
  bytes = Buffer.alloc(0)
  length = 0
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  /** Makes room for so many bytes more, or as many as there may be. */
  reserve(more: number): void {
    const wanted = Math.min(this.#most, this.length + more)
    if (wanted <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(Math.min(this.#most, Math.max(wanted, 2 * this.bytes.length)))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }

  /** Throws when so many bytes more are not reserved. */
  check(to: number): void {
    if (to <= this.bytes.length) return
    if (this.bytes.length < this.#most) throw broken('a block larger than its frame says')
    throw new CompressionError('too_large', `more than ${this.#most} bytes when decompressed`)
  }
}

/** Reads blocks up to the end mark, and says where the frame ends. */
function readFrame(bytes: Buffer, start: number, out: Output): number {
  const [flag, descriptor] = [bytes[start], bytes[start + 1]]
  const blockSize = blockSizes[(descriptor >>> 4) & 7]
  if ((flag & 0xc0) !== version1 || !blockSize) throw broken('a frame of another version')
  if (flag & flags.dictionary) throw broken('a frame that needs a dictionary')
  const frameStart = out.length
  let at = start + 3 + (flag & flags.contentSize ? 8 : 0)
  for (;;) {
    const head = numberAt(bytes, at)
    at += 4
    if (head === 0) return at + (flag & flags.contentChecksum ? 4 : 0)
    const end = at + (head & ~uncompressed)
    if (end > bytes.length) throw broken('a block that breaks off')
    out.reserve(blockSize)
    if (head & uncompressed) store(bytes, at, end, out)
    else expand(bytes, { at, end, frameStart }, out)
    at = end + (flag & flags.blockChecksum ? 4 : 0)
  }
}

function store(bytes: Buffer, at: number, end: number, out: Output): void {
  out.check(out.length + end - at)
  bytes.copy(out.bytes, out.length, at, end)
  out.length += end - at
}

/** Sequences of literals and matches; the last has only literals. Matches may reach back to the begin of the frame. */
function expand(bytes: Buffer, { at, end, frameStart }: { at: number; end: number; frameStart: number }, out: Output): void {
  let to = out.length
  while (at < end) {
    const token = bytes[at++]
    let length = token >>> 4
    if (length === 15) for (let more = 255; more === 255; length += more) more = at < end ? bytes[at++] : 0
    if (at + length > end) throw broken('literals over the end')
    out.check(to + length)
    copyLiteral(bytes, at, out.bytes, to, length)
    to += length
    at += length
    if (at === end) break
    const offset = bytes[at] | (bytes[at + 1] << 8)
    at += 2
    let match = (token & 15) + shortestMatch
    if ((token & 15) === 15) for (let more = 255; more === 255; match += more) more = at < end ? bytes[at++] : 0
    if (at > end || offset === 0 || offset > to - frameStart) throw broken('a match of what is not there')
    out.check(to + match)
    copyWithin(out.bytes, to, offset, match)
    to += match
  }
  out.length = to
}
