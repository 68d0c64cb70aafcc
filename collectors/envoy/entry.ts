import { Cursor, UndecodableError, bytesType } from '../protobuf/cursor.ts'
import { viewOf } from '../protobuf/bytes.ts'
import type { Interner } from '../protobuf/interner.ts'
import { Addresses } from './address.ts'
import type { Rbac } from './metadata.ts'
import { type Use, uses } from './names.ts'
import * as parts from './parts.ts'
import type { Cluster, Details, Flags, GrpcStatus, Parts, Peer, Tls } from './parts.ts'
import { Pairs } from './pairs.ts'
import { type Words, noWords } from './words.ts'

/** Bytes of a text that becomes a label, and of a path. */
const maxLabel = 1024
const maxPath = 8192
const maxId = 256

/** envoy.data.accesslog.v3.AccessLogType. */
export const types = {
  notSet: 0,
  tcpUpstreamConnected: 1,
  tcpPeriodic: 2,
  tcpConnectionEnd: 3,
  downstreamEnd: 6,
  udpPeriodic: 12,
  udpSessionEnd: 13,
} as const

/** Where an address of an entry is kept. */
export const at = { downstream: 0, local: 1, upstream: 2, direct: 3, client: 4, server: 5 } as const

/** A text as it lies in the bytes. */
export interface Span {
  start: number
  end: number
}

/**
 * An entry of either kind, as it was read last. Texts and pairs are places in `bytes`; what repeats is what its bytes meant before.
 */
export class Entry {
  bytes: Buffer = Buffer.alloc(0)
  /** Microseconds; 0 when it is not there. */
  startTime = 0
  /** Nanoseconds from the start; -1 when they are not there. */
  firstUpstreamTx = -1
  firstUpstreamRx = -1
  lastDownstreamTx = -1
  duration = -1
  readonly addresses = new Addresses(6)
  cluster!: Cluster
  tls!: Tls
  rbac!: Rbac
  flags!: Flags
  downstreamPeer!: Peer
  upstreamPeer!: Peer
  route!: Words
  upstreamFailure!: Words
  downstreamFailure!: Words
  termination!: Details
  details!: Details
  attempts = 0
  type = 0
  intermediate = false
  weight = 1
  readonly streamId: Span = { start: 0, end: 0 }
  /** Of HTTP. */
  version = 0
  method = 0
  host!: Words
  userAgent!: Words
  readonly path: Span = { start: 0, end: 0 }
  readonly originalPath: Span = { start: 0, end: 0 }
  readonly requestId: Span = { start: 0, end: 0 }
  readonly traceId: Span = { start: 0, end: 0 }
  status = 0
  isGrpc = false
  grpc!: GrpcStatus
  requestBytes = 0
  responseBytes = 0
  /** Headers and tags nobody has a field for. */
  readonly pairs = new Pairs()
  /** Texts that were cut, and pairs that were left out. */
  overLimit = 0
  readonly #parts: Parts
  readonly #cursor = new Cursor()
  #view = viewOf(this.bytes)
  #traceRank = 0
  #grpcHeader!: GrpcStatus
  #grpcTrailer!: GrpcStatus

  constructor(parts: Parts) {
    this.#parts = parts
    this.#clear()
  }

  /** Over the same bytes. */
  get view(): DataView {
    return this.#view
  }

  /** To be said of each message before its entries are read. */
  open(bytes: Buffer): void {
    this.bytes = bytes
    this.#view = viewOf(bytes)
  }

