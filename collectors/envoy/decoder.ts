import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { Cursor, UndecodableError, bytesType } from '../protobuf/cursor.ts'
import type { Connections, Grown } from './connections.ts'
import { type Decision, decide, subjects, type Subject } from './decision.ts'
import { Entry, types } from './entry.ts'
import { type Part, FlowRows } from './flow-rows.ts'
import type { EnvoyNode } from './node.ts'
import { Parts } from './parts.ts'
import { activeTimeout } from './recall.ts'
import { RequestRows } from './request-rows.ts'
import { settle } from './sides.ts'
import type { Situation } from './situation.ts'
import { Words, noWords } from './words.ts'

/** What became of the entries that were read. */
export interface Tally {
  entries: number
  /** Told of something that a later entry tells again. */
  interim: number
  /** Told a second time. */
  repeated: number
  /** Texts that were cut and pairs that were left out. */
  overLimit: number
}

/** Where the identifier of a message is; nothing when it has none. Throws UndecodableError. */
export function identifierIn(bytes: Buffer): { start: number; end: number } | undefined {
  const cursor = new Cursor()
  cursor.open(bytes, 0, bytes.length)
  let found: { start: number; end: number } | undefined
  while (cursor.at < bytes.length) {
    const tag = cursor.tag()
    if (tag === 10) {
      cursor.span()
      found = { start: cursor.start, end: cursor.end }
    } else cursor.skip(tag)
  }
  return found
}

const closed = new Words('closed')
const active = new Words(activeTimeout)
const httpLogs = 18
const tcpLogs = 26

/** Turns StreamAccessLogsMessages into rows of blocks, without an object for an entry. */
export class Decoder {
  readonly #entry = new Entry(new Parts())
  readonly #connections: Connections
  readonly #requestRows = new WeakMap<BlockBuilder, RequestRows>()
  readonly #flowRows = new WeakMap<BlockBuilder, FlowRows>()
  readonly #cursor = new Cursor()
  #requests!: RequestRows
  #flows!: FlowRows
  #node!: EnvoyNode
  #received = 0
  /** Where the logs end that are being read, and which they are. */
  #logsEnd = 0
  #logs = 0
  /** Rows of flows the entry read last still has. */
  readonly #parts: Part[] = []
  #situation!: Situation
  #decision!: Decision
  tally: Tally = { entries: 0, interim: 0, repeated: 0, overLimit: 0 }

  constructor(connections: Connections) {
    this.#connections = connections
  }

  /** Where rows go from now on. To be said after every await. */
  writeTo(flow: BlockBuilder, request: BlockBuilder): void {
    this.#flows = rowsOf(this.#flowRows, flow, () => new FlowRows(flow))
    this.#requests = rowsOf(this.#requestRows, request, () => new RequestRows(request))
  }

  /** Begins a message; `received` in microseconds. */
  open(bytes: Buffer, node: EnvoyNode, received: number): void {
    this.#entry.open(bytes)
    this.#cursor.open(bytes, 0, bytes.length)
    this.#node = node
    this.#received = received
    this.#logsEnd = 0
    this.#parts.length = 0
    this.tally = { entries: 0, interim: 0, repeated: 0, overLimit: 0 }
  }

