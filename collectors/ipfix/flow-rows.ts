import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { AddressColumn, LabelColumn, WideColumn } from '../../runtime/block/columns.ts'
import { type CopyName, copies } from './elements.ts'
import { LabelCodes } from './label-codes.ts'
import type { Packet } from './packet.ts'
import type { Session } from './session.ts'
import { type Sample, sflowDropReason } from './sflow.ts'
import { directionName, dropReason, endReasonName, firewallEvents, firewallReason, protocolName, protocolNumbers } from './vocabulary.ts'
import { isZero, ntpMicros, rawWord, text, uint, uint32 } from './wire.ts'

/** Rows that are written at once at the most. */
export const maxRun = 256

/** What all records of a datagram share. */
export interface Message {
  session: Session
  /** When it came, microseconds. */
  received: number
  /** When it was sent, by the exporter's clock, microseconds. */
  exported: number
  /** Milliseconds the exporter was up when it was sent; NaN where the protocol does not say. */
  uptime: number
}

/** What records that are written together have in common besides their message. */
export interface RunOptions {
  cluster: string
  /** Which way they went, where it is known. */
  isReply: 'yes' | 'no' | 'unknown'
  /** Whether they tell ICMP type and code by elements of their own. */
  hasIcmp: boolean
}

/** Reads a field of `count` records, `stride` bytes apart, into the rows from `row` on. */
type Copy = (bytes: Uint8Array, at: number, length: number, stride: number, count: number, row: number) => void

const word = 4294967296
/** The third word of an IPv4 address in IPv6 form, as it lies in memory. */
const mapped = 0xffff0000

const wordsOf = (column: AddressColumn) => new Uint32Array(column.bytes.buffer, column.bytes.byteOffset, column.bytes.byteLength / 4)

/** A whole number from 0 to 2^53; what is less or no number becomes 0. */
function setWide(column: WideColumn, row: number, value: number): void {
  if (!(value > 0)) return column.setWords(row, 0, 0)
  const high = Math.floor(value / word)
  column.setWords(row, value - high * word, high)
}

/** Writes records as rows of one builder of flows, field by field over many records. */
export class FlowRows {
  readonly #builder: BlockBuilder
  readonly #copies: readonly Copy[]
  readonly #wides
  readonly #labels
  readonly #numbers
  readonly #src: Uint32Array
  readonly #dst: Uint32Array
  readonly #translated: Uint32Array
  readonly #nextHop: Uint32Array
  readonly #codes: readonly LabelCodes[]
  readonly #protocolCodes: LabelCodes
  #filling = -1
  /** Of the records being written: microseconds, 0 for none. */
  readonly #start = new Float64Array(maxRun)
  readonly #end = new Float64Array(maxRun)
  readonly #duration = new Float64Array(maxRun)
  /** Milliseconds since 1970 from which the uptime of the record counts, 0 when nobody says. */
  readonly #booted = new Float64Array(maxRun)
  readonly #protocol = new Uint8Array(maxRun)
  #first = 0
  #hasIcmp = false
  #message!: Message

