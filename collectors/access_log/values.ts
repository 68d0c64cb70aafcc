import { readAddress, writeAddress } from '../../runtime/block/address.ts'

const [dot, colon, openBracket, closeBracket, slash, letterT] = [46, 58, 91, 93, 47, 84]
const zero = 48
const mappedPrefix = 0xffff0000

const isDigit = (byte: number) => byte >= 48 && byte <= 57

/** A whole number; 0 for what is none. */
export function readNumber(bytes: Buffer, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) {
    if (!isDigit(bytes[at])) return 0
    value = value * 10 + bytes[at] - zero
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : 0
}

const pair = (bytes: Buffer, at: number) => (bytes[at] - zero) * 10 + bytes[at + 1] - zero

/** Reads times that come in order: most are of the day the last was of. */
export class Clock {
  readonly #day = Buffer.alloc(10)
  #start = NaN

  /** Microseconds of 2026-11-21T08:19:50.353Z, with any number of decimals and any zone; NaN for what is none. */
  read(bytes: Buffer, start: number, end: number): number {
    if (end - start < 20 || bytes[start + 10] !== letterT) return NaN
    if (bytes[end - 1] !== 90) return Date.parse(bytes.toString('latin1', start, end)) * 1000
    for (let at = 0; at < 10; at++) if (bytes[start + at] !== this.#day[at]) return this.#readDay(bytes, start, end)
    return this.#ofDay(bytes, start, end)
  }

  #readDay(bytes: Buffer, start: number, end: number): number {
    const day = Date.parse(bytes.toString('latin1', start, start + 10))
    if (Number.isNaN(day)) return NaN
    this.#start = day * 1000
    bytes.copy(this.#day, 0, start, start + 10)
    return this.#ofDay(bytes, start, end)
  }

  #ofDay(bytes: Buffer, start: number, end: number): number {
    const seconds = pair(bytes, start + 11) * 3600 + pair(bytes, start + 14) * 60 + pair(bytes, start + 17)
    let micros = 0
    let unit = 100_000
    for (let at = start + 20; at < end - 1 && unit >= 1; at++, unit /= 10) {
      if (!isDigit(bytes[at])) return NaN
      micros += (bytes[at] - zero) * unit
    }
    const isTime = bytes[start + 13] === colon && bytes[start + 16] === colon && seconds >= 0 && seconds <= 86_400
    return isTime ? this.#start + seconds * 1e6 + micros : NaN
  }
}

/** An address and its port as they lie in bytes. */
export class SocketAddress {
  /** 16 bytes as four words in the order of the machine, as a column of addresses holds them. */
  readonly words = new Int32Array(4)
  readonly #octets = new Uint8Array(this.words.buffer)
  port = 0
  ipVersion = 0

  get isLoopback(): boolean {
    if (this.ipVersion === 4) return this.#octets[12] === 127
    return this.ipVersion === 6 && this.words[0] === 0 && this.words[1] === 0 && this.words[2] === 0 && this.#octets[15] === 1
  }

  /** As people write it, without the port; '' for none. */
  get text(): string {
    return readAddress(this.#octets, 0)
  }

  clear(): void {
    this.words.fill(0)
    this.port = 0
    this.ipVersion = 0
  }

  copy(other: SocketAddress): void {
    this.words.set(other.words)
    this.port = other.port
    this.ipVersion = other.ipVersion
  }

  isSameHost(other: SocketAddress): boolean {
    const [a, b] = [this.words, other.words]
    return this.ipVersion !== 0 && a[3] === b[3] && a[2] === b[2] && a[1] === b[1] && a[0] === b[0]
  }

  /**
   * Reads 10.1.2.3:80, [::1]:80, an address alone, and what a waypoint calls its servers: envoy://connect_originate/10.1.2.3:80. False,
   * and nothing, for what names no address, such as a pipe, a host or envoy://internal_client_address/.
   */
  read(bytes: Buffer, start: number, end: number): boolean {
    if (start >= end) return this.#none()
    if (isDigit(bytes[start]) && this.#readIpv4(bytes, start, end)) return true
    if (bytes[start] === openBracket) return this.#readBracketed(bytes, start, end)
    let from = end
    while (from > start && bytes[from - 1] !== slash) from--
    if (from > start && bytes.toString('latin1', start, start + 8) === 'envoy://') return from < end && this.read(bytes, from, end)
    return this.#readText(bytes.toString('latin1', start, end))
  }

  #readIpv4(bytes: Buffer, start: number, end: number): boolean {
    let at = start
    for (let octet = 0; octet < 4; octet++) {
      let value = 0
      const first = at
      while (at < end && isDigit(bytes[at])) value = value * 10 + bytes[at++] - zero
      if (at === first || value > 255 || at - first > 3) return false
      if (octet < 3 && bytes[at++] !== dot) return false
      this.#octets[12 + octet] = value
    }
    if (at < end && bytes[at] !== colon) return false
    this.words[0] = this.words[1] = 0
    this.words[2] = mappedPrefix
    return this.#take(4, at < end ? readNumber(bytes, at + 1, end) : 0)
  }

  #readBracketed(bytes: Buffer, start: number, end: number): boolean {
    const close = bytes.indexOf(closeBracket, start)
    if (close < 0 || close >= end) return this.#none()
    const port = bytes[close + 1] === colon ? readNumber(bytes, close + 2, end) : 0
    return this.#readText(bytes.toString('latin1', start + 1, close)) && this.#take(this.ipVersion, port)
  }

  #readText(text: string): boolean {
    if (text.length > 45 || !text.includes(':') || !writeAddress(this.#octets, 0, text)) return this.#none()
    return this.#take(this.words[0] === 0 && this.words[1] === 0 && this.words[2] === (mappedPrefix | 0) ? 4 : 6, 0)
  }

  #take(ipVersion: number, port: number): boolean {
    this.ipVersion = ipVersion
    this.port = port <= 65_535 ? port : 0
    return true
  }

  #none(): boolean {
    this.clear()
    return false
  }
}
