import type { Datagram } from './decoder.ts'

/**
 * Datagrams on their way from the thread that receives them to the one that reads them, in memory both share. The size is fixed: when
 * all of it is taken, the receiving thread waits and the kernel keeps, and then drops and counts, what comes.
 */
export interface RingMemory {
  control: SharedArrayBuffer
  data: SharedArrayBuffer
}

/** Places in `control`: bytes written and read since the beginning (modulo 2^32), and whether the reader sleeps. */
const written = 0
const taken = 1
const sleeping = 2

/** A record: its size, the length of the datagram, when it came, port and address of the sender, the datagram. */
const head = { size: 0, length: 4, received: 8, port: 16, addressLength: 20, address: 24, bytes: 72 } as const
const maxAddress = head.bytes - head.address
const alignment = 8

/** `bytes` is a power of two, and large enough for two datagrams. */
export function openRing(bytes: number): RingMemory {
  return { control: new SharedArrayBuffer(12), data: new SharedArrayBuffer(bytes) }
}

export interface Sender {
  address: string
  port: number
}

export class RingWriter {
  readonly #control: Int32Array
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #wake: () => void

  constructor({ control, data }: RingMemory, wake: () => void) {
    this.#control = new Int32Array(control)
    this.#bytes = new Uint8Array(data)
    this.#view = new DataView(data)
    this.#wake = wake
  }

  /** Puts a datagram in; waits, and with it the thread, until there is room. `received` in microseconds. */
  write(datagram: Uint8Array, { address, port }: Sender, received: number): void {
    const size = (head.bytes + datagram.length + alignment - 1) & -alignment
    const at = this.#reserve(size)
    const view = this.#view
    view.setUint32(at + head.size, size)
    view.setUint32(at + head.length, datagram.length)
    view.setFloat64(at + head.received, received)
    view.setUint32(at + head.port, port)
    const length = Math.min(address.length, maxAddress)
    view.setUint32(at + head.addressLength, length)
    for (let i = 0; i < length; i++) this.#bytes[at + head.address + i] = address.charCodeAt(i)
    this.#bytes.set(datagram, at + head.bytes)
    this.#advance(size)
    if (Atomics.exchange(this.#control, sleeping, 0) === 1) this.#wake()
  }

  /** Where a record of this size may lie; what is too short at the end of the memory is passed over. */
  #reserve(size: number): number {
    const capacity = this.#bytes.length
    const at = Atomics.load(this.#control, written) & (capacity - 1)
    const left = capacity - at
    if (left >= size) {
      this.#waitFor(size)
      return at
    }
    this.#waitFor(left + size)
    this.#view.setUint32(at + head.size, 0)
    this.#advance(left)
    return 0
  }

  #waitFor(size: number): void {
    for (;;) {
      const read = Atomics.load(this.#control, taken)
      const used = (Atomics.load(this.#control, written) - read) | 0
      if (this.#bytes.length - used >= size) return
      Atomics.wait(this.#control, taken, read)
    }
  }

  #advance(size: number): void {
    Atomics.add(this.#control, written, size)
  }
}

export class RingReader {
  readonly #control: Int32Array
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #size = 0

  constructor({ control, data }: RingMemory) {
    this.#control = new Int32Array(control)
    this.#bytes = new Uint8Array(data)
    this.#view = new DataView(data)
  }

  /** The oldest datagram, whose bytes are there until `release`; undefined when there is none. */
  next(): Datagram | undefined {
    const capacity = this.#bytes.length
    for (;;) {
      const read = Atomics.load(this.#control, taken)
      if (Atomics.load(this.#control, written) === read) return undefined
      const at = read & (capacity - 1)
      this.#size = this.#view.getUint32(at + head.size)
      if (this.#size > 0) return this.#read(at)
      this.#size = capacity - at
      this.release()
    }
  }

  #read(at: number): Datagram {
    const view = this.#view
    const address = at + head.address
    return {
      bytes: this.#bytes.subarray(at + head.bytes, at + head.bytes + view.getUint32(at + head.length)),
      address: String.fromCharCode(...this.#bytes.subarray(address, address + view.getUint32(at + head.addressLength))),
      process: view.getUint32(at + head.port),
      received: view.getFloat64(at + head.received),
    }
  }

  /** Gives the memory of the datagram that was read last back. */
  release(): void {
    Atomics.add(this.#control, taken, this.#size)
    Atomics.notify(this.#control, taken)
  }

  /** Asks to be woken at the next datagram. Returns false when there is one already. */
  sleep(): boolean {
    Atomics.store(this.#control, sleeping, 1)
    return Atomics.load(this.#control, written) === Atomics.load(this.#control, taken)
  }
}
