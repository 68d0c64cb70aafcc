import { openEnd } from '../../schema/object.ts'
import { AddressReader } from './addresses.ts'
import { IdReader } from './ids.ts'
import { Interner, viewOf } from './interner.ts'
import { Layer7 } from './layer7.ts'
import type { Nodes, ReportingNode } from './nodes.ts'
import { loadObserverProto } from './proto.ts'
import {
  type Endpoint,
  Texts,
  noEndpoint,
  noTexts,
  readDropSite,
  readEndpoint,
  readInterface,
  readPolicy,
  readService,
  readText,
} from './texts.ts'
import { Cursor, UndecodableError, bytesType, varintType } from './wire.ts'
import { monitor } from './vocabulary.ts'

class NodeName extends Texts {
  readonly node: ReportingNode
  constructor(node: ReportingNode, index: number) {
    super([node.cluster, node.reporter], index)
    this.node = node
  }
}

/** Numbers of flow.Flow's fields. */
const field = {
  time: 1,
  verdict: 2,
  dropReason: 3,
  ip: 5,
  l4: 6,
  source: 8,
  destination: 9,
  type: 10,
  nodeName: 11,
  sourceNames: 13,
  destinationNames: 14,
  l7: 15,
  reply: 16,
  eventType: 19,
  sourceService: 20,
  destinationService: 21,
  direction: 22,
  policyMatch: 23,
  observationPoint: 24,
  dropReasonDesc: 25,
  isReply: 26,
  interface: 28,
  proxyPort: 29,
  traceContext: 30,
  socketTranslation: 31,
  socketCookie: 32,
  cgroupId: 33,
  uuid: 34,
  authType: 35,
  traceReason: 36,
  file: 38,
  tunnel: 39,
} as const

/** Fields below this number are found by number, the others one by one. */
const fieldCount = 48
const egressAllowedBy = 21001
const ingressAllowedBy = 21002
const egressDeniedBy = 21004
const ingressDeniedBy = 21005
const policyLog = 21006
const aggregate = 21007

/** Sub-messages, which are merged when they come twice. */
const merged = new Uint8Array(fieldCount)
for (const number of [1, 5, 6, 8, 9, 15, 19, 20, 21, 26, 28, 30, 38, 39]) merged[number] = 1

const ipVersions = [0, 4, 6]
/** Microseconds; what claims to be later has a broken clock. */
const latest = openEnd
const traceToEndpoint = 101

/** What a response is about. */
export type Subject = 'flow' | 'lost_events' | 'node_status' | 'nothing'

/**
 * The GetFlowsResponse that was read last. One object is used for all messages: it holds numbers, and texts by what they
 * were interned as, so that a flow makes no objects.
 */
export class FlowMessage {
  /** Microseconds. */
  time = 0
  node: NodeName
  readonly id = new IdReader()
  verdict = 0
  dropReason = 0
  event = 0
  type = 0
  observationPoint = 0
  direction = 0
  /** 0 unknown, 1 yes, 2 no. */
  isReply = 0
  traceReason = 0
  authType = 0
  policyMatch = 0
  encrypted = 0
  ipVersion = 0
  protocol = 0
  tcpFlags = 0
  icmpType = 0
  icmpCode = 0
  sourcePort = 0
  destinationPort = 0
  /** Source, destination and translated source. */
  readonly addresses = new AddressReader(3)
  socketTranslation = 0
  socketCookieLow = 0
  socketCookieHigh = 0
  cgroupLow = 0
  cgroupHigh = 0
  proxyPort = 0
  tunnel = 0
  weight = 1
  traceId = ''
  source = noEndpoint
  destination = noEndpoint
  sourceService = noTexts
  destinationService = noTexts
  interface = noTexts
  dropSite = noTexts
  readonly sourceNames: Texts[] = []
  readonly destinationNames: Texts[] = []
  readonly egressAllowedBy: Texts[] = []
  readonly ingressAllowedBy: Texts[] = []
  readonly egressDeniedBy: Texts[] = []
  readonly ingressDeniedBy: Texts[] = []
  readonly policyLog: Texts[] = []
  readonly l7: Layer7

