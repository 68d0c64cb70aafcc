import type { Interner } from './interner.ts'
import { type Texts, noTexts } from './texts.ts'
import { Cursor, bytesType } from './wire.ts'

export const http = 101
export const dns = 100
export const kafka = 102

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
  method = noTexts
  version = noTexts
  url = ''
  userAgent = noTexts
  contentType = noTexts
  requestId = ''
  query = noTexts
  ttl = 0
  readonly queryTypes: Texts[] = []
  readonly addresses: Texts[] = []
  readonly names: Texts[] = []
  topic = noTexts
  apiVersion = 0
  correlationId = 0
  readonly #cursor = new Cursor()
  readonly #texts: Interner<Texts>
  #view: DataView = new DataView(new ArrayBuffer(0))

  constructor(texts: Interner<Texts>) {
    this.#texts = texts
  }

  clear(): void {
    this.record = 0
  }

  read(bytes: Buffer, view: DataView, start: number, end: number): void {
    this.#reset()
    this.#view = view
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
  }

  #reset(): void {
    this.record = this.phase = this.latencyLow = this.latencyHigh = this.statusCode = 0
    this.method = this.version = this.userAgent = this.contentType = this.query = this.topic = noTexts
    this.url = this.requestId = ''
    this.ttl = this.apiVersion = this.correlationId = 0
    this.queryTypes.length = this.addresses.length = this.names.length = 0
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
    else if (number === 3) this.method = this.#text()
    else if (number === 5) this.topic = this.#text()
  }

  #text(start = this.#cursor.start, end = this.#cursor.end): Texts {
    return this.#texts.find(this.#cursor.bytes, this.#view, start, end)
  }

  #readHttp(number: number): void {
    const { bytes, start, end } = this.#cursor
    if (number === 2) this.method = this.#text()
    else if (number === 3) this.url = bytes.toString('utf8', start, end)
    else if (number === 4) this.version = this.#text()
    else if (number === 5) this.#readHeader(start, end)
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
    if (matches(bytes, keyStart, keyEnd, 'user-agent')) this.userAgent = this.#text(valueStart, valueEnd)
    else if (matches(bytes, keyStart, keyEnd, 'x-request-id')) this.requestId = bytes.toString('utf8', valueStart, valueEnd)
    else if (matches(bytes, keyStart, keyEnd, 'content-type')) this.contentType = this.#text(valueStart, valueEnd)
  }

  #readDns(number: number): void {
    if (number === 1) this.query = this.#text()
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

/** Host and path of a URL. User names and passwords are left out. */
export function splitUrl(url: string): [host: string, path: string] {
  if (url.charCodeAt(0) === 47 && url.charCodeAt(1) !== 47) return ['', url]
  if (url.startsWith('http://')) return splitAt(url, 'http://'.length)
  const parts = authority.exec(url)
  return parts ? [parts[1].slice(parts[1].lastIndexOf('@') + 1), parts[2]] : ['', url]
}

/** As `splitUrl`, for what most proxies write: the authority begins at `start`. */
function splitAt(url: string, start: number): [host: string, path: string] {
  let end = start
  while (end < url.length && !endsAuthority(url.charCodeAt(end))) end++
  const user = url.lastIndexOf('@', end)
  return [url.slice(Math.max(start, user + 1), end), url.slice(end)]
}

/** Slash, question mark, number sign. */
const endsAuthority = (code: number) => code === 47 || code === 63 || code === 35
