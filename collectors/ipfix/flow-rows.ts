import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { LabelColumn } from '../../runtime/block/columns.ts'
import { FlowColumns, mapped, setWhole, writeWords } from './columns.ts'
import { type Copy, makeCopies } from './copies.ts'
import { copies } from './elements.ts'
import type { Packet } from './packet.ts'
import type { Plan } from './plan.ts'
import { type Message, Run, type RunOptions } from './run.ts'
import { type Sample, sflowDropReason } from './sample.ts'
import type { Counter, Growth } from './totals.ts'
import { protocolNumbers } from './vocabulary.ts'

/** Writes records as rows of one builder of flows, field by field over many records. */
export class FlowRows {
  readonly builder: BlockBuilder
  readonly #columns: FlowColumns
  readonly #copies: readonly Copy[]
  readonly #run = new Run()

  constructor(builder: BlockBuilder) {
    this.builder = builder
    this.#columns = new FlowColumns(builder)
    const made = makeCopies(this.#columns, this.#run)
    this.#copies = copies.map(name => made[name])
  }

  /** How many rows there is room for. */
  get room(): number {
    return this.builder.capacity - this.builder.rows
  }

  /** Begins with `count` records of a message, as rows from `builder.rows` on. */
  begin(message: Message, count: number, { cluster, isReply, hasIcmp }: RunOptions): void {
    const { session } = message
    const row = this.builder.rows
    this.#run.begin(message, count, { first: row, hasIcmp })
    this.#columns.follow()
    const { labels, numbers } = this.#columns
    setAll(labels.source, session.protocol, row, count)
    setAll(labels.reporter, session.reporter, row, count)
    setAll(labels.exporter, session.reporter, row, count)
    setAll(labels.reporterKind, 'exporter', row, count)
    if (cluster) setAll(labels.cluster, cluster, row, count)
    setAll(labels.layer, 'exporter', row, count)
    setAll(labels.type, 'l3_l4', row, count)
    setAll(labels.verdict, 'forwarded', row, count)
    if (isReply !== 'unknown') setAll(labels.isReply, isReply, row, count)
    const { weight } = session.sampling
    if (weight !== 1) for (let i = row; i < row + count; i++) numbers.weight[i] = weight
  }

  /** Reads the fields of records that lie `stride` bytes apart. */
  read(
    operations: Int32Array,
    { offsets, lengths }: Pick<Plan, 'offsets' | 'lengths'>,
    { bytes, start, stride, count }: { bytes: Uint8Array; start: number; stride: number; count: number },
  ): void {
    const all = this.#copies
    const row = this.#run.first
    for (let i = 0; i < operations.length; i += 2) {
      const field = operations[i + 1]
      all[operations[i]](bytes, start + offsets[field], lengths[field], stride, count, row)
    }
  }

  /** When the first record began, in microseconds by the exporter's clock; 0 when it does not say. */
  get start(): number {
    const { start, end, duration } = this.#run
    return start[0] || Math.max(0, duration[0] && end[0] - duration[0])
  }

  /** What the first record counts instead of its totals. */
  setGrowth(fields: Partial<Record<Counter, number>>, growth: Growth, isReply: boolean): void {
    const { wides } = this.#columns
    const row = this.#run.first
    const [bytes, packets] = isReply ? (['replyBytes', 'replyPackets'] as const) : (['bytes', 'packets'] as const)
    if (fields[bytes] !== undefined) setWhole(wides.bytes, row, growth[bytes])
    if (fields[packets] !== undefined) setWhole(wides.packets, row, growth[packets])
  }

  /** Counts the records as rows. */
  end(count: number): void {
    const run = this.#run
    const { wides } = this.#columns
    const { received } = run.message
    for (let i = 0; i < count; i++) {
      const row = run.first + i
      this.#finishAddresses(row)
      this.#finishProtocol(row, run.protocol[i])
      const time = run.endOf(i)
      const length = run.lengthOf(i)
      setWhole(wides.time, row, time)
      setWhole(wides.received, row, received)
      if (length) setWhole(wides.duration, row, length * 1000)
      this.builder.next(time)
    }
  }

  #finishAddresses(row: number): void {
    const { src, dst, translated } = this.#columns.addresses
    const at = row * 4
    if ((src[at + 2] === mapped && (src[at] | src[at + 1]) === 0) || (dst[at + 2] === mapped && (dst[at] | dst[at + 1]) === 0))
      this.#columns.numbers.ipVersion[row] = 4
    else if ((src[at] | src[at + 1] | src[at + 2] | src[at + 3] | dst[at] | dst[at + 1] | dst[at + 2] | dst[at + 3]) !== 0)
      this.#columns.numbers.ipVersion[row] = 6
    // Devices that translate say what the address became also when it stayed as it was.
    for (let part = 0; part < 4; part++) if (src[at + part] !== translated[at + part]) return
    translated.fill(0, at, at + 4)
  }

  #finishProtocol(row: number, protocol: number): void {
    const { numbers } = this.#columns
    this.#columns.protocol.set(row, protocol)
    if (protocol !== protocolNumbers.icmp && protocol !== protocolNumbers.icmpv6) return
    // Exporters that have no elements for them put type and code where the port of the destination is.
    if (!this.#run.hasIcmp) {
      numbers.icmpType[row] = numbers.dstPort[row] >> 8
      numbers.icmpCode[row] = numbers.dstPort[row] & 255
    }
    numbers.srcPort[row] = numbers.dstPort[row] = 0
  }

  /** Writes one sampled packet as a row. */
  sample(message: Message, bytes: Uint8Array, { sample, cluster }: { sample: Sample; cluster: string }): void {
    this.begin(message, 1, { cluster, isReply: 'unknown', hasIcmp: true })
    const row = this.#run.first
    const { labels, numbers, wides, addresses } = this.#columns
    const { session } = message
    this.#samplePacket(row, bytes, sample.packet)
    labels.interface.codes[row] = labels.interface.code(session.interfaceName(sample.input))
    labels.outInterface.codes[row] = labels.outInterface.code(session.interfaceName(sample.output))
    setWhole(wides.bytes, row, sample.bytes)
    setWhole(wides.packets, row, 1)
    if (sample.rate > 0) numbers.weight[row] = sample.rate
    numbers.srcAs[row] = sample.srcAs
    numbers.dstAs[row] = sample.dstAs
    if (sample.nextHopLength) writeWords(addresses.nextHop, row, bytes, sample.nextHopAt, sample.nextHopLength, 0)
    if (sample.dropped >= 0) this.#columns.setDropped(row, sflowDropReason(sample.dropped), 'drop')
    this.end(1)
  }

  #samplePacket(row: number, bytes: Uint8Array, packet: Packet): void {
    const { numbers, addresses } = this.#columns
    const length = packet.version === 4 ? 4 : 16
    writeWords(addresses.src, row, bytes, packet.srcAt, length, mapped)
    writeWords(addresses.dst, row, bytes, packet.dstAt, length, mapped)
    this.#run.protocol[0] = packet.protocol
    numbers.srcPort[row] = packet.srcPort
    numbers.dstPort[row] = packet.dstPort
    numbers.tcpFlags[row] = packet.tcpFlags
    numbers.icmpType[row] = packet.icmpType
    numbers.icmpCode[row] = packet.icmpCode
    numbers.dscp[row] = packet.dscp
    numbers.vlan[row] = packet.vlan
  }
}

function setAll(column: LabelColumn, value: string, row: number, count: number): void {
  const { codes } = column
  const code = column.code(value)
  for (let i = row; i < row + count; i++) codes[i] = code
}