  /** Reads on. False when a block is full and must be taken away first, true at the end of the message. Throws UndecodableError. */
  read(): boolean {
    for (;;) {
      while (this.#parts.length) {
        if (this.#flows.full) return false
        this.#flows.write(this.#entry, this.#situation, this.#decision, this.#parts.shift()!)
      }
      if (this.#flows.full || this.#requests.full) return false
      if (!this.#readEntry()) return true
    }
  }

  #readEntry(): boolean {
    const cursor = this.#cursor
    const entry = this.#entry
    for (;;) {
      const end = this.#logsEnd || cursor.limit
      if (cursor.at === end) {
        if (!this.#logsEnd) return false
        this.#logsEnd = 0
        continue
      }
      const tag = cursor.tag()
      if ((tag & 7) !== bytesType) cursor.skip(tag)
      else cursor.span()
      if (cursor.at > end) throw new UndecodableError('a field runs over the end of its message', end)
      if (this.#logsEnd && tag === 10) break
      if (!this.#logsEnd && (tag === httpLogs || tag === tcpLogs)) {
        this.#logs = tag
        this.#logsEnd = cursor.end
        cursor.at = cursor.start
        if (cursor.start === cursor.end) this.#logsEnd = 0
      }
    }
    this.tally.entries++
    if (this.#logs === httpLogs) {
      entry.readHttp(cursor.start, cursor.end)
      this.#takeHttp()
    } else {
      entry.readTcp(cursor.start, cursor.end)
      this.#takeTcp()
    }
    this.tally.overLimit += entry.overLimit
    return true
  }

  #takeHttp(): void {
    const entry = this.#entry
    if (entry.intermediate || (entry.type !== types.downstreamEnd && entry.type !== types.notSet)) {
      this.tally.interim++
      return
    }
    const decision = decide(isBlackhole(entry) ? subjects.blackhole : subjects.request, entry.rbac, entry.details, entry.flags)
    const situation = settle(entry, this.#node, entry.details.denial !== undefined)
    const time = this.#endOf(entry)
    this.#requests.write(entry, situation, decision, time, this.#received)
    if (!decision.denied) return
    this.#situation = situation
    this.#decision = decision
    const part = { layer: 'l7_proxy', isReply: false, protocol: 'tcp', bytes: 0, connections: 0, duration: 0 } as const
    this.#parts.push({ ...part, endReason: noWords, time, received: this.#received })
  }

  #takeTcp(): void {
    const entry = this.#entry
    const isLasting = entry.type === types.tcpPeriodic || entry.type === types.udpPeriodic
    const isOver = entry.type === types.tcpConnectionEnd || entry.type === types.udpSessionEnd || entry.type === types.notSet
    if ((!isLasting && !isOver) || (isLasting && !entry.streamId.end) || (isOver && entry.intermediate)) {
      this.tally.interim++
      return
    }
    const time = isOver ? this.#endOf(entry) : this.#received
    const grown = this.#growth(isLasting, time)
    if (!grown) this.tally.repeated++
    else if (isLasting && !grown.received && !grown.sent) this.tally.interim++
    else this.#addConnection(isLasting, grown, time)
  }

  #growth(isLasting: boolean, time: number): Grown | undefined {
    const { streamId, bytes, startTime: start, requestBytes: received, responseBytes: sent } = this.#entry
    if (!streamId.end) return { received, sent, since: start || time }
    const id = bytes.toString('utf8', streamId.start, streamId.end)
    const told = { id, reporter: this.#node.reporter, start, received, sent, until: time }
    return isLasting ? this.#connections.lasting(told) : this.#connections.over(told)
  }

  #addConnection(isLasting: boolean, grown: Grown, time: number): void {
    const entry = this.#entry
    this.#decision = decide(subjectOf(entry), entry.rbac, entry.termination, entry.flags)
    this.#situation = settle(entry, this.#node, entry.termination.denial !== undefined)
    const protocol = entry.type === types.udpPeriodic || entry.type === types.udpSessionEnd ? 'udp' : 'tcp'
    const duration = Math.max(0, time - grown.since) * 1000
    const endReason = isLasting ? active : endReasonOf(entry)
    const part = { layer: 'l4_proxy', protocol, duration, endReason, time, received: this.#received } as const
    if (!isLasting || grown.received) this.#parts.push({ ...part, isReply: false, bytes: grown.received, connections: isLasting ? 0 : 1 })
    if (grown.sent) this.#parts.push({ ...part, isReply: true, bytes: grown.sent, connections: 0 })
  }

  /** When an exchange or a connection was over, microseconds. */
  #endOf({ startTime, duration, lastDownstreamTx }: Entry): number {
    if (!startTime) return this.#received
    return startTime + Math.floor(Math.max(0, duration < 0 ? lastDownstreamTx : duration) / 1000)
  }
}

const isBlackhole = ({ cluster }: Entry) => cluster.name.special === 'blackhole'

function subjectOf(entry: Entry): Subject {
  if (isBlackhole(entry)) return subjects.blackhole
  return entry.downstreamFailure === noWords ? subjects.connection : subjects.handshake
}

function endReasonOf({ termination, upstreamFailure, downstreamFailure }: Entry): Words {
  if (downstreamFailure !== noWords) return downstreamFailure
  if (upstreamFailure !== noWords) return upstreamFailure
  return termination.words === noWords ? closed : termination.words
}

function rowsOf<R>(known: WeakMap<BlockBuilder, R>, builder: BlockBuilder, create: () => R): R {
  const rows = known.get(builder) ?? create()
  known.set(builder, rows)
  return rows
}
