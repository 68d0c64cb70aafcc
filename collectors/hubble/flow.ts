import { viewOf } from '../protobuf/bytes.ts'
import { numberIn, readCounts, timeAt, traceIdIn } from './flow-parts.ts'
import { IdReader } from './ids.ts'
import type { Known } from './known.ts'
import { Layer7 } from './layer7.ts'
import { Packet } from './packet.ts'
import type { Texts } from './texts.ts'
import { Cursor, UndecodableError, bytesType, varintType } from '../protobuf/cursor.ts'
import { monitor } from './vocabulary.ts'

const egressAllowedBy = 21001
const ingressAllowedBy = 21002
const egressDeniedBy = 21004
const ingressDeniedBy = 21005
const policyLog = 21006
const aggregate = 21007

/** The sub-messages with numbers below 32, a bit each. */
const mergedFields = [1, 5, 6, 8, 9, 15, 19, 20, 21, 26, 28, 30].reduce((bits, field) => bits | (1 << field), 0)

const traceToEndpoint = 101

/** The flow.Flow that was read last. It holds numbers, and texts by what they were interned as, so that a flow makes no objects. */
export class Flow {
  readonly known: Known
  /** Microseconds, -1 when the flow says none. */
  time = 0
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
  /** Handles of what is known: endpoints, services and so on. */
  source = 0
  destination = 0
  sourceService = 0
  destinationService = 0
  interface = 0
  dropSite = 0
  /** Whether anything came that most flows have not. */
  hasRare = false
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

  /** Whether sub-messages came twice, so that they have to be put together first. */
  isIrregular = false
  /** Where the name of the node lies. */
  nameStart = 0
  nameEnd = 0
  protected readonly cursor = new Cursor()
  protected view = viewOf(Buffer.alloc(0))
  /** The older forms of fields; they count when the newer is absent. */
  #reply = 0
  #dropReasonNumber = 0
  #subType = 0
  #hasDropSite = false
  #hasTunnel = false
  #uuidStart = -1
  #uuidEnd = -1
  /** Flows aggregated into this one: into, out of and unknown. */
  readonly #counts = [0, 0, 0]

  constructor(known: Known) {
    this.known = known
    this.l7 = new Layer7(known.words)
  }

  protected clear(): void {
    this.#hasDropSite = this.#hasTunnel = false
    this.#reply = this.#dropReasonNumber = this.#subType = 0
    this.isIrregular = false
    this.#uuidStart = this.#uuidEnd = -1
    this.nameStart = this.nameEnd = 0
    this.time = -1
    this.verdict = this.dropReason = this.event = this.type = this.observationPoint = this.direction = this.isReply = 0
    this.traceReason = this.authType = this.policyMatch = this.socketTranslation = this.proxyPort = this.tunnel = 0
    this.socketCookieLow = this.socketCookieHigh = this.cgroupLow = this.cgroupHigh = 0
    this.weight = 1
    this.traceId = ''
    this.source = this.destination = 0
    this.sourceService = this.destinationService = this.interface = this.dropSite = 0
    this.hasRare = false
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
    this.#counts.fill(0)
  }

