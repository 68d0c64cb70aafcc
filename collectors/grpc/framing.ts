import { GrpcError } from './status.ts'

const prefixBytes = 5

/** A message as gRPC sends it: not compressed, its length in front. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(prefixBytes + message.length)
  framed[0] = 0
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, prefixBytes)
  return framed
}

/** Finds the messages in a stream of chunks, in place where they are whole. */
export class Framing {
  /** The message `next` found: `bytes` from `start` to `end`. */
  bytes: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  /** Whether it is compressed, in the way the headers of the call say. */
  compressed = false
  readonly #maxMessageBytes: number
  readonly #takesCompressed: boolean
  #at = 0
  /** What comes after `bytes`: of `#chunks`, those from `#first` on. */
  readonly #chunks: Buffer[] = []
  #first = 0
  #waiting = 0

  constructor(maxMessageBytes = 16 << 20, takesCompressed = false) {
    this.#maxMessageBytes = maxMessageBytes
    this.#takesCompressed = takesCompressed
  }

  /** Whether the stream may end here. */
  get empty(): boolean {
    return this.#waiting === 0 && this.#at === this.bytes.length
  }

  /** Takes the next chunk; any number of them may wait. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#waiting += chunk.length
  }

  /** Goes on to the next whole message. Throws GrpcError for what cannot be one. */
  next(): boolean {
    if (!this.#gather(prefixBytes)) return false
    const length = this.bytes.readUInt32BE(this.#at + 1)
    this.compressed = this.bytes[this.#at] !== 0
    if (this.compressed && !this.#takesCompressed)
      throw new GrpcError('UNIMPLEMENTED', 'a compressed message, although no compression was offered')
    if (length > this.#maxMessageBytes)
      throw new GrpcError('RESOURCE_EXHAUSTED', `a message of ${length} bytes, at most ${this.#maxMessageBytes} are taken`)
    if (!this.#gather(prefixBytes + length)) return false
    this.start = this.#at + prefixBytes
    this.end = this.start + length
    this.#at = this.end
    return true
  }

  /** Has the next `size` bytes lie in `bytes` from `#at` on. False when they have not all come yet. */
  #gather(size: number): boolean {
    for (;;) {
      const left = this.bytes.length - this.#at
      if (left >= size) return true
      if (left + this.#waiting < size) return this.#wait()
      this.bytes = left ? this.#join(size) : this.#shift()
      this.#at = 0
    }
  }

  /** What is left of `bytes`, and as much of the chunks as makes it `size` bytes. */
  #join(size: number): Buffer {
    const joined = Buffer.allocUnsafe(size)
    for (let have = this.bytes.copy(joined, 0, this.#at); have < size;) {
      const chunk = this.#shift()
      const taken = chunk.copy(joined, have)
      have += taken
      if (taken < chunk.length) this.#return(chunk.subarray(taken))
    }
    return joined
  }

  #shift(): Buffer {
    const chunk = this.#chunks[this.#first++]
    this.#waiting -= chunk.length
    return chunk
  }

  #return(rest: Buffer): void {
    this.#chunks[--this.#first] = rest
    this.#waiting += rest.length
  }

  /** Lets go of the chunks that were read. */
  #wait(): false {
    this.#chunks.splice(0, this.#first)
    this.#first = 0
    return false
  }
}
