import { AddressReader } from '../addresses.ts'
import { Cursor, UndecodableError, bytesType } from '../protobuf/cursor.ts'
import { viewOf } from '../protobuf/bytes.ts'

/** Where an address of an entry is kept. */
export const at = { downstream: 0, local: 1, upstream: 2, direct: 3, client: 4, server: 5 } as const

const ipv4 = 0xffff0000 | 0
const loopback = 127

/** The ends of an entry: four words of an address and a port for each. */
export class Addresses {
  readonly words: Int32Array
  readonly ports: Int32Array
  readonly #reader: AddressReader
  readonly #cursor = new Cursor()

  constructor(count: number) {
    this.#reader = new AddressReader(count)
    this.words = this.#reader.words
    this.ports = new Int32Array(count)
  }

  clear(): void {
    this.words.fill(0)
    this.ports.fill(0)
  }

  /**
   * Reads config.core.v3.Address: a socket's, or one within Envoy, whose endpoint names the address it leads to. A pipe has none.
   * Throws UndecodableError.
   */
  read(index: number, bytes: Buffer, view: DataView, start: number, end: number): void {
    const cursor = this.#cursor
    cursor.open(bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 10) {
        cursor.span()
        this.#readSocket(index, view, cursor.start, cursor.end)
      } else if (tag === 26) {
        cursor.span()
        this.#readInternal(index, cursor.start, cursor.end)
      } else cursor.skip(tag)
    }
    cursor.close(end)
  }

  /** SocketAddress. */
  #readSocket(index: number, view: DataView, start: number, end: number): void {
    const cursor = this.#cursor
    cursor.at = start
    let from = 0
    let to = 0
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 18) {
        cursor.span()
        from = cursor.start
        to = cursor.end
      } else if (tag === 24) this.ports[index] = cursor.varint() & 0xffff
      else cursor.skip(tag)
    }
    cursor.close(end)
    if (to - from > longest) throw new UndecodableError('an address that is none', from)
    if (to > from) this.#reader.read(index, cursor.bytes, view, from, to)
  }

  /** EnvoyInternalAddress. */
  #readInternal(index: number, start: number, end: number): void {
    const cursor = this.#cursor
    cursor.at = start
    let endpoint = ''
    while (cursor.at < end) {
      const tag = cursor.tag()
      if ((tag & 7) !== bytesType) cursor.skip(tag)
      else {
        cursor.span()
        if (tag === 18) endpoint = cursor.text(cursor.start, Math.min(cursor.end, cursor.start + longest))
      }
    }
    cursor.close(end)
    const [, host, port] = /^\[?([^\]]*)\]?:(\d{1,5})$/.exec(endpoint) ?? []
    if (host === undefined) return
    const text = Buffer.from(host)
    this.#reader.read(index, text, viewOf(text), 0, text.length)
    this.ports[index] = Number(port) & 0xffff
  }

  /** Whether it is ::, so that nothing is known. */
  isEmpty(index: number): boolean {
    const { words } = this
    const at = index * 4
    return (words[at] | words[at + 1] | words[at + 2] | words[at + 3]) === 0
  }

  /** Whether it is of 127.0.0.0/8, or ::1. */
  isLoopback(index: number): boolean {
    const { words } = this
    const at = index * 4
    if ((words[at] | words[at + 1]) !== 0) return false
    if (words[at + 2] === ipv4) return (words[at + 3] & 255) === loopback
    return words[at + 2] === 0 && words[at + 3] === 0x01000000
  }

  is(index: number, words: Uint32Array): boolean {
    for (let i = 0; i < 4; i++) if (this.words[index * 4 + i] !== (words[i] | 0)) return false
    return true
  }

  set(index: number, words: Uint32Array): void {
    for (let i = 0; i < 4; i++) this.words[index * 4 + i] = words[i]
  }

  copyAddress(from: number, to: number): void {
    for (let i = 0; i < 4; i++) this.words[to * 4 + i] = this.words[from * 4 + i]
  }

  /** Address and port. */
  copy(from: number, to: number): void {
    this.copyAddress(from, to)
    this.ports[to] = this.ports[from]
  }

  forget(index: number): void {
    this.words.fill(0, index * 4, index * 4 + 4)
  }

  /** 4, 6, or 0 for ::. */
  version(index: number): number {
    if (this.isEmpty(index)) return 0
    const at = index * 4
    return (this.words[at] | this.words[at + 1]) === 0 && this.words[at + 2] === ipv4 ? 4 : 6
  }
}

const longest = 255
