import type { Interner } from '../protobuf/interner.ts'
import type { Texts } from './texts.ts'
import { Cursor, UndecodableError, bytesType } from '../protobuf/cursor.ts'

export const http = 101
export const dns = 100
export const kafka = 102

const slash = 47
const questionMark = 63
const numberSign = 35
const atSign = 64
const dot = 46

/** Schemes and hosts of URLs are as the proxy writes them: http://host:port/path, or the path alone. */
const authority = /^(?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#]*)(.*)$/is

/** The L7 part of the flow that was read last. */
export class Layer7 {
  /** 100 DNS, 101 HTTP, 102 Kafka, 0 none: the number of the field in flow.Layer7. */
  record = 0
  /** 1 request, 2 response, 3 sample. */
  phase = 0
  latencyLow = 0
  latencyHigh = 0
  statusCode = 0
  /** Of words; so are version, host, user agent, query and topic. */
  method = 0
  version = 0
  host = 0
  /** Where the path lies in `bytes`. */
  pathStart = 0
  pathEnd = 0
  /** Host and path of a URL in another form than usual. */
  parts: readonly [host: string, path: string] | undefined
  userAgent = 0
  isGrpc = false
  requestIdStart = 0
  requestIdEnd = 0
  query = 0
  ttl = 0
  readonly queryTypes: Texts[] = []
  readonly addresses: Texts[] = []
  readonly names: Texts[] = []
  topic = 0
  apiVersion = 0
  correlationId = 0
  readonly #cursor = new Cursor()
  readonly #words: Interner<Texts>
  #view: DataView = new DataView(new ArrayBuffer(0))

  constructor(words: Interner<Texts>) {
    this.#words = words
  }

  get bytes(): Buffer {
    return this.#cursor.bytes
  }

  clear(): void {
    this.record = 0
  }

  read(bytes: Buffer, view: DataView, start: number, end: number): void {
    this.#reset()
    this.#view = view
    const { turns } = this.#words
    const cursor = this.#cursor
    cursor.open(bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) this.phase = cursor.varint() | 0
      else if (tag === 16) {
        this.latencyLow = cursor.varint()
        this.latencyHigh = cursor.high
      } else if ((tag & 7) === bytesType && tag >>> 3 >= dns && tag >>> 3 <= kafka) this.#readRecord(tag >>> 3, cursor.varint())
      else cursor.skip(tag)
    }
    cursor.close(end)
    // Handles of words are good until the second turn only.
    if (this.#words.turns > turns + 1) throw new UndecodableError('more texts than can be remembered', end)
  }

  #reset(): void {
    this.record = this.phase = this.latencyLow = this.latencyHigh = this.statusCode = 0
    this.method = this.version = this.host = this.userAgent = this.query = this.topic = 0
    this.pathStart = this.pathEnd = this.requestIdStart = this.requestIdEnd = 0
    this.parts = undefined
    this.isGrpc = false
    this.ttl = this.apiVersion = this.correlationId = 0
    if (this.queryTypes.length) this.queryTypes.length = 0
    if (this.addresses.length) this.addresses.length = 0
    if (this.names.length) this.names.length = 0
  }

  #readRecord(number: number, length: number): void {
    const cursor = this.#cursor
    const end = cursor.at + length
    this.record = number
    while (cursor.at < end) {
      const tag = cursor.tag()
      if ((tag & 7) === bytesType) {
        cursor.span()
        this.#readBytes(number, tag >>> 3)
      } else if ((tag & 7) === 0) this.#readNumber(number, tag >>> 3, cursor.varint())
      else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #readNumber(record: number, number: number, value: number): void {
    if (record === http && number === 1) this.statusCode = value
    else if (record === dns && number === 3) this.ttl = value
    else if (record === dns && number === 6) this.statusCode = value
    else if (record === kafka && number === 1) this.statusCode = value
    else if (record === kafka && number === 2) this.apiVersion = value | 0
    else if (record === kafka && number === 4) this.correlationId = value
  }

  #readBytes(record: number, number: number): void {
    if (record === http) this.#readHttp(number)
    else if (record === dns) this.#readDns(number)
    else if (number === 3) this.method = this.#word()
    else if (number === 5) this.topic = this.#word()
  }

  #word(start = this.#cursor.start, end = this.#cursor.end): number {
    return this.#words.find(this.#cursor.bytes, this.#view, start, end)
  }

  #text(): Texts {
    return this.#words.value(this.#word())
  }

  #readHttp(number: number): void {
    const { start, end } = this.#cursor
    if (number === 2) this.method = this.#word()
    else if (number === 3) this.#readUrl(start, end)
    else if (number === 4) this.version = this.#word()
    else if (number === 5) this.#readHeader(start, end)
  }

  /** http://host/path and paths, which most proxies write, need not become strings. */
  #readUrl(start: number, end: number): void {
    const { bytes } = this
    const isPath = bytes[start] === slash && bytes[start + 1] !== slash && end > start
    const from = isPath ? start : start + 'http://'.length
    this.parts = undefined
    this.host = 0
    if (!isPath && !startsWith(bytes, start, end, 'http://')) this.parts = splitUrl(bytes.toString('utf8', start, end))
    else this.#splitAt(from, isPath ? from : endOfAuthority(bytes, from, end), end)
  }

  /** The host goes from behind the user, if any, to where the path begins. */
  #splitAt(start: number, pathStart: number, end: number): void {
    const { bytes } = this
    let host = start
    for (let at = start; at < pathStart; at++) if (bytes[at] === atSign) host = at + 1
    if (pathStart > host) this.host = this.#word(host, pathStart)
    this.pathStart = pathStart
    this.pathEnd = end
  }

  #readHeader(start: number, end: number): void {
    const cursor = this.#cursor
    const { bytes, at, limit } = cursor
    let keyStart = 0
    let keyEnd = 0
    let valueStart = 0
    let valueEnd = 0
    cursor.open(bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      cursor.skip(tag)
      if (tag === 10) {
        keyStart = cursor.start
        keyEnd = cursor.end
      } else if (tag === 18) {
        valueStart = cursor.start
        valueEnd = cursor.end
      }
    }
    cursor.close(end)
    cursor.open(bytes, at, limit)
    if (matches(bytes, keyStart, keyEnd, 'user-agent')) this.userAgent = this.#word(valueStart, valueEnd)
    else if (matches(bytes, keyStart, keyEnd, 'x-request-id')) {
      this.requestIdStart = valueStart
      this.requestIdEnd = valueEnd
    } else if (matches(bytes, keyStart, keyEnd, 'content-type')) this.isGrpc = startsWith(bytes, valueStart, valueEnd, 'application/grpc')
  }

  #readDns(number: number): void {
    const { bytes, start, end } = this.#cursor
    if (number === 1) this.query = this.#word(start, end > start && bytes[end - 1] === dot ? end - 1 : end)
    else if (number === 2) this.addresses.push(this.#text())
    else if (number === 4) this.names.push(this.#text())
    else if (number === 7) this.queryTypes.push(this.#text())
  }
}

/** Whether a header has this name, in whatever case. */
function matches(bytes: Buffer, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[start + i]
    if ((byte >= 65 && byte <= 90 ? byte | 32 : byte) !== name.charCodeAt(i)) return false
  }
  return true
}

/** The first slash, question mark or number sign. */
function endOfAuthority(bytes: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at] !== slash && bytes[at] !== questionMark && bytes[at] !== numberSign) at++
  return at
}

function startsWith(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (end - start < text.length) return false
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}

/** Host and path of any URL. User names and passwords are left out. */
function splitUrl(url: string): [host: string, path: string] {
  const parts = authority.exec(url)
  return parts ? [parts[1].slice(parts[1].lastIndexOf('@') + 1), parts[2]] : ['', url]
}
