import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { WideColumn } from '../../runtime/block/number-columns.ts'
import { setWide, wordsOf } from '../columns.ts'
import { LabelCodes } from './label-codes.ts'
import { directionName, endReasonName, protocolName } from './vocabulary.ts'
import { rawWord } from './wire.ts'

/** The third word of an IPv4 address in IPv6 form, as it lies in memory. */
export const mapped = 0xffff0000

/** A whole number from 0 to 2^53; what is less or no number becomes 0. */
export function setWhole(column: WideColumn, row: number, value: number): void {
  setWide(column, row, value > 0 ? value : 0)
}

/** An address of 4 or 16 bytes; `zero` is the third word of 0.0.0.0, which may stand for no address. */
export function writeWords(words: Uint32Array, row: number, bytes: Uint8Array, at: number, length: number, zero: number): void {
  const to = row * 4
  if (length === 4) {
    const value = rawWord(bytes, at)
    words[to + 2] = value === 0 ? zero : mapped
    words[to + 3] = value
    return
  }
  for (let part = 0; part < 4; part++) words[to + part] = rawWord(bytes, at + part * 4)
}

/** The columns of a builder of flows that exporters fill. */
export class FlowColumns {
  readonly wides
  readonly labels
  readonly numbers
  readonly addresses
  readonly direction: LabelCodes
  readonly endReason: LabelCodes
  readonly protocol: LabelCodes
  readonly #builder: BlockBuilder
  #filling = -1

  constructor(builder: BlockBuilder) {
    this.#builder = builder
    this.wides = {
      time: builder.wides('time'),
      received: builder.wides('received'),
      duration: builder.wides('duration'),
      bytes: builder.wides('bytes'),
      packets: builder.wides('packets'),
      droppedBytes: builder.wides('dropped_bytes'),
      droppedPackets: builder.wides('dropped_packets'),
    }
    this.labels = {
      source: builder.labels('source'),
      reporter: builder.labels('reporter'),
      exporter: builder.labels('exporter'),
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
      srcPod: builder.labels('src_pod'),
      srcNamespace: builder.labels('src_namespace'),
      srcNode: builder.labels('src_node'),
      dstPod: builder.labels('dst_pod'),
      dstNamespace: builder.labels('dst_namespace'),
      dstNode: builder.labels('dst_node'),
    }
    this.numbers = {
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
    this.addresses = {
      src: wordsOf(builder.addresses('src_address')),
      dst: wordsOf(builder.addresses('dst_address')),
      translated: wordsOf(builder.addresses('src_address_translated')),
      nextHop: wordsOf(builder.addresses('next_hop')),
    }
    this.direction = new LabelCodes(builder.labels('direction'), 256, directionName)
    this.endReason = new LabelCodes(builder.labels('end_reason'), 256, endReasonName)
    this.protocol = new LabelCodes(builder.labels('protocol'), 256, protocolName)
  }

  /** To be called before rows are written: the builder may have begun another block. */
  follow(): void {
    if (this.#filling === this.#builder.filling) return
    this.#filling = this.#builder.filling
    for (const codes of [this.direction, this.endReason, this.protocol]) codes.forget()
  }

  setDropped(row: number, reason: string, event: 'drop' | 'policy_verdict'): void {
    const { verdict, event: events, dropReason, policySource } = this.labels
    verdict.codes[row] = verdict.code('dropped')
    events.codes[row] = events.code(event)
    dropReason.codes[row] = dropReason.code(reason)
    if (event === 'policy_verdict') policySource.codes[row] = policySource.code('dataplane')
  }
}
