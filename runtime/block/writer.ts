/** Shorter texts have a length of one byte. */
const shortText = 64
/** And those up to here one of two. */
const longText = 16383

const hexDigit = (value: number) => '0123456789abcdef'.charCodeAt(value)
/** For each byte its two digits. */
const hexPairs = Uint16Array.from({ length: 256 }, (_, byte) => hexDigit(byte >>> 4) | (hexDigit(byte & 15) << 8))
const viewOf = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Bytes of ClickHouse's Native format, growing as needed. */
export class Writer {
  #bytes: Buffer
  #view: DataView
  #at = 0

  constructor(capacity = 1 << 18) {
    this.#bytes = Buffer.allocUnsafe(capacity)
    this.#view = viewOf(this.#bytes)
  }

  get length(): number {
    return this.#at
  }

  #room(count: number): void {
    if (this.#at + count <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + count))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
    this.#view = viewOf(larger)
  }

  varuint(value: number): void {
    this.#room(10)
    while (value >= 128) {
      this.#bytes[this.#at++] = (value % 128) | 128
      value = Math.floor(value / 128)
    }
    this.#bytes[this.#at++] = value
  }

  /** A number below 2^14 in two bytes, so that another may be put in its place: `at` is where it was written. */
  shortVaruint(value: number, at = this.#at): void {
    if (at === this.#at) {
      this.#room(2)
      this.#at += 2
    }
    this.#bytes[at] = (value & 127) | 128
    this.#bytes[at + 1] = value >>> 7
  }

  text(text: string): void {
    if (text.length < shortText && this.#shortAscii(text)) return
    const length = Buffer.byteLength(text)
    this.varuint(length)
    this.#room(length)
    this.#at += this.#bytes.write(text, this.#at)
  }

  /** Writes a short text without a call into C++. False, and nothing is written, when it is not ASCII. */
  #shortAscii(text: string): boolean {
    this.#room(shortText)
    const bytes = this.#bytes
    const start = this.#at + 1
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) return false
      bytes[start + i] = code
    }
    bytes[start - 1] = text.length
    this.#at = start + text.length
    return true
  }

  /** A text that lies there as bytes. False, and nothing is written, when it is not ASCII or long. */
  ascii(source: Uint8Array, from: number, to: number): boolean {
    const length = to - from
    if (length > 127) return false
    this.#room(length + 1)
    const bytes = this.#bytes
    const start = this.#at + 1
    let all = 0
    for (let i = 0; i < length; i++) all |= bytes[start + i] = source[from + i]
    if (all > 127) return false
    bytes[start - 1] = length
    this.#at = start + length
    return true
  }

  /** As `ascii`, four bytes at a time and up to 16,383 of them, of a text that lies in the memory `source` is over. */
  asciiWords(source: DataView, from: number, to: number): boolean {
    const length = to - from
    if (length > longText) return false
    this.#room(length + 5)
    const view = this.#view
    const start = this.#at + (length < 128 ? 1 : 2)
    const last = length - 4
    let all = 0
    for (let i = 0; i <= last; i += 4) {
      const word = source.getInt32(from + i, true)
      all |= word
      view.setInt32(start + i, word, true)
    }
    for (let i = length & ~3; i < length; i++) {
      const byte = source.getUint8(from + i)
      all |= byte
      view.setUint8(start + i, byte)
    }
    if ((all & 0x80808080) !== 0) return false
    if (length < 128) view.setUint8(start - 1, length)
    else view.setUint16(start - 2, (length & 127) | 128 | ((length >>> 7) << 8), true)
    this.#at = start + length
    return true
  }

  /** The first `length` bytes of memory that has at least one word more than it needs. */
  words(words: Int32Array, length: number): void {
    this.#room(length + 4)
    const view = this.#view
    for (let i = 0; i << 2 < length; i++) view.setInt32(this.#at + (i << 2), words[i], true)
    this.#at += length
  }

  /** Up to 63 bytes as a text in hexadecimal. */
  hex(source: Uint8Array, from: number, length: number): void {
    this.#room(length * 2 + 1)
    const view = this.#view
    view.setUint8(this.#at, length * 2)
    const start = this.#at + 1
    for (let i = 0; i < length; i++) view.setUint16(start + 2 * i, hexPairs[source[from + i]], true)
    this.#at = start + 2 * length
  }

  /** Bytes as they are. */
  copy(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  uint64(value: number): void {
    this.#room(8)
    this.#bytes.writeUInt32LE(value >>> 0, this.#at)
    this.#bytes.writeUInt32LE(Math.floor(value / 2 ** 32), this.#at + 4)
    this.#at += 8
  }

  /** The memory of a typed array as it is; the machine is little-endian, as the format is. */
  raw(array: ArrayBufferView): void {
    this.#room(array.byteLength)
    this.#bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), this.#at)
    this.#at += array.byteLength
  }

  /** So many bytes of 0: empty texts, or codes that are all 0. */
  zeros(count: number): void {
    this.#room(count)
    this.#bytes.fill(0, this.#at, this.#at + count)
    this.#at += count
  }

  /** The lowest byte of each of the first `count` numbers. */
  lowBytes(numbers: Uint8Array | Uint16Array | Uint32Array, count: number): void {
    this.#room(count)
    const bytes = this.#bytes
    const start = this.#at
    for (let i = 0; i < count; i++) bytes[start + i] = numbers[i]
    this.#at += count
  }

  /** A view of what was written; valid until the next write. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  /** Forgets what was written from there on. */
  cut(length: number): void {
    this.#at = length
  }

  reset(): void {
    this.#at = 0
  }
}