  #clear(): void {
    this.startTime = 0
    this.firstUpstreamTx = this.firstUpstreamRx = this.lastDownstreamTx = this.duration = -1
    this.addresses.clear()
    this.cluster = parts.noCluster
    this.tls = parts.noTls
    this.rbac = this.#parts.metadata.value(0)
    this.flags = parts.noFlags
    this.downstreamPeer = this.upstreamPeer = parts.noPeer
    this.route = this.upstreamFailure = this.downstreamFailure = this.host = this.userAgent = noWords
    this.termination = this.details = parts.noDetails
    this.attempts = this.type = this.version = this.method = this.status = this.requestBytes = this.responseBytes = 0
    this.intermediate = this.isGrpc = false
    this.#traceRank = 0
    this.weight = 1
    for (const span of [this.streamId, this.path, this.originalPath, this.requestId, this.traceId]) span.start = span.end = 0
    this.grpc = this.#grpcHeader = this.#grpcTrailer = parts.noGrpc
    this.pairs.clear()
    this.overLimit = 0
  }

  /** Reads HTTPAccessLogEntry. Throws UndecodableError. */
  readHttp(start: number, end: number): void {
    this.#clear()
    const cursor = this.#cursor
    cursor.open(this.bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 16) this.version = cursor.varint()
      else if (tag === 10 || tag === 26 || tag === 34) {
        cursor.span()
        const inner = cursor.end
        cursor.at = cursor.start
        if (tag === 10) this.#readCommon(inner)
        else if (tag === 26) this.#readRequest(inner)
        else this.#readResponse(inner)
      } else cursor.skip(tag)
    }
    cursor.close(end)
    this.grpc = this.#grpcTrailer === parts.noGrpc ? this.#grpcHeader : this.#grpcTrailer
    this.isGrpc ||= this.grpc !== parts.noGrpc
  }

  /** Reads TCPAccessLogEntry. Throws UndecodableError. */
  readTcp(start: number, end: number): void {
    this.#clear()
    const cursor = this.#cursor
    cursor.open(this.bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 10 || tag === 18) {
        cursor.span()
        const inner = cursor.end
        cursor.at = cursor.start
        if (tag === 10) this.#readCommon(inner)
        else this.#readConnection(inner)
      } else cursor.skip(tag)
    }
    cursor.close(end)
  }

  /** AccessLogCommon. */
  #readCommon(end: number): void {
    const cursor = this.#cursor
    while (cursor.at < end) {
      const tag = cursor.tag()
      if ((tag & 7) !== bytesType) {
        if (tag === 264) this.type = cursor.varint()
        else if (tag === 192) this.attempts = cursor.varint()
        else if (tag === 216) this.intermediate = cursor.varint() !== 0
        else if (tag === 9) this.#readSampleRate(end)
        else cursor.skip(tag)
        continue
      }
      cursor.span()
      const after = cursor.at
      this.#readCommonPart(tag >>> 3, cursor.start, after)
      cursor.at = after
    }
    cursor.close(end)
  }

  #readCommonPart(field: number, start: number, end: number): void {
    const { bytes } = this
    const view = this.#view
    const known = this.#parts
    switch (field) {
      case 2:
        return this.addresses.read(at.downstream, bytes, view, start, end)
      case 3:
        return this.addresses.read(at.local, bytes, view, start, end)
      case 4:
        this.tls = this.#known(known.tls, start, end)
        return
      case 5:
        this.startTime = Math.floor(this.#readNanos(start, end) / 1000)
        return
      case 7:
        this.firstUpstreamTx = this.#readNanos(start, end)
        return
      case 9:
        this.firstUpstreamRx = this.#readNanos(start, end)
        return
      case 12:
        this.lastDownstreamTx = this.#readNanos(start, end)
        return
      case 13:
        return this.addresses.read(at.upstream, bytes, view, start, end)
      case 15:
        this.cluster = this.#known(known.clusters, start, this.#cut(start, end, maxLabel))
        return
      case 16:
        this.flags = this.#known(known.flags, start, end)
        return
      case 17:
        this.rbac = this.#known(known.metadata, start, end)
        return
      case 18:
        this.upstreamFailure = this.#words(start, end)
        return
      case 19:
        this.route = this.#words(start, end)
        return
      case 20:
        return this.addresses.read(at.direct, bytes, view, start, end)
      case 21:
        return this.#readState(start, end)
      case 22:
        return this.#readPair(known.tags, start, end)
      case 23:
        this.duration = this.#readNanos(start, end)
        return
      case 25:
        this.termination = this.#detailsAt(start, end)
        return
      case 26:
        return this.#setSpan(this.streamId, start, end, maxId)
      case 28:
        this.downstreamFailure = this.#words(start, end)
        return
    }
  }

  /** HTTPRequestProperties. */
  #readRequest(end: number): void {
    const cursor = this.#cursor
    let headers = 0
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) this.method = cursor.varint()
      else if (tag === 88) headers = this.#wide()
      else if (tag === 96) this.requestBytes = this.#wide()
      else if ((tag & 7) === bytesType) {
        cursor.span()
        const { start, end: after } = cursor
        if (tag === 26) this.host = this.#words(start, after, this.#parts.hosts)
        else if (tag === 42) this.#setSpan(this.path, start, after, maxPath)
        else if (tag === 50) this.userAgent = this.#words(start, after)
        else if (tag === 74) this.#setSpan(this.requestId, start, after, maxId)
        else if (tag === 82) this.#setSpan(this.originalPath, start, after, maxPath)
        else if (tag === 106) this.#readPair(this.#parts.requestHeaders, start, after)
        cursor.at = after
      } else cursor.skip(tag)
    }
    cursor.close(end)
    this.requestBytes += headers
  }

  /** HTTPResponseProperties. */
  #readResponse(end: number): void {
    const cursor = this.#cursor
    let headers = 0
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 16) headers = this.#wide()
      else if (tag === 24) this.responseBytes = this.#wide()
      else if ((tag & 7) === bytesType) {
        cursor.span()
        const { start, end: after } = cursor
        if (tag === 10) this.status = this.#readWrapped(start, after)
        else if (tag === 34) this.#readPair(this.#parts.responseHeaders, start, after)
        else if (tag === 42) this.#readPair(this.#parts.responseTrailers, start, after)
        else if (tag === 50) this.details = this.#detailsAt(start, after)
        cursor.at = after
      } else cursor.skip(tag)
    }
    cursor.close(end)
    this.responseBytes += headers
  }

  /** ConnectionProperties. */
  #readConnection(end: number): void {
    const cursor = this.#cursor
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) this.requestBytes = this.#wide()
      else if (tag === 16) this.responseBytes = this.#wide()
      else cursor.skip(tag)
    }
    cursor.close(end)
  }

  /** The share of entries that are sent, which Envoy may tell one day. */
  #readSampleRate(end: number): void {
    const cursor = this.#cursor
    if (cursor.at + 8 > end) throw new UndecodableError('the message ends within a number', end)
    const rate = this.bytes.readDoubleLE(cursor.at)
    cursor.at += 8
    this.weight = rate > 0 && rate < 1 ? 1 / rate : 1
  }

  /** Timestamp or Duration, in nanoseconds; what is before the epoch, or negative, is 0. */
  #readNanos(start: number, end: number): number {
    const cursor = this.#cursor
    let seconds = 0
    let nanos = 0
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) {
        seconds = cursor.varint()
        if (cursor.high) seconds = 0
      } else if (tag === 16) {
        nanos = cursor.varint()
        if (nanos > 999_999_999) nanos = 0
      } else cursor.skip(tag)
    }
    cursor.close(end)
    return seconds * 1e9 + nanos
  }

  /** UInt32Value. */
  #readWrapped(start: number, end: number): number {
    const cursor = this.#cursor
    let value = 0
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) value = cursor.varint()
      else cursor.skip(tag)
    }
    cursor.close(end)
    return value
  }

  /** A number of 64 bits, as far as JavaScript counts. */
  #wide(): number {
    const low = this.#cursor.varint()
    return Math.min(low + this.#cursor.high * 4294967296, Number.MAX_SAFE_INTEGER)
  }

  /** An entry of filter_state_objects. */
  #readState(start: number, end: number): void {
    const pair = this.#pairAt(start, end)
    const length = pair.key.end - pair.key.start
    if (length < shortestPeer || length > longestPeer || pair.value.end === 0) return
    const key = this.bytes.toString('latin1', pair.key.start, pair.key.end)
    const { peers } = this.#parts
    if (key === 'downstream_peer' || key === 'wasm.downstream_peer')
      this.downstreamPeer = this.#known(peers, pair.value.start, pair.value.end)
    else if (key === 'upstream_peer' || key === 'wasm.upstream_peer')
      this.upstreamPeer = this.#known(peers, pair.value.start, pair.value.end)
  }

  /** An entry of a map of headers or tags. */
  #readPair(names: Parts['tags'], start: number, end: number): void {
    const { key, value } = this.#pairAt(start, end)
    const name = this.#known(names, key.start, Math.min(key.end, key.start + maxLabel))
    if (name.use !== uses.attribute) return this.#use(name.use, value, names)
    if (!this.pairs.set(name, value.start, this.#cut(value.start, value.end, maxLabel))) this.overLimit++
  }

  /** A trace is told by the request or a tag, the status of gRPC by the response. */
  #use(use: Use, { start, end }: Span, names: Parts['tags']): void {
    const { tags, requestHeaders, responseHeaders, grpc } = this.#parts
    const isResponse = names !== tags && names !== requestHeaders
    if (use === uses.contentType) this.isGrpc ||= this.#startsWith('application/grpc', start, end)
    else if (use === uses.grpcStatus) {
      if (!isResponse) return
      const status = this.#known(grpc, start, Math.min(end, start + maxId))
      if (names === responseHeaders) this.#grpcHeader = status
      else this.#grpcTrailer = status
    } else if (isResponse || use === uses.nothing) return
    else if (use === uses.traceparent) this.#takeTrace(this.#traceIn(start, end), names === tags ? 1 : 3)
    else this.#takeTrace(this.#hexAt(start, end), names === tags ? 1 : 2)
  }

  /** What traceparent says is surer than what other headers say, and they than tags. */
  #takeTrace(end: number, rank: number): void {
    if (end < 0 || rank < this.#traceRank) return
    this.#traceRank = rank
    this.traceId.start = this.#traceStart
    this.traceId.end = end
  }

  #traceStart = 0

  /** Where the trace id in a traceparent ends; -1 when it has none. */
  #traceIn(start: number, end: number): number {
    if (end - start < 55 || this.bytes[start + 2] !== dash || this.bytes[start + 35] !== dash) return -1
    const found = this.#hexAt(start + 3, start + 35)
    return found === start + 35 ? found : -1
  }

  /** Where 16 or 32 hexadecimal digits end with which the text begins; -1 when it does not, or they are all 0. */
  #hexAt(start: number, end: number): number {
    let to = start
    let any = 0
    while (to < end && to - start < 33) {
      const digit = this.bytes[to]
      if (!((digit >= 48 && digit <= 57) || (digit >= 97 && digit <= 102))) break
      any |= digit ^ 48
      to++
    }
    const isWhole = to === end || this.bytes[to] === dash
    if (!any || !isWhole || (to - start !== 32 && to - start !== 16)) return -1
    this.#traceStart = start
    return to
  }

  #startsWith(text: string, start: number, end: number): boolean {
    if (end - start < text.length) return false
    for (let i = 0; i < text.length; i++) if (this.bytes[start + i] !== text.charCodeAt(i)) return false
    return true
  }

  readonly #pair = { key: { start: 0, end: 0 }, value: { start: 0, end: 0 } }

  /** The places of key and value of an entry of a map. */
  #pairAt(start: number, end: number) {
    const cursor = this.#cursor
    const { key, value } = this.#pair
    if (this.#isPlain(start, end)) return this.#pair
    key.start = key.end = value.start = value.end = 0
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 10 || tag === 18) {
        cursor.span()
        const part = tag === 10 ? key : value
        part.start = cursor.start
        part.end = cursor.end
      } else cursor.skip(tag)
    }
    cursor.close(end)
    return this.#pair
  }

  /** Key before value, each with a length of one byte, as all but long ones are written: found without a cursor. */
  #isPlain(start: number, end: number): boolean {
    const { bytes } = this
    const { key, value } = this.#pair
    if (end - start < 4 || bytes[start] !== 10) return false
    const middle = start + 2 + bytes[start + 1]
    if (bytes[start + 1] > 127 || middle + 2 > end || bytes[middle] !== 18 || middle + 2 + bytes[middle + 1] !== end) return false
    if (bytes[middle + 1] > 127) return false
    key.start = start + 2
    key.end = middle
    value.start = middle + 2
    value.end = end
    return true
  }

  /** What these bytes meant before. Three of them tell most parts of a length apart, which saves hashing all. */
  #known<T>(interner: Interner<T>, start: number, end: number): T {
    const { bytes } = this
    const hint = bytes[start] | (bytes[(start + end) >> 1] << 8) | (bytes[end - 1] << 16)
    return interner.value(interner.findBy(hint, bytes, this.#view, start, end))
  }

  #words(start: number, end: number, words = this.#parts.words): Words {
    return end === start ? noWords : this.#known(words, start, this.#cut(start, end, maxLabel))
  }

  #detailsAt(start: number, end: number): Details {
    return this.#known(this.#parts.details, start, this.#cut(start, end, maxLabel))
  }

  #setSpan(span: Span, start: number, end: number, longest: number): void {
    span.start = start
    span.end = this.#cut(start, end, longest)
  }

  /** Where a text ends that may be too long; no character is cut through. */
  #cut(start: number, end: number, longest: number): number {
    if (end - start <= longest) return end
    this.overLimit++
    let cut = start + longest
    while ((this.bytes[cut] & 0xc0) === 0x80 && cut > start) cut--
    return cut
  }
}

const dash = 45
const shortestPeer = 'upstream_peer'.length
const longestPeer = 'wasm.downstream_peer'.length
