import { GrpcError } from './grpc-status.ts'

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
  readonly #maxMessageBytes: number
  #at = 0
  #chunks: Buffer[] = []
  #held = 0
  #wanted = prefixBytes

  constructor(maxMessageBytes = 16 << 20) {
    this.#maxMessageBytes = maxMessageBytes
  }

  /** Whether the stream may end here. */
  get empty(): boolean {
    return this.#held === 0 && this.#at === this.bytes.length
  }

  /** Takes the next chunk; call `next` until it says no before. Chunks are only put together when they complete a message. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    if (this.#held < this.#wanted) return
    this.bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#held)
    this.#chunks = []
    this.#held = 0
    this.#at = 0
  }

  /** Goes on to the next whole message. Throws GrpcError for what cannot be one. */
  next(): boolean {
    if (this.#held > 0) return false
    const { bytes } = this
    const left = bytes.length - this.#at
    if (left < prefixBytes) return this.#hold(left, prefixBytes)
    const length = bytes.readUInt32BE(this.#at + 1)
    if (bytes[this.#at] !== 0) throw new GrpcError('UNIMPLEMENTED', 'a compressed message, although no compression was offered')
    if (length > this.#maxMessageBytes)
      throw new GrpcError('RESOURCE_EXHAUSTED', `a message of ${length} bytes, at most ${this.#maxMessageBytes} are taken`)
    if (left < prefixBytes + length) return this.#hold(left, prefixBytes + length)
    this.start = this.#at + prefixBytes
    this.end = this.start + length
    this.#at = this.end
    return true
  }

  /** Keeps the beginning of a message until `wanted` bytes are there. */
  #hold(left: number, wanted: number): false {
    this.#wanted = wanted
    if (left > 0) this.#chunks.push(this.bytes.subarray(this.#at))
    this.#held = left
    this.bytes = this.bytes.subarray(0, 0)
    this.#at = 0
    return false
  }
}
