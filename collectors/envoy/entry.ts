import { viewOf } from '../protobuf/bytes.ts'
import { Addresses } from './address.ts'
import { readCommon } from './common.ts'
import { readRequest, readResponse } from './http.ts'
import type { Rbac } from './metadata.ts'
import { Pairs } from './pairs.ts'
import * as parts from './parts.ts'
import type { Cluster, Details, Flags, GrpcStatus, Parts, Peer, Tls } from './parts.ts'
import { Reading, type Span } from './reading.ts'
import { TraceId } from './trace-id.ts'
import { type Words, noWords } from './words.ts'

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

/**
 * An entry of either kind, as it was read last. Texts and pairs are places in `bytes`; what repeats is what its bytes meant before.
 */
export class Entry {
  bytes: Buffer = Buffer.alloc(0)
  /** Over the same bytes. */
  view = viewOf(this.bytes)
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
  readonly forwardedFor: Span = { start: 0, end: 0 }
  readonly traceId = new TraceId()
  status = 0
  isGrpc = false
  /** The trailer's, or else the header's. */
  grpc!: GrpcStatus
  grpcHeader!: GrpcStatus
  grpcTrailer!: GrpcStatus
  requestBytes = 0
  responseBytes = 0
  /** Headers and tags nobody has a field for. */
  readonly pairs = new Pairs()
  readonly #reading: Reading

  constructor(parts: Parts) {
    this.#reading = new Reading(parts)
    this.#clear()
  }

  /** Texts that were cut, and pairs that were left out. */
  get overLimit(): number {
    return this.#reading.overLimit
  }

  /** To be said of each message before its entries are read. */
  open(bytes: Buffer): void {
    this.bytes = bytes
    this.view = viewOf(bytes)
    this.#reading.open(bytes, this.view)
  }

  #clear(): void {
    this.startTime = 0
    this.firstUpstreamTx = this.firstUpstreamRx = this.lastDownstreamTx = this.duration = -1
    this.addresses.clear()
    this.cluster = parts.noCluster
    this.tls = parts.noTls
    this.rbac = this.#reading.parts.metadata.value(0)
    this.flags = parts.noFlags
    this.downstreamPeer = this.upstreamPeer = parts.noPeer
    this.route = this.upstreamFailure = this.downstreamFailure = this.host = this.userAgent = noWords
    this.termination = this.details = parts.noDetails
    this.attempts = this.type = this.version = this.method = this.status = this.requestBytes = this.responseBytes = 0
    this.intermediate = this.isGrpc = false
    this.traceId.clear()
    this.weight = 1
    for (const span of [this.streamId, this.path, this.originalPath, this.requestId, this.forwardedFor]) span.start = span.end = 0
    this.grpc = this.grpcHeader = this.grpcTrailer = parts.noGrpc
    this.pairs.clear()
    this.#reading.overLimit = 0
  }

  /** Reads HTTPAccessLogEntry. Throws UndecodableError. */
  readHttp(start: number, end: number): void {
    this.#clear()
    const { cursor } = this.#reading
    cursor.open(this.bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 16) this.version = cursor.varint()
      else if (tag === 10 || tag === 26 || tag === 34) {
        cursor.span()
        const inner = cursor.end
        cursor.at = cursor.start
        if (tag === 10) readCommon(this, this.#reading, inner)
        else if (tag === 26) readRequest(this, this.#reading, inner)
        else readResponse(this, this.#reading, inner)
      } else cursor.skip(tag)
    }
    cursor.close(end)
    this.grpc = this.grpcTrailer === parts.noGrpc ? this.grpcHeader : this.grpcTrailer
    this.isGrpc ||= this.grpc !== parts.noGrpc
  }

  /** Reads TCPAccessLogEntry. Throws UndecodableError. */
  readTcp(start: number, end: number): void {
    this.#clear()
    const { cursor } = this.#reading
    cursor.open(this.bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 10 || tag === 18) {
        cursor.span()
        const inner = cursor.end
        cursor.at = cursor.start
        if (tag === 10) readCommon(this, this.#reading, inner)
        else this.#readConnection(inner)
      } else cursor.skip(tag)
    }
    cursor.close(end)
  }

  /** ConnectionProperties. */
  #readConnection(end: number): void {
    const reading = this.#reading
    const { cursor } = reading
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) this.requestBytes = reading.wide()
      else if (tag === 16) this.responseBytes = reading.wide()
      else cursor.skip(tag)
    }
    cursor.close(end)
  }
}
