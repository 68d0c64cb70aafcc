const lengthBytes = 4

/** Writes protobuf's wire format. The length of a sub-message takes four bytes whatever it is, so it is at most 256 MiB. */
export class Encoder {
  #bytes = Buffer.allocUnsafe(1 << 12)
  #at = 0

  #room(count: number): void {
    if (this.#at + count <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + count))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }

  /** A whole number from 0 to 2^53. */
  #varint(value: number): void {
    this.#room(10)
    while (value >= 128) {
      this.#bytes[this.#at++] = (value % 128) | 128
      value = Math.floor(value / 128)
    }
    this.#bytes[this.#at++] = value
  }

  #tag(field: number, type: number): void {
    this.#varint(field * 8 + type)
  }

  /** Of 64 bits; a negative one as its two's complement. */
  varint(field: number, value: bigint): void {
    this.#tag(field, 0)
    this.bareVarint(value)
  }

  /** One of a packed list. */
  bareVarint(value: bigint): void {
    let rest = BigInt.asUintN(64, value)
    this.#room(10)
    while (rest >= 128n) {
      this.#bytes[this.#at++] = Number(rest & 127n) | 128
      rest >>= 7n
    }
    this.#bytes[this.#at++] = Number(rest)
  }

  fixed32(field: number, value: number): void {
    this.#tag(field, 5)
    this.#room(4)
    this.#at = this.#bytes.writeUInt32LE(value >>> 0, this.#at)
  }

  fixed64(field: number, value: bigint): void {
    this.#tag(field, 1)
    this.bareFixed64(value)
  }

  bareFixed64(value: bigint): void {
    this.#room(8)
    this.#at = this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), this.#at)
  }

  double(field: number, value: number): void {
    this.#tag(field, 1)
    this.bareDouble(value)
  }

  bareDouble(value: number): void {
    this.#room(8)
    this.#at = this.#bytes.writeDoubleLE(value, this.#at)
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, 2)
    this.#varint(value.length)
    this.#room(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
  }

  text(field: number, value: string): void {
    const length = Buffer.byteLength(value)
    this.#tag(field, 2)
    this.#varint(length)
    this.#room(length)
    this.#at += this.#bytes.write(value, this.#at)
  }

  /** Begins a sub-message or a packed list; what is returned goes to `end`. */
  begin(field: number): number {
    this.#tag(field, 2)
    this.#room(lengthBytes)
    this.#at += lengthBytes
    return this.#at
  }

  end(start: number): void {
    const length = this.#at - start
    if (length >= 2 ** 28) throw new RangeError(`a message of ${length} bytes within another, at most ${2 ** 28 - 1}`)
    for (let i = 0; i < lengthBytes; i++)
      this.#bytes[start - lengthBytes + i] = ((length >>> (7 * i)) & 127) | (i < lengthBytes - 1 ? 128 : 0)
  }

  /** What was written, which nothing else writes to afterwards: the encoder is done. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }
}