  /** One pass over flow.Flow. The place is a local, and short tags, lengths and numbers are read in place, for speed. */
  protected readFlow(bytes: Buffer, start: number, end: number): void {
    const { cursor, known, view } = this
    let seen = 0
    let again = 0
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
          const next = bytes[at++]
          if (next < 128) length = (length & 127) | (next << 7)
          else {
            length = cursor.varintAt(at - 2)
            if (cursor.high) length = Infinity
            at = cursor.at
          }
        }
        const next = at + length
        if (next > end) throw new UndecodableError(`${length} bytes expected, ${end - at} left,`, at)
        const field = tag >>> 3
        if (field < 32) {
          const bit = 1 << field
          again |= seen & bit
          seen |= bit
        }
        switch (field) {
          case 1:
            this.time = timeAt(cursor, bytes, at, next)
            break
          case 5:
            this.packet.readIp(cursor, bytes, view, at, next)
            break
          case 6:
            this.packet.readLayer4(cursor, at, next)
            break
          case 8:
            this.source = known.endpoints.findBy(this.packet.addresses.words[3], bytes, view, at, next)
            break
          case 9:
            this.destination = known.endpoints.findBy(this.packet.addresses.words[7], bytes, view, at, next)
            break
          case 11:
            this.nameStart = at
            this.nameEnd = next
            break
          case 13:
            this.sourceNames.push(known.names.value(known.names.find(bytes, view, at, next)))
            break
          case 14:
            this.destinationNames.push(known.names.value(known.names.find(bytes, view, at, next)))
            break
          case 15:
            this.l7.read(bytes, view, at, next)
            break
          case 19:
            this.#readEvent(at, next)
            break
          case 20:
            this.sourceService = known.services.findBy(this.packet.addresses.words[3], bytes, view, at, next)
            break
          case 21:
            this.destinationService = known.services.findBy(this.packet.addresses.words[7], bytes, view, at, next)
            break
          case 26:
            this.isReply = numberIn(cursor, bytes, at, next) ? 1 : 2
            break
          case 28:
            this.interface = known.interfaces.find(bytes, view, at, next)
            break
          case 30:
            this.hasRare = true
            this.traceId = traceIdIn(cursor, at, next)
            break
          case 34:
            this.#uuidStart = at
            this.#uuidEnd = next
            break
          case 38:
            this.hasRare = true
            if (this.#hasDropSite) this.isIrregular = true
            this.#hasDropSite = true
            this.dropSite = known.dropSites.find(bytes, view, at, next)
            break
          case 39:
            this.hasRare = true
            if (this.#hasTunnel) this.isIrregular = true
            this.#hasTunnel = true
            this.tunnel = numberIn(cursor, bytes, at, next) | 0
            break
          default:
            if (field >= egressAllowedBy && field <= aggregate) this.#takeRepeated(field, bytes, at, next)
        }
        at = next
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
    if (again & mergedFields) this.isIrregular = true
    if (!this.isIrregular) this.#complete(bytes, start, end)
  }

  /** By the numbers of flow.Flow's fields; numbers in place, as only they make a jump table. */
  #takeNumber(field: number, value: number, high: number): void {
    switch (field) {
      case 2:
        this.verdict = value | 0
        break
      case 3:
        this.#dropReasonNumber = value
        this.hasRare = true
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
        this.hasRare = true
        break
      case 24:
        this.observationPoint = value | 0
        break
      case 25:
        this.dropReason = value
        this.hasRare = true
        break
      case 29:
        this.proxyPort = value
        this.hasRare = true
        break
      case 31:
        this.socketTranslation = value | 0
        this.hasRare = true
        break
      case 32:
        this.socketCookieLow = value
        this.socketCookieHigh = high
        this.hasRare = true
        break
      case 33:
        this.cgroupLow = value
        this.cgroupHigh = high
        this.hasRare = true
        break
      case 35:
        this.authType = value | 0
        this.hasRare = true
        break
      case 36:
        this.traceReason = value | 0
        break
    }
  }

  #takeRepeated(field: number, bytes: Buffer, start: number, end: number): void {
    this.hasRare = this.hasPolicies = true
    if (field === policyLog) this.policyLog.push(this.known.names.value(this.known.names.find(bytes, this.view, start, end)))
    else if (field === aggregate) this.#readAggregate(start, end)
    else this.#policyList(field)?.push(this.known.policies.value(this.known.policies.find(bytes, this.view, start, end)))
  }

  #policyList(field: number): Texts[] | undefined {
    if (field === egressAllowedBy) return this.egressAllowedBy
    if (field === ingressAllowedBy) return this.ingressAllowedBy
    if (field === egressDeniedBy) return this.egressDeniedBy
    return field === ingressDeniedBy ? this.ingressDeniedBy : undefined
  }

  #readAggregate(start: number, end: number): void {
    const counts = this.#counts
    readCounts(this.cursor, start, end, counts)
    this.weight = counts[0] + counts[1] + counts[2] || 1
  }

  #readEvent(start: number, end: number): void {
    const { cursor } = this
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) this.event = cursor.varint() | 0
      else if (tag === 16) this.#subType = cursor.varint() | 0
      else cursor.skip(tag)
    }
    cursor.close(end)
  }

  /** What needs more than one field. */
  #complete(bytes: Buffer, start: number, end: number): void {
    this.dropReason ||= this.#dropReasonNumber
    if (this.isReply === 0 && this.#reply) this.isReply = 1
    // The monitor's sub-types of a trace have the numbers of the observation points, except that to-endpoint is 0.
    if (this.observationPoint === 0 && this.event === monitor.trace) this.observationPoint = this.#subType || traceToEndpoint
    if (this.packet.hasRare || this.event === monitor.policyVerdict) this.hasRare = true
    if (this.#uuidStart < 0 || !this.id.readUuid(bytes, this.#uuidStart, this.#uuidEnd)) this.id.hash(bytes, start, end)
  }
}
