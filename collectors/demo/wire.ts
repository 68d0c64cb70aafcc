/** Bytes of protobuf messages, growing as needed. Lengths are written in their shortest form, as the canonical encoding has them. */
export class Wire {
  #bytes: Buffer
  #at = 0

  constructor(capacity = 1024) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity)
  }

  get length(): number {
    return this.#at
  }

  reset(): void {
    this.#at = 0
  }

  /** What was written; a view that the next write may outdate. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  /** What was written, in memory of its own. */
  copy(): Buffer {
    return Buffer.from(this.bytes())
  }

  /** Makes room, so that the writes of one flow need not look. */
  room(count: number): void {
    if (this.#at + count <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + count))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }

  varint(value: number): void {
    while (value >= 4294967296) {
      this.#bytes[this.#at++] = (value % 128) | 128
      value = Math.floor(value / 128)
    }
    while (value >= 128) {
      this.#bytes[this.#at++] = value | 128
      value >>>= 7
    }
    this.#bytes[this.#at++] = value
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** A number, left out when it is 0 as proto3 does. */
  number(field: number, value: number): void {
    if (value === 0) return
    this.varint(field * 8)
    this.varint(value)
  }

  /** A text of characters below 256, left out when empty. */
  text(field: number, text: string): void {
    if (text.length === 0) return
    this.varint(field * 8 + 2)
    this.varint(text.length)
    this.#at += this.#bytes.write(text, this.#at, 'latin1')
  }

  /** Begins a message within the message; `lengthBytes` is how many its length will probably take. Returns what `close` wants. */
  open(field: number, lengthBytes = 1): number {
    this.varint(field * 8 + 2)
    this.#at += lengthBytes
    return this.#at * 4 + lengthBytes
  }

  close(opened: number): void {
    const reserved = opened & 3
    const start = (opened - reserved) / 4
    const length = this.#at - start
    const needed = length < 128 ? 1 : length < 16384 ? 2 : 3
    if (needed !== reserved) this.#bytes.copyWithin(start - reserved + needed, start, this.#at)
    this.#at = start - reserved
    this.varint(length)
    this.#at += length
  }

  /** google.protobuf.Timestamp of a time in microseconds. */
  time(field: number, time: number): void {
    const opened = this.open(field)
    const seconds = Math.floor(time / 1_000_000)
    this.number(1, seconds)
    this.number(2, (time - seconds * 1_000_000) * 1000)
    this.close(opened)
  }

  /** Begins an uncompressed gRPC message. Returns what `closeFrame` wants. */
  openFrame(): number {
    this.#bytes[this.#at] = 0
    this.#at += 5
    return this.#at
  }

  closeFrame(start: number): void {
    this.#bytes.writeUInt32BE(this.#at - start, start - 4)
  }

  /** 16 bytes, given as four words, as a version 4 UUID in text form. */
  uuid(field: number, a: number, b: number, c: number, d: number): void {
    this.varint(field * 8 + 2)
    this.#bytes[this.#at++] = 36
    this.#hex(a, 24, 0)
    this.#dash()
    this.#hex(b, 24, 16)
    this.#dash()
    this.#hex((b & 0xfff) | 0x4000, 8, 0)
    this.#dash()
    this.#hex(((c >>> 16) & 0x3fff) | 0x8000, 8, 0)
    this.#dash()
    this.#hex(c, 8, 0)
    this.#hex(d, 24, 0)
  }

  #dash(): void {
    this.#bytes[this.#at++] = 0x2d
  }

  /** The bytes of a word from bit `from` down to bit `to`. */
  #hex(word: number, from: number, to: number): void {
    for (let bit = from; bit >= to; bit -= 8) {
      const pair = hexPairs[(word >>> bit) & 255]
      this.#bytes[this.#at++] = pair >>> 8
      this.#bytes[this.#at++] = pair & 255
    }
  }
}

const hexPairs = Uint16Array.from({ length: 256 }, (_, byte) => {
  const digits = byte.toString(16).padStart(2, '0')
  return (digits.charCodeAt(0) << 8) | digits.charCodeAt(1)
})

/** Bytes of a message that is written once and used often. */
export function encoded(write: (wire: Wire) => void): Buffer {
  const wire = new Wire(4096)
  write(wire)
  return wire.copy()
}