  constructor(builder: BlockBuilder) {
    this.#builder = builder
    this.#wides = {
      time: builder.wides('time'),
      received: builder.wides('received'),
      duration: builder.wides('duration'),
      bytes: builder.wides('bytes'),
      packets: builder.wides('packets'),
      droppedBytes: builder.wides('dropped_bytes'),
      droppedPackets: builder.wides('dropped_packets'),
    }
    this.#labels = {
      source: builder.labels('source'),
      reporter: builder.labels('reporter'),
      reporterKind: builder.labels('reporter_kind'),
      cluster: builder.labels('cluster'),
      layer: builder.labels('layer'),
      type: builder.labels('type'),
      event: builder.labels('event'),
      verdict: builder.labels('verdict'),
      isReply: builder.labels('is_reply'),
      dropReason: builder.labels('drop_reason'),
      policySource: builder.labels('policy_source'),
      interface: builder.labels('interface'),
      outInterface: builder.labels('out_interface'),
    }
    this.#numbers = {
      ipVersion: builder.numbers('ip_version').values,
      icmpType: builder.numbers('icmp_type').values,
      icmpCode: builder.numbers('icmp_code').values,
      srcPort: builder.numbers('src_port').values,
      dstPort: builder.numbers('dst_port').values,
      vlan: builder.numbers('vlan').values,
      dscp: builder.numbers('dscp').values,
      tcpFlags: builder.numbers('tcp_flags').values,
      srcAs: builder.numbers('src_as').values,
      dstAs: builder.numbers('dst_as').values,
      connections: builder.numbers('connections').values,
      weight: builder.numbers('weight').values,
    }
    this.#src = wordsOf(builder.addresses('src_address'))
    this.#dst = wordsOf(builder.addresses('dst_address'))
    this.#translated = wordsOf(builder.addresses('src_address_translated'))
    this.#nextHop = wordsOf(builder.addresses('next_hop'))
    const direction = new LabelCodes(builder.labels('direction'), 256, directionName)
    const endReason = new LabelCodes(builder.labels('end_reason'), 256, endReasonName)
    this.#protocolCodes = new LabelCodes(builder.labels('protocol'), 256, protocolName)
    this.#codes = [direction, endReason, this.#protocolCodes]
    const made = this.#makeCopies(direction, endReason)
    this.#copies = copies.map(name => made[name])
  }

  get builder(): BlockBuilder {
    return this.#builder
  }

  /** Begins with `count` records of a message, as rows from `builder.rows` on. */
  begin(message: Message, count: number, { cluster, isReply, hasIcmp }: RunOptions): void {
    this.#message = message
    this.#hasIcmp = hasIcmp
    const row = (this.#first = this.#builder.rows)
    if (this.#filling !== this.#builder.filling) {
      this.#filling = this.#builder.filling
      for (const codes of this.#codes) codes.forget()
    }
    const { session } = message
    const labels = this.#labels
    setAll(labels.source, session.protocol, row, count)
    setAll(labels.reporter, session.reporter, row, count)
    setAll(labels.reporterKind, 'exporter', row, count)
    if (cluster) setAll(labels.cluster, cluster, row, count)
    setAll(labels.layer, 'exporter', row, count)
    setAll(labels.type, 'l3_l4', row, count)
    setAll(labels.verdict, 'forwarded', row, count)
    if (isReply !== 'unknown') setAll(labels.isReply, isReply, row, count)
    const { sampling, systemInit } = session
    const { weight } = sampling
    if (weight !== 1) for (let i = row; i < row + count; i++) this.#numbers.weight[i] = weight
    for (let i = 0; i < count; i++) {
      this.#start[i] = this.#end[i] = this.#duration[i] = this.#protocol[i] = 0
      this.#booted[i] = systemInit
    }
  }

  /** Reads the fields of records that lie `stride` bytes apart. */
  read(
    operations: Int32Array,
    { offsets, lengths }: { offsets: Int32Array; lengths: Int32Array },
    { bytes, start, stride, count }: { bytes: Uint8Array; start: number; stride: number; count: number },
  ): void {
    const all = this.#copies
    for (let i = 0; i < operations.length; i += 2) {
      const field = operations[i + 1]
      all[operations[i]](bytes, start + offsets[field], lengths[field], stride, count, this.#first)
    }
  }

  /** Counts the records as rows. */
  end(count: number): void {
    const received = this.#message.received
    for (let i = 0; i < count; i++) {
      const row = this.#first + i
      this.#finishPacket(row, this.#protocol[i])
      setWide(this.#wides.received, row, received)
      const time = this.#finishTime(row, i)
      setWide(this.#wides.time, row, time)
      this.#builder.next(time)
    }
  }

  /** Writes one sampled packet as a row. */
  sample(message: Message, bytes: Uint8Array, sample: Sample, cluster: string): void {
    this.begin(message, 1, { cluster, isReply: 'unknown', hasIcmp: true })
    const row = this.#first
    const { packet } = sample
    const { session } = message
    this.#samplePacket(row, bytes, packet)
    const labels = this.#labels
    labels.interface.codes[row] = labels.interface.code(session.interfaceName(sample.input))
    labels.outInterface.codes[row] = labels.outInterface.code(session.interfaceName(sample.output))
    setWide(this.#wides.bytes, row, sample.bytes)
    setWide(this.#wides.packets, row, 1)
    if (sample.rate > 0) this.#numbers.weight[row] = sample.rate
    if (sample.srcAs) this.#numbers.srcAs[row] = sample.srcAs
    if (sample.dstAs) this.#numbers.dstAs[row] = sample.dstAs
    if (sample.nextHopLength) writeWords(this.#nextHop, row, bytes, sample.nextHopAt, sample.nextHopLength, 0)
    if (sample.dropped >= 0) this.#setDropped(row, sflowDropReason(sample.dropped), 'drop')
    this.end(1)
  }

  #samplePacket(row: number, bytes: Uint8Array, packet: Packet): void {
    const numbers = this.#numbers
    const length = packet.version === 4 ? 4 : 16
    writeWords(this.#src, row, bytes, packet.srcAt, length, mapped)
    writeWords(this.#dst, row, bytes, packet.dstAt, length, mapped)
    this.#protocol[0] = packet.protocol
    numbers.srcPort[row] = packet.srcPort
    numbers.dstPort[row] = packet.dstPort
    numbers.tcpFlags[row] = packet.tcpFlags
    numbers.icmpType[row] = packet.icmpType
    numbers.icmpCode[row] = packet.icmpCode
    numbers.dscp[row] = packet.dscp
    numbers.vlan[row] = packet.vlan
  }

  #finishTime(row: number, i: number): number {
    const start = this.#start[i]
    const duration = this.#duration[i]
    const end = this.#end[i] || (start && duration ? start + duration : 0)
    const lasted = duration || (start && end > start ? end - start : 0)
    if (lasted) setWide(this.#wides.duration, row, lasted * 1000)
    return end || this.#message.exported
  }

  #finishPacket(row: number, protocol: number): void {
    const numbers = this.#numbers
    const at = row * 4
    const [src, dst] = [this.#src, this.#dst]
    if ((src[at + 2] === mapped && (src[at] | src[at + 1]) === 0) || (dst[at + 2] === mapped && (dst[at] | dst[at + 1]) === 0))
      numbers.ipVersion[row] = 4
    else if ((src[at] | src[at + 1] | src[at + 2] | src[at + 3] | dst[at] | dst[at + 1] | dst[at + 2] | dst[at + 3]) !== 0)
      numbers.ipVersion[row] = 6
    this.#protocolCodes.set(row, protocol)
    this.#forgetSameAddress(at)
    if (protocol !== protocolNumbers.icmp && protocol !== protocolNumbers.icmpv6) return
    // Exporters that have no elements for them put type and code where the port of the destination is.
    if (!this.#hasIcmp) {
      numbers.icmpType[row] = numbers.dstPort[row] >> 8
      numbers.icmpCode[row] = numbers.dstPort[row] & 255
    }
    numbers.srcPort[row] = numbers.dstPort[row] = 0
  }

  /** Devices that translate say what the address became also when it stayed as it was. */
  #forgetSameAddress(at: number): void {
    const [src, translated] = [this.#src, this.#translated]
    for (let part = 0; part < 4; part++) if (src[at + part] !== translated[at + part]) return
    translated.fill(0, at, at + 4)
  }

  #makeCopies(direction: LabelCodes, endReason: LabelCodes): Record<CopyName, Copy> {
    const { bytes, packets, droppedBytes, droppedPackets } = this.#wides
    const { vlan, icmpType, icmpCode, srcPort, dstPort, dscp, tcpFlags } = this.#numbers
    const label = (name: string) => intoTexts(this.#builder.labels(name))
    const address4 = (name: string, zero = 0) => intoAddress4(wordsOf(this.#builder.addresses(name)), zero)
    const address6 = (name: string) => intoAddress6(wordsOf(this.#builder.addresses(name)))
    return {
      ...this.#makeTimeCopies(),
      srcAddress4: address4('src_address', mapped),
      srcAddress6: address6('src_address'),
      dstAddress4: address4('dst_address', mapped),
      dstAddress6: address6('dst_address'),
      nextHop4: address4('next_hop'),
      nextHop6: address6('next_hop'),
      translated4: address4('src_address_translated'),
      translated6: address6('src_address_translated'),
      srcPort: intoNumbers(srcPort),
      dstPort: intoNumbers(dstPort),
      protocol: this.#perRecord((value, i) => void (this.#protocol[i] = value)),
      tcpFlags: intoNumbers(tcpFlags),
      dscp: intoNumbers(dscp),
      tos: this.#perRecord((value, _, row) => void (dscp[row] = (value & 255) >> 2)),
      bytes: intoWide(bytes),
      packets: intoWide(packets),
      droppedBytes: intoWide(droppedBytes),
      droppedPackets: intoWide(droppedPackets),
      input: this.#interfaces(this.#labels.interface, true),
      output: this.#interfaces(this.#labels.outInterface, false),
      inputName: label('interface'),
      vlan: intoNumbers(vlan),
      srcAs: intoNumbers(this.#numbers.srcAs),
      dstAs: intoNumbers(this.#numbers.dstAs),
      icmpTypeCode: this.#perRecord((value, _, row) => {
        icmpType[row] = value >> 8
        icmpCode[row] = value & 255
      }),
      icmpType: intoNumbers(icmpType),
      icmpCode: intoNumbers(icmpCode),
      direction: this.#perRecord((value, _, row) => direction.set(row, value)),
      endReason: this.#perRecord((value, _, row) => endReason.set(row, value)),
      samplingInterval: this.#perRecord((value, _, row) => void (value > 0 && this.#setWeight(row, value))),
      sampler: this.#perRecord((value, _, row) => this.#setWeight(row, this.#message.session.sampling.ofSampler(value))),
      forwardingStatus: this.#perRecord((value, _, row) => this.#setForwarding(row, value)),
      firewallEvent: this.#perRecord((value, _, row) => this.#setFirewallEvent(row, value)),
      firewallReason: this.#perRecord((value, _, row) => this.#setFirewallReason(row, value)),
      srcPod: label('src_pod'),
      srcNamespace: label('src_namespace'),
      srcNode: label('src_node'),
      dstPod: label('dst_pod'),
      dstNamespace: label('dst_namespace'),
      dstNode: label('dst_node'),
    }
  }

  #makeTimeCopies() {
    const { ofSeconds, ofMillis, ofUptime, ofDelta } = this.#timeReadings()
    const duration = (scale: number) => this.#perRecord((value, i) => void (this.#duration[i] = value * scale))
    return {
      uptimeBase: this.#perRecord((value, i) => void (this.#booted[i] = value)),
      startUptime: ofUptime(this.#start),
      startSeconds: ofSeconds(this.#start),
      startMillis: ofMillis(this.#start),
      startNtp: intoNtp(this.#start),
      startDelta: ofDelta(this.#start),
      endUptime: ofUptime(this.#end),
      endSeconds: ofSeconds(this.#end),
      endMillis: ofMillis(this.#end),
      endNtp: intoNtp(this.#end),
      endDelta: ofDelta(this.#end),
      durationMillis: duration(1000),
      durationMicros: duration(1),
    }
  }

  #timeReadings() {
    return {
      ofSeconds: (times: Float64Array) => this.#perRecord((value, i) => void (times[i] = value * 1e6)),
      ofMillis: (times: Float64Array) => this.#perRecord((value, i) => void (times[i] = value * 1000)),
      ofUptime: (times: Float64Array) => this.#perRecord((value, i) => void (times[i] = this.#ofUptime(value, this.#booted[i]))),
      ofDelta: (times: Float64Array) => this.#perRecord((value, i) => void (times[i] = this.#message.exported - value)),
    }
  }

  /** Uptimes begin again after 49.7 days: only how far they are from that of the message counts. */
  #ofUptime(value: number, booted: number): number {
    const { uptime, exported } = this.#message
    if (!Number.isNaN(uptime)) return exported + ((value - uptime) | 0) * 1000
    return booted && exported + ((booted + value - Math.floor(exported / 1000)) | 0) * 1000
  }

  #perRecord(set: (value: number, i: number, row: number) => void): Copy {
    return (bytes, at, length, stride, count, row) => {
      for (let i = 0; i < count; i++, at += stride) set(uint(bytes, at, length), i, row + i)
    }
  }

  #interfaces(column: LabelColumn, isInput: boolean): Copy {
    return (bytes, at, length, stride, count, row) => {
      const { session } = this.#message
      const weighs = isInput && session.sampling.hasInterfaces
      let last = -1
      let code = 0
      for (let i = 0; i < count; i++, at += stride) {
        const index = uint(bytes, at, length)
        if (index !== last) code = column.code(session.interfaceName((last = index)))
        column.codes[row + i] = code
        if (weighs) this.#setWeight(row + i, session.sampling.ofInterface(index))
      }
    }
  }

  #setWeight(row: number, weight: number | undefined): void {
    if (weight !== undefined) this.#numbers.weight[row] = weight
  }

  #setForwarding(row: number, value: number): void {
    const reason = dropReason(value & 255)
    if (reason) this.#setDropped(row, reason, 'drop')
  }

  #setFirewallEvent(row: number, event: number): void {
    if (event === firewallEvents.created) this.#numbers.connections[row] = 1
    if (event === firewallEvents.denied) this.#setDropped(row, 'policy_denied', 'policy_verdict')
  }

  #setFirewallReason(row: number, event: number): void {
    if (event >= 1001 && event < 2000) this.#setDropped(row, firewallReason(event), 'policy_verdict')
  }

  #setDropped(row: number, reason: string, event: 'drop' | 'policy_verdict'): void {
    const labels = this.#labels
    labels.verdict.codes[row] = labels.verdict.code('dropped')
    labels.event.codes[row] = labels.event.code(event)
    labels.dropReason.codes[row] = labels.dropReason.code(reason)
    if (event === 'policy_verdict') labels.policySource.codes[row] = labels.policySource.code('dataplane')
  }
}

function setAll(column: LabelColumn, value: string, row: number, count: number): void {
  const { codes } = column
  const code = column.code(value)
  for (let i = row; i < row + count; i++) codes[i] = code
}

function intoNumbers(values: Uint8Array | Uint16Array | Uint32Array | Float64Array): Copy {
  return (bytes, at, length, stride, count, row) => {
    for (let i = 0; i < count; i++, at += stride) values[row + i] = uint(bytes, at, length)
  }
}

function intoWide(column: WideColumn): Copy {
  return (bytes, at, length, stride, count, row) => {
    if (length === 8) for (let i = 0; i < count; i++, at += stride) column.setWords(row + i, uint32(bytes, at + 4), uint32(bytes, at))
    else for (let i = 0; i < count; i++, at += stride) setWide(column, row + i, uint(bytes, at, length))
  }
}

function intoNtp(times: Float64Array): Copy {
  return (bytes, at, _, stride, count) => {
    for (let i = 0; i < count; i++, at += stride) times[i] = ntpMicros(bytes, at)
  }
}

/** Where a record has both forms of an address, that of IPv6 is read second, and counts unless it is zero. */
function intoAddress4(words: Uint32Array, zero: number): Copy {
  return (bytes, at, _, stride, count, row) => {
    for (let i = 0; i < count; i++, at += stride) writeWords(words, row + i, bytes, at, 4, zero)
  }
}

function intoAddress6(words: Uint32Array): Copy {
  return (bytes, at, _, stride, count, row) => {
    for (let i = 0; i < count; i++, at += stride) if (!isZero(bytes, at, at + 16)) writeWords(words, row + i, bytes, at, 16, 0)
  }
}

/** An address of 4 or 16 bytes; `zero` is the third word of 0.0.0.0, which may stand for no address. */
function writeWords(words: Uint32Array, row: number, bytes: Uint8Array, at: number, length: number, zero: number): void {
  const to = row * 4
  if (length === 4) {
    const value = rawWord(bytes, at)
    words[to + 2] = value === 0 ? zero : mapped
    words[to + 3] = value
    return
  }
  for (let part = 0; part < 4; part++) words[to + part] = rawWord(bytes, at + part * 4)
}

function intoTexts(column: LabelColumn): Copy {
  return (bytes, at, length, stride, count, row) => {
    for (let i = 0; i < count; i++, at += stride) column.codes[row + i] = column.code(text(bytes, at, Math.min(length, maxText)))
  }
}

const maxText = 256
