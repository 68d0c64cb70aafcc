import { Cursor } from '../protobuf/cursor.ts'
import { viewOf } from '../protobuf/bytes.ts'
import { Interner } from '../protobuf/interner.ts'
import { OverLimitError } from '../protobuf/limits.ts'
import { type End, endOf } from './ends.ts'
import { type FlowKey, emptyKey, hashOfKey, readKey, signed } from './key.ts'
import { type Decision, decide } from './policies.ts'

/** A key, and what follows from it. */
export interface KnownKey {
  key: FlowKey
  low: number
  high: number
  source: End
  destination: End
  service: string
  decision: Decision
}

/** What was counted in one interval, seen from the end that was called: `forward` is what went to it. */
export interface Counts {
  forwardPackets: number
  forwardBytes: number
  replyPackets: number
  replyBytes: number
  connections: number
}

/** goldmane.Flow. Times in seconds since 1970; what is `in` came in at the reporter. */
export interface GoldmaneFlow {
  known: KnownKey
  start: number
  end: number
  sourceLabels: string[]
  destinationLabels: string[]
  packetsIn: number
  packetsOut: number
  bytesIn: number
  bytesOut: number
  connectionsStarted: number
}

const mostLabels = 512
const longestLabel = 1024

function know(key: FlowKey): KnownKey {
  const { serviceName, serviceNamespace } = key
  const service = serviceName && `${serviceNamespace}/${serviceName}`
  return {
    key,
    ...hashOfKey(key),
    source: endOf(key.source),
    destination: endOf(key.destination, Boolean(service)),
    service,
    decision: decide(key),
  }
}

/** Reads messages of Goldmane. Keys come again with every interval, and are read once. */
export class FlowReader {
  readonly #cursor = new Cursor()
  /** The key of the flow that is being read, as it came. */
  #key: Buffer | undefined
  readonly #keys = new Interner(know(emptyKey()), (bytes, start, end) => know(readKey(bytes, start, end)))

  /** The flow of a FlowResult, or nothing when it has none. Throws UndecodableError and OverLimitError. */
  readResult(bytes: Buffer, start: number, end: number): GoldmaneFlow | undefined {
    return this.#readFrom(18, bytes, start, end)
  }

  /** The same of a FlowUpdate. */
  readUpdate(bytes: Buffer, start: number, end: number): GoldmaneFlow | undefined {
    return this.#readFrom(10, bytes, start, end)
  }

  #readFrom(flowTag: number, bytes: Buffer, start: number, end: number): GoldmaneFlow | undefined {
    const cursor = this.#cursor
    cursor.open(bytes, start, end)
    let flow: GoldmaneFlow | undefined
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag !== flowTag) cursor.skip(tag)
      else {
        cursor.span()
        flow = this.#readFlow(cursor.start, cursor.end, flow)
      }
    }
    cursor.close(end)
    return flow
  }

  /** What is said twice is one: the second adds to the first. */
  #readFlow(start: number, end: number, flow = this.#emptyFlow()): GoldmaneFlow {
    const cursor = this.#cursor
    cursor.at = start
    while (cursor.at < end) this.#readField(cursor.tag(), flow)
    cursor.close(end)
    return flow
  }

  #emptyFlow(): GoldmaneFlow {
    this.#key = undefined
    return {
      known: this.#keys.value(0),
      start: 0,
      end: 0,
      sourceLabels: [],
      destinationLabels: [],
      packetsIn: 0,
      packetsOut: 0,
      bytesIn: 0,
      bytesOut: 0,
      connectionsStarted: 0,
    }
  }

  #readField(tag: number, flow: GoldmaneFlow): void {
    const cursor = this.#cursor
    if (tag === 10) {
      cursor.span()
      flow.known = this.#keyAt(cursor.bytes.subarray(cursor.start, cursor.end))
    } else if (tag === 16) flow.start = count(cursor)
    else if (tag === 24) flow.end = count(cursor)
    else if (tag === 34) readLabel(cursor, flow.sourceLabels)
    else if (tag === 42) readLabel(cursor, flow.destinationLabels)
    else if (tag === 48) flow.packetsIn = count(cursor)
    else if (tag === 56) flow.packetsOut = count(cursor)
    else if (tag === 64) flow.bytesIn = count(cursor)
    else if (tag === 72) flow.bytesOut = count(cursor)
    else if (tag === 80) flow.connectionsStarted = count(cursor)
    else cursor.skip(tag)
  }

  #keyAt(bytes: Buffer): KnownKey {
    const key = this.#key ? Buffer.concat([this.#key, bytes]) : bytes
    this.#key = key
    return this.#keys.value(this.#keys.find(key, viewOf(key), 0, key.length))
  }
}

/** A number that is never below zero, whatever is sent. */
const count = (cursor: Cursor) => Math.min(Math.max(0, signed(cursor)), Number.MAX_SAFE_INTEGER)

function readLabel(cursor: Cursor, into: string[]): void {
  cursor.span()
  const { start, end } = cursor
  if (into.length === mostLabels || end - start > longestLabel)
    throw new OverLimitError(`more than ${mostLabels} labels, or one of more than ${longestLabel} bytes`)
  into.push(cursor.text(start, end))
}
