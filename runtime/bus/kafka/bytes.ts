/** Kafka's plain encoding: big-endian numbers, texts and lists after their lengths. */
export class ByteWriter {
  readonly #parts: Buffer[] = []

  int16(value: number): this {
    const bytes = Buffer.allocUnsafe(2)
    bytes.writeInt16BE(value)
    return this.raw(bytes)
  }

  int32(value: number): this {
    const bytes = Buffer.allocUnsafe(4)
    bytes.writeInt32BE(value)
    return this.raw(bytes)
  }

  int64(value: number): this {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeBigInt64BE(BigInt(value))
    return this.raw(bytes)
  }

  int8(value: number): this {
    return this.raw(Buffer.from([value]))
  }

  text(value: string): this {
    const bytes = Buffer.from(value)
    return this.int16(bytes.length).raw(bytes)
  }

  bytes(value: Buffer): this {
    return this.int32(value.length).raw(value)
  }

  list<T>(values: readonly T[], write: (value: T) => void): this {
    this.int32(values.length)
    for (const value of values) write(value)
    return this
  }

  raw(bytes: Buffer): this {
    this.#parts.push(bytes)
    return this
  }

  end(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

export class ByteReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  int16(): number {
    return this.#bytes.readInt16BE((this.#at += 2) - 2)
  }

  int32(): number {
    return this.#bytes.readInt32BE((this.#at += 4) - 4)
  }

  int64(): number {
    return Number(this.#bytes.readBigInt64BE((this.#at += 8) - 8))
  }

  skip(bytes: number): this {
    this.#at += bytes
    return this
  }

  text(): string {
    return this.#take(this.int16()).toString()
  }

  bytes(): Buffer {
    return this.#take(this.int32())
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, read)
  }

  #take(length: number): Buffer {
    const start = this.#at
    this.#at += Math.max(0, length)
    return this.#bytes.subarray(start, this.#at)
  }
}
