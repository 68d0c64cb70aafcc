import { openEnd } from '../../schema/object.ts'
import { IdReader } from './ids.ts'
import { Interner, viewOf } from './interner.ts'
import { Layer7 } from './layer7.ts'
import type { Nodes, ReportingNode } from './nodes.ts'
import { Packet } from './packet.ts'
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

const egressAllowedBy = 21001
const ingressAllowedBy = 21002
const egressDeniedBy = 21004
const ingressDeniedBy = 21005
const policyLog = 21006
const aggregate = 21007

/** The sub-messages with numbers below 32, a bit each. */
const mergedFields = [1, 5, 6, 8, 9, 15, 19, 20, 21, 26, 28, 30].reduce((bits, field) => bits | (1 << field), 0)

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
  /** What IP and the protocol over it say. */
  readonly packet = new Packet()
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
  /** Whether any policy, or what a policy logs, is named. */
  hasPolicies = false
  readonly egressAllowedBy: Texts[] = []
  readonly ingressAllowedBy: Texts[] = []
  readonly egressDeniedBy: Texts[] = []
  readonly ingressDeniedBy: Texts[] = []
  readonly policyLog: Texts[] = []
  readonly l7: Layer7

  readonly #cursor = new Cursor()
  #view = viewOf(Buffer.alloc(0))
  #viewed: Buffer | undefined
  /** The fields that came, a bit each; those from 32 in the second. */
  #seen = 0
  #seenHigh = 0
  #irregular = false
  #flows = 0
  #flowStart = 0
  #flowEnd = 0
  /** The older forms of fields; they count when the newer is absent. */
  #reply = 0
  #dropReasonNumber = 0
  #subType = 0
  #uuidStart = -1
  #uuidEnd = -1
  #nameStart = 0
  #nameEnd = 0
  /** Flows aggregated into this one: into, out of and unknown. */
  readonly #counts = [0, 0, 0]
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
    this.#clear()
    let subject: Subject = 'nothing'
    let nameStart = -1
    let nameEnd = -1
    let timeStart = -1
    let timeEnd = -1
    // The flow is read when it is met, so that the bytes are gone through in the order they lie in memory.
    while (cursor.at < end) {
      const tag = cursor.tag()
      if ((tag & 7) !== bytesType) {
        cursor.skip(tag)
        continue
      }
      cursor.span()
      const next = cursor.at
      if (tag >>> 3 === 1) {
        if (this.#flows++) this.#irregular = true
        subject = 'flow'
        this.#readFlow(bytes, cursor.start, cursor.end)
      } else if (tag >>> 3 === 2) subject = 'node_status'
      else if (tag >>> 3 === 3) subject = 'lost_events'
      else if (tag >>> 3 === 1000) {
        nameStart = cursor.start
        nameEnd = cursor.end
      } else if (tag >>> 3 === 1001) {
        timeStart = cursor.start
        timeEnd = cursor.end
      }
      cursor.at = next
    }
    if (subject !== 'flow') return subject
    if (this.#irregular) return this.#readMerged(bytes, start, end, received)
    this.#complete(bytes)
    if (this.time < 0 && timeStart >= 0) this.time = this.#timeAt(timeStart, timeEnd)
    if (this.time < 0) this.time = received
    if (this.#nameEnd > this.#nameStart) this.node = this.#nodeNames.find(bytes, this.#view, this.#nameStart, this.#nameEnd)
    else if (nameStart >= 0) this.node = this.#nodeNames.find(bytes, this.#view, nameStart, nameEnd)
    else this.node = this.#nodeNames.find(bytes, this.#view, 0, 0)
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

  #clear(): void {
    this.#counts[0] = this.#counts[1] = this.#counts[2] = 0
    this.#seen = this.#seenHigh = this.#reply = this.#dropReasonNumber = this.#subType = 0
    this.#irregular = false
    this.#flows = 0
    this.#uuidStart = this.#uuidEnd = -1
    this.#nameStart = this.#nameEnd = 0
    this.time = -1
    this.verdict = this.dropReason = this.event = this.type = this.observationPoint = this.direction = this.isReply = 0
    this.traceReason = this.authType = this.policyMatch = this.socketTranslation = this.proxyPort = this.tunnel = 0
    this.socketCookieLow = this.socketCookieHigh = this.cgroupLow = this.cgroupHigh = 0
    this.weight = 1
    this.traceId = ''
    this.source = this.destination = noEndpoint
    this.sourceService = this.destinationService = this.interface = this.dropSite = noTexts
    this.packet.clear()
    this.l7.clear()
    if (this.sourceNames.length) this.sourceNames.length = 0
    if (this.destinationNames.length) this.destinationNames.length = 0
    if (this.hasPolicies) this.#clearPolicies()
  }

  #clearPolicies(): void {
    this.hasPolicies = false
    this.egressAllowedBy.length = this.ingressAllowedBy.length = 0
    this.egressDeniedBy.length = this.ingressDeniedBy.length = 0
    this.policyLog.length = 0
  }

  /** One pass over flow.Flow. The place is a local, and short tags, lengths and numbers are read in place, for speed. */
  #readFlow(bytes: Buffer, start: number, end: number): void {
    const cursor = this.#cursor
    this.#flowStart = start
    this.#flowEnd = end
    let at = start
    while (at < end) {
      let tag = bytes[at++]
      if (tag > 127) {
        const next = bytes[at++]
        tag = (tag & 127) | (next << 7)
        if (next > 127) {
          tag = cursor.varintAt(at - 2)
          at = cursor.at
        }
      }
      if (tag >= 8 && (tag & 7) === bytesType) {
        let length = bytes[at++]
        if (length > 127) {
          length = cursor.varintAt(at - 1)
          if (cursor.high) length = Infinity
          at = cursor.at
        }
        if (at + length > end) throw new UndecodableError(`${length} bytes expected, ${end - at} left,`, at)
        this.#takeBytes(tag >>> 3, bytes, at, at + length)
        at += length
      } else if (tag >= 8 && (tag & 7) === varintType) {
        let value = bytes[at++]
        cursor.high = 0
        if (value > 127) {
          value = cursor.varintAt(at - 1)
          at = cursor.at
        }
        this.#takeNumber(tag >>> 3, value, cursor.high)
      } else at = cursor.skipAt(tag, at)
    }
    if (at !== end) throw new UndecodableError('a field runs over the end of its message', end)
  }

  /** By the numbers of flow.Flow's fields; numbers in place, as only they make a jump table. */
  #takeNumber(field: number, value: number, high: number): void {
    switch (field) {
      case 2:
        this.verdict = value | 0
        break
      case 3:
        this.#dropReasonNumber = value
        break
      case 10:
        this.type = value | 0
        break
      case 16:
        this.#reply = value | high
        break
      case 22:
        this.direction = value | 0
        break
      case 23:
        this.policyMatch = value
        break
      case 24:
        this.observationPoint = value | 0
        break
      case 25:
        this.dropReason = value
        break
      case 29:
        this.proxyPort = value
        break
      case 31:
        this.socketTranslation = value | 0
        break
      case 32:
        this.socketCookieLow = value
        this.socketCookieHigh = high
        break
      case 33:
        this.cgroupLow = value
        this.cgroupHigh = high
        break
      case 35:
        this.authType = value | 0
        break
      case 36:
        this.traceReason = value | 0
        break
    }
  }

  #takeBytes(field: number, bytes: Buffer, start: number, end: number): void {
    this.#note(field)
    switch (field) {
      case 1:
        this.time = this.#timeAt(start, end)
        break
      case 5:
        this.packet.readIp(this.#cursor, bytes, this.#view, start, end)
        break
      case 6:
        this.packet.readLayer4(this.#cursor, start, end)
        break
      case 8:
        this.source = this.#endpoints.find(bytes, this.#view, start, end)
        break
      case 9:
        this.destination = this.#endpoints.find(bytes, this.#view, start, end)
        break
      case 11:
        this.#nameStart = start
        this.#nameEnd = end
        break
      case 13:
        this.sourceNames.push(this.#names.find(bytes, this.#view, start, end))
        break
      case 14:
        this.destinationNames.push(this.#names.find(bytes, this.#view, start, end))
        break
      case 15:
        this.l7.read(bytes, this.#view, start, end)
        break
      case 19:
        this.#readEvent(start, end)
        break
      case 20:
        this.sourceService = this.#services.find(bytes, this.#view, start, end)
        break
      case 21:
        this.destinationService = this.#services.find(bytes, this.#view, start, end)
        break
      case 26:
        this.isReply = this.#numberIn(bytes, start, end) ? 1 : 2
        break
      case 28:
        this.interface = this.#interfaces.find(bytes, this.#view, start, end)
        break
      case 30:
        this.#readTraceId(start, end)
        break
      case 34:
        this.#uuidStart = start
        this.#uuidEnd = end
        break
      case 38:
        this.dropSite = this.#dropSites.find(bytes, this.#view, start, end)
        break
      case 39:
        this.tunnel = this.#numberIn(bytes, start, end) | 0
        break
      default:
        if (field >= egressAllowedBy && field <= aggregate) this.#takeRepeated(field, bytes, start, end)
    }
  }

  /** Notes which fields came; sub-messages are merged when they come twice. */
  #note(field: number): void {
    if (field < 32) {
      if (this.#seen & mergedFields & (1 << field)) this.#irregular = true
      this.#seen |= 1 << field
    } else if (field === 38 || field === 39) {
      if (this.#seenHigh & (1 << (field - 32))) this.#irregular = true
      this.#seenHigh |= 1 << (field - 32)
    }
  }

  #takeRepeated(field: number, bytes: Buffer, start: number, end: number): void {
    this.hasPolicies = true
    if (field === policyLog) this.policyLog.push(this.#names.find(bytes, this.#view, start, end))
    else if (field === aggregate) this.#readAggregate(start, end)
    else this.#policyList(field)?.push(this.#policies.find(bytes, this.#view, start, end))
  }

  #policyList(field: number): Texts[] | undefined {
    if (field === egressAllowedBy) return this.egressAllowedBy
    if (field === ingressAllowedBy) return this.ingressAllowedBy
    if (field === egressDeniedBy) return this.egressDeniedBy
    return field === ingressDeniedBy ? this.ingressDeniedBy : undefined
  }

  /** What needs more than one field. */
  #complete(bytes: Buffer): void {
    this.dropReason ||= this.#dropReasonNumber
    if (this.isReply === 0 && this.#reply) this.isReply = 1
    // The monitor's sub-types of a trace have the numbers of the observation points, except that to-endpoint is 0.
    if (this.observationPoint === 0 && this.event === monitor.trace) this.observationPoint = this.#subType || traceToEndpoint
    if (this.#uuidStart < 0 || !this.id.readUuid(bytes, this.#uuidStart, this.#uuidEnd)) this.id.hash(bytes, this.#flowStart, this.#flowEnd)
  }

  /** The last value of the first field of a small message, 0 without. */
  #numberIn(bytes: Buffer, start: number, end: number): number {
    if (end - start === 2 && bytes[start] === 8 && bytes[start + 1] < 128) return bytes[start + 1]
    const cursor = this.#cursor
    cursor.at = start
    let value = 0
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) value = cursor.varint() || (cursor.high ? 1 : 0)
      else cursor.skip(tag)
    }
    cursor.close(end)
    return value
  }

  #readEvent(start: number, end: number): void {
    const cursor = this.#cursor
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) this.event = cursor.varint() | 0
      else if (tag === 16) this.#subType = cursor.varint() | 0
      else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #readAggregate(start: number, end: number): void {
    const cursor = this.#cursor
    const counts = this.#counts
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if ((tag & 7) === varintType && tag <= 24) counts[(tag >>> 3) - 1] = cursor.varint()
      else cursor.skip(tag)
    }
    cursor.close(end)
    this.weight = counts[0] + counts[1] + counts[2] || 1
  }

  #readTraceId(start: number, end: number): void {
    const cursor = this.#cursor
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 10) this.#readTraceParent(cursor.varint())
      else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #readTraceParent(length: number): void {
    const cursor = this.#cursor
    const end = cursor.at + length
    while (cursor.at < end) {
      const tag = cursor.tag()
      cursor.skip(tag)
      if (tag === 10) this.traceId = cursor.bytes.toString('utf8', cursor.start, cursor.end)
    }
    cursor.close(end)
  }

  /** Microseconds; -1 for what is before 1970 or after 2100, and for none. */
  #timeAt(start: number, end: number): number {
    const cursor = this.#cursor
    cursor.at = start
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
}