  readonly #cursor = new Cursor()
  #view = viewOf(Buffer.alloc(0))
  #viewed: Buffer | undefined
  /** The fields of the last flow, to forget them without going through all. */
  readonly #seen = new Uint8Array(fieldCount)
  readonly #isSeen = new Uint8Array(fieldCount)
  #seenCount = 0
  readonly #starts = new Int32Array(fieldCount).fill(-1)
  readonly #ends = new Int32Array(fieldCount)
  readonly #values = new Uint32Array(fieldCount)
  readonly #highs = new Uint32Array(fieldCount)
  /** Flows aggregated into this one: into, out of and unknown. */
  readonly #counts = [0, 0, 0]
  #irregular = false
  readonly #endpoints = new Interner<Endpoint>(readEndpoint)
  readonly #services = new Interner(readService)
  readonly #policies = new Interner(readPolicy)
  readonly #interfaces = new Interner(readInterface)
  readonly #dropSites = new Interner(readDropSite)
  readonly #names = new Interner(readText)
  readonly #nodeNames: Interner<NodeName>

  constructor(nodes: Nodes) {
    this.#nodeNames = new Interner((bytes, start, end, index) => new NodeName(nodes.named(bytes.toString('utf8', start, end)), index))
    this.node = new NodeName(nodes.named(''), 0)
    this.l7 = new Layer7(this.#names)
  }

  /** Reads a response. `received`, in microseconds, is the time of a flow that has none. Throws UndecodableError. */
  read(bytes: Buffer, start: number, end: number, received: number): Subject {
    if (this.#viewed !== bytes) {
      this.#viewed = bytes
      this.#view = viewOf(bytes)
    }
    const cursor = this.#cursor
    cursor.open(bytes, start, end)
    let subject: Subject = 'nothing'
    let flowStart = 0
    let flowEnd = 0
    let nameStart = -1
    let nameEnd = -1
    let timeStart = -1
    let timeEnd = -1
    while (cursor.at < end) {
      const tag = cursor.tag()
      if ((tag & 7) !== bytesType) {
        cursor.skip(tag)
        continue
      }
      cursor.span()
      if (tag >>> 3 === 1) {
        if (subject === 'flow') return this.#readMerged(bytes, start, end, received)
        subject = 'flow'
        flowStart = cursor.start
        flowEnd = cursor.end
      } else if (tag >>> 3 === 2) subject = 'node_status'
      else if (tag >>> 3 === 3) subject = 'lost_events'
      else if (tag >>> 3 === 1000) {
        nameStart = cursor.start
        nameEnd = cursor.end
      } else if (tag >>> 3 === 1001) {
        timeStart = cursor.start
        timeEnd = cursor.end
      }
    }
    if (subject !== 'flow') return subject
    this.#findFields(flowStart, flowEnd)
    if (this.#irregular) return this.#readMerged(bytes, start, end, received)
    this.#readFlow(flowStart, flowEnd)
    this.#readTime(timeStart, timeEnd, received)
    this.#readNode(nameStart, nameEnd)
    return subject
  }

  /** Sub-messages that come twice are put together, as protobuf wants, by who can do it. No Hubble sends them. */
  #readMerged(bytes: Buffer, start: number, end: number, received: number): Subject {
    const message = loadObserverProto().lookupType('observer.GetFlowsResponse')
    let once: Uint8Array
    try {
      once = message.encode(message.decode(bytes.subarray(start, end))).finish()
    } catch (error) {
      throw new UndecodableError((error as Error).message, start)
    }
    return this.read(Buffer.from(once.buffer, once.byteOffset, once.byteLength), 0, once.byteLength, received)
  }

  /** Where the fields of the flow are; the repeated ones are taken in at once. */
  #findFields(start: number, end: number): void {
    this.#clear()
    const cursor = this.#cursor
    const { bytes } = cursor
    cursor.open(bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      const type = tag & 7
      const number = tag >>> 3
      if (type === varintType) {
        const value = cursor.varint()
        if (number < fieldCount) {
          this.#see(number)
          this.#values[number] = value
          this.#highs[number] = cursor.high
        }
      } else if (type === bytesType) {
        cursor.span()
        if (number >= fieldCount) this.#readRepeated(number, bytes, cursor.start, cursor.end)
        else if (number === field.sourceNames) this.sourceNames.push(this.#text(cursor.start, cursor.end))
        else if (number === field.destinationNames) this.destinationNames.push(this.#text(cursor.start, cursor.end))
        else {
          if (merged[number] && this.#starts[number] >= 0) this.#irregular = true
          this.#see(number)
          this.#starts[number] = cursor.start
          this.#ends[number] = cursor.end
        }
      } else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #clear(): void {
    this.#irregular = false
    for (let i = 0; i < this.#seenCount; i++) {
      const number = this.#seen[i]
      this.#isSeen[number] = 0
      this.#starts[number] = -1
      this.#values[number] = this.#highs[number] = 0
    }
    this.#seenCount = 0
    this.#counts[0] = this.#counts[1] = this.#counts[2] = 0
    this.sourceNames.length = 0
    this.destinationNames.length = 0
    this.egressAllowedBy.length = 0
    this.ingressAllowedBy.length = 0
    this.egressDeniedBy.length = 0
    this.ingressDeniedBy.length = 0
    this.policyLog.length = 0
  }

  #see(number: number): void {
    if (this.#isSeen[number]) return
    this.#isSeen[number] = 1
    this.#seen[this.#seenCount++] = number
  }

  #text(start: number, end: number): Texts {
    return this.#names.find(this.#cursor.bytes, this.#view, start, end)
  }

  #readRepeated(number: number, bytes: Buffer, start: number, end: number): void {
    if (number < egressAllowedBy || number > aggregate) return
    if (number === policyLog) this.policyLog.push(this.#text(start, end))
    else if (number === aggregate) this.#readAggregate(start, end)
    else {
      const list = this.#policyList(number)
      list?.push(this.#policies.find(bytes, this.#view, start, end))
    }
  }

  #policyList(number: number): Texts[] | undefined {
    if (number === egressAllowedBy) return this.egressAllowedBy
    if (number === ingressAllowedBy) return this.ingressAllowedBy
    if (number === egressDeniedBy) return this.egressDeniedBy
    return number === ingressDeniedBy ? this.ingressDeniedBy : undefined
  }

  #readFlow(start: number, end: number): void {
    const values = this.#values
    this.verdict = values[field.verdict] | 0
    this.dropReason = values[field.dropReasonDesc] || values[field.dropReason]
    this.type = values[field.type] | 0
    this.direction = values[field.direction] | 0
    this.policyMatch = values[field.policyMatch]
    this.socketTranslation = values[field.socketTranslation] | 0
    this.traceReason = values[field.traceReason] | 0
    this.authType = values[field.authType] | 0
    this.proxyPort = values[field.proxyPort]
    this.socketCookieLow = values[field.socketCookie]
    this.socketCookieHigh = this.#highs[field.socketCookie]
    this.cgroupLow = values[field.cgroupId]
    this.cgroupHigh = this.#highs[field.cgroupId]
    this.weight = this.#counts[0] + this.#counts[1] + this.#counts[2] || 1
    this.#readEvent()
    this.#readIsReply()
    this.#readAddresses()
    this.#readLayer4()
    this.#readEnds()
    this.tunnel = this.#starts[field.tunnel] < 0 ? 0 : this.#numberIn(field.tunnel, 8) | 0
    this.#readTraceId()
    this.#readLayer7()
    const uuid = this.#starts[field.uuid]
    if (uuid < 0 || !this.id.readUuid(this.#cursor.bytes, uuid, this.#ends[field.uuid])) this.id.hash(this.#cursor.bytes, start, end)
  }

  #readEnds(): void {
    const { bytes } = this.#cursor
    const view = this.#view
    const starts = this.#starts
    const ends = this.#ends
    const source = starts[field.source]
    const destination = starts[field.destination]
    this.source = source < 0 ? noEndpoint : this.#endpoints.find(bytes, view, source, ends[field.source])
    this.destination = destination < 0 ? noEndpoint : this.#endpoints.find(bytes, view, destination, ends[field.destination])
    this.sourceService = this.#item(this.#services, field.sourceService)
    this.destinationService = this.#item(this.#services, field.destinationService)
    this.interface = this.#item(this.#interfaces, field.interface)
    this.dropSite = this.#item(this.#dropSites, field.file)
  }

  #item(interner: Interner<Texts>, number: number): Texts {
    const start = this.#starts[number]
    return start < 0 ? noTexts : interner.find(this.#cursor.bytes, this.#view, start, this.#ends[number])
  }

  /** The last number of a sub-message that carries this tag, 0 without. */
  #numberIn(number: number, wanted: number): number {
    const cursor = this.#cursor
    const end = this.#ends[number]
    cursor.open(cursor.bytes, this.#starts[number], end)
    let value = 0
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === wanted) value = cursor.varint() || (cursor.high ? 1 : 0)
      else cursor.skip(tag)
    }
    cursor.close(end)
    return value
  }

  #readEvent(): void {
    this.event = 0
    this.observationPoint = this.#values[field.observationPoint] | 0
    const start = this.#starts[field.eventType]
    if (start < 0) return
    const cursor = this.#cursor
    const end = this.#ends[field.eventType]
    cursor.open(cursor.bytes, start, end)
    let subType = 0
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) this.event = cursor.varint() | 0
      else if (tag === 16) subType = cursor.varint() | 0
      else cursor.skip(tag)
    }
    cursor.close(end)
    // The monitor's sub-types of a trace have the numbers of the observation points, except that to-endpoint is 0.
    if (this.observationPoint === 0 && this.event === monitor.trace) this.observationPoint = subType === 0 ? traceToEndpoint : subType
  }

  #readIsReply(): void {
    if (this.#starts[field.isReply] >= 0) this.isReply = this.#numberIn(field.isReply, 8) ? 1 : 2
    else this.isReply = this.#values[field.reply] || this.#highs[field.reply] ? 1 : 0
  }

  #readAddresses(): void {
    this.addresses.clear()
    this.encrypted = 0
    this.ipVersion = 0
    const start = this.#starts[field.ip]
    if (start < 0) return
    const cursor = this.#cursor
    const { bytes } = cursor
    const end = this.#ends[field.ip]
    cursor.open(bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 24) this.ipVersion = ipVersions[cursor.varint()] ?? 0
      else if (tag === 32) this.encrypted = cursor.varint() || cursor.high ? 1 : 0
      else if (tag === 10 || tag === 18 || tag === 42) {
        cursor.span()
        this.addresses.read(tag === 10 ? 0 : tag === 18 ? 1 : 2, bytes, this.#view, cursor.start, cursor.end)
      } else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #readLayer4(): void {
    this.protocol = this.sourcePort = this.destinationPort = this.tcpFlags = this.icmpType = this.icmpCode = 0
    const start = this.#starts[field.l4]
    if (start < 0) return
    const cursor = this.#cursor
    const end = this.#ends[field.l4]
    cursor.open(cursor.bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      const number = tag >>> 3
      if ((tag & 7) !== bytesType || number > 7) {
        cursor.skip(tag)
        continue
      }
      const length = cursor.varint()
      this.#readProtocol(number, cursor.at + length)
    }
    cursor.close(end)
  }

  #readProtocol(number: number, end: number): void {
    const cursor = this.#cursor
    this.protocol = number
    const hasPorts = number === 1 || number === 2 || number === 5
    const isIcmp = number === 3 || number === 4
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8 && hasPorts) this.sourcePort = cursor.varint()
      else if (tag === 16 && hasPorts) this.destinationPort = cursor.varint()
      else if (tag === 26 && number === 1) this.#readTcpFlags()
      else if (tag === 8 && isIcmp) this.icmpType = cursor.varint()
      else if (tag === 16 && isIcmp) this.icmpCode = cursor.varint()
      else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #readTcpFlags(): void {
    const cursor = this.#cursor
    const length = cursor.varint()
    const end = cursor.at + length
    while (cursor.at < end) {
      const tag = cursor.tag()
      if ((tag & 7) === varintType && tag <= 72) {
        const bit = 1 << ((tag >>> 3) - 1)
        this.tcpFlags = cursor.varint() || cursor.high ? this.tcpFlags | bit : this.tcpFlags & ~bit
      } else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #readAggregate(start: number, end: number): void {
    const outer = this.#cursor
    const { at, limit } = outer
    outer.open(outer.bytes, start, end)
    while (outer.at < end) {
      const tag = outer.tag()
      if ((tag & 7) === varintType && tag <= 24) this.#counts[(tag >>> 3) - 1] = outer.varint()
      else outer.skip(tag)
    }
    outer.close(end)
    outer.open(outer.bytes, at, limit)
  }

  #readTraceId(): void {
    this.traceId = ''
    const start = this.#starts[field.traceContext]
    if (start < 0) return
    const cursor = this.#cursor
    const end = this.#ends[field.traceContext]
    cursor.open(cursor.bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag !== 10) {
        cursor.skip(tag)
        continue
      }
      const length = cursor.varint()
      const parentEnd = cursor.at + length
      while (cursor.at < parentEnd) {
        const inner = cursor.tag()
        cursor.skip(inner)
        if (inner === 10) this.traceId = cursor.bytes.toString('utf8', cursor.start, cursor.end)
      }
      cursor.close(parentEnd)
    }
    cursor.close(end)
  }

  #readLayer7(): void {
    const start = this.#starts[field.l7]
    if (start < 0) this.l7.clear()
    else this.l7.read(this.#cursor.bytes, this.#view, start, this.#ends[field.l7])
  }

  /** The flow's own time, else that of the response, else now; so is a time before 1970 or after 2100. */
  #readTime(responseStart: number, responseEnd: number, received: number): void {
    let time = this.#timeAt(this.#starts[field.time], this.#ends[field.time])
    if (time < 0) time = this.#timeAt(responseStart, responseEnd)
    this.time = time < 0 ? received : time
  }

  #timeAt(start: number, end: number): number {
    if (start < 0) return -1
    const cursor = this.#cursor
    cursor.open(cursor.bytes, start, end)
    let seconds = 0
    let nanos = 0
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) seconds = cursor.varint() + cursor.high * 4294967296
      else if (tag === 16) nanos = cursor.varint() | 0
      else cursor.skip(tag)
    }
    cursor.close(end)
    const time = seconds * 1e6 + Math.floor(nanos / 1000)
    return time > 0 && time < latest ? time : -1
  }

  #readNode(start: number, end: number): void {
    const { bytes } = this.#cursor
    const own = this.#starts[field.nodeName]
    if (own >= 0 && this.#ends[field.nodeName] > own) this.node = this.#nodeNames.find(bytes, this.#view, own, this.#ends[field.nodeName])
    else if (start >= 0) this.node = this.#nodeNames.find(bytes, this.#view, start, end)
    else this.node = this.#nodeNames.find(bytes, this.#view, 0, 0)
  }
}
