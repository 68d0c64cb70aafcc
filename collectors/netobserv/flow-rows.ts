import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { LabelColumn } from '../../runtime/block/columns.ts'
import { threeWay } from '../../schema/vocabulary.ts'
import { wordsOf } from '../columns.ts'
import { Choice } from './choice.ts'
import {
  type Decision,
  decide,
  dropReasonOf,
  isBeforeTranslation,
  isDenial,
  isMasqueraded,
  isReply,
  opens,
  sideOf,
  sides,
  tcpFlagsOf,
  undecided,
} from './judge.ts'
import { type FlowRecord, places } from './record.ts'

/** By the number of the protocol (IANA) in `protocolNumbers`. */
const protocolTexts = ['', 'tcp', 'udp', 'icmpv4', 'icmpv6', 'sctp', 'vrrp', 'igmp']
const protocolNumbers = new Uint8Array(256)
for (const [text, number] of [
  [1, 6],
  [2, 17],
  [3, 1],
  [4, 58],
  [5, 132],
  [6, 112],
  [7, 2],
])
  protocolNumbers[number] = text

const eventTexts = ['trace', 'drop', 'policy_verdict', 'trace_sock']
const events = { trace: 0, drop: 1, policyVerdict: 2, translation: 3 }
const verdictTexts = ['forwarded', 'dropped', 'translated']
const verdicts = { forwarded: 0, dropped: 1, translated: 2 }

const tlsVersions: Readonly<Record<number, string>> = {
  0x300: 'SSLv3',
  0x301: 'TLSv1',
  0x302: 'TLSv1.1',
  0x303: 'TLSv1.2',
  0x304: 'TLSv1.3',
}

/** What is the same of every row of an agent. */
export interface Seen {
  reporter: string
  /** Microseconds. */
  received: number
}

/** Writes records as rows of one block of flows. */
export class FlowRows {
  readonly #builder: BlockBuilder
  readonly #constants: Choice[]
  readonly #choices
  readonly #labels
  readonly #numbers
  readonly #wides
  readonly #addresses: readonly [place: number, words: Uint32Array][]
  readonly #translated: Uint32Array

  constructor(builder: BlockBuilder, cluster: string) {
    this.#builder = builder
    const choice = (name: string, texts: readonly string[]) => new Choice(builder, name, texts)
    this.#constants = Object.entries({ source: 'netobserv', reporter_kind: 'node', layer: 'kernel', type: 'l3_l4', cluster }).map(
      ([name, text]) => choice(name, [text]),
    )
    this.#choices = {
      event: choice('event', eventTexts),
      verdict: choice('verdict', verdictTexts),
      direction: choice('direction', sides),
      isReply: choice('is_reply', threeWay),
      protocol: choice('protocol', protocolTexts),
    }
    this.#labels = labelsOf(builder)
    this.#numbers = numbersOf(builder)
    this.#wides = widesOf(builder)
    this.#addresses = [
      [places.source, wordsOf(builder.addresses('src_address'))],
      [places.destination, wordsOf(builder.addresses('dst_address'))],
    ]
    this.#translated = wordsOf(builder.addresses('src_address_translated'))
  }

  /** What was counted of the packets. A policy that denied them all makes it a denial. */
  write(record: FlowRecord, seen: Seen): void {
    const row = this.#builder.rows
    const decision = decide(record)
    const denied = isDenial(decision)
    const isBefore = isBeforeTranslation(record)
    this.#begin(row, record, seen)
    this.#choices.event.set(row, denied ? events.policyVerdict : isBefore ? events.translation : events.trace)
    this.#choices.verdict.set(row, denied ? verdicts.dropped : isBefore ? verdicts.translated : verdicts.forwarded)
    this.#wides.bytes.setNumber(row, record.bytes)
    this.#wides.packets.setNumber(row, record.packets)
    if (opens(record) && !denied) this.#numbers.connections[row] = 1
    if (record.duration) this.#wides.duration.setNumber(row, record.duration)
    if (record.roundTrip) this.#wides.roundTrip.setNumber(row, record.roundTrip)
    if (decision !== undecided) this.#writeDecision(row, decision, denied)
    if (denied) this.#labels.dropReason.codes[row] = this.#labels.dropReason.code(dropReasonOf(record, decision))
    this.#builder.next(record.end || seen.received)
  }

  /** What was dropped of them, as a row of its own: its packets are among those counted, and are not counted again. */
  writeDrop(record: FlowRecord, seen: Seen): void {
    const row = this.#builder.rows
    const decision = decide(record)
    this.#begin(row, record, seen)
    this.#choices.event.set(row, decision.isDenied ? events.policyVerdict : events.drop)
    this.#choices.verdict.set(row, verdicts.dropped)
    this.#labels.dropReason.codes[row] = this.#labels.dropReason.code(dropReasonOf(record, decision))
    if (decision.isDenied) this.#writeDecision(row, decision, true)
    this.#builder.next(record.end || seen.received)
  }

  #begin(row: number, record: FlowRecord, { reporter, received }: Seen): void {
    for (const constant of this.#constants) constant.set(row, 0)
    this.#choices.direction.set(row, sideOf(record))
    this.#choices.isReply.set(row, isReply(record))
    this.#choices.protocol.set(row, protocolNumbers[record.protocol & 255])
    this.#labels.reporter.codes[row] = this.#labels.reporter.code(reporter)
    this.#wides.time.setNumber(row, record.end || received)
    this.#wides.received.setNumber(row, received)
    for (const [place, words] of this.#addresses) copy(record.words, place, words, row)
    this.#writeNumbers(row, record)
    this.#writeRare(row, record)
  }

  #writeNumbers(row: number, record: FlowRecord): void {
    const numbers = this.#numbers
    numbers.ipVersion[row] = record.versions[places.source]
    numbers.sourcePort[row] = record.sourcePort
    numbers.destinationPort[row] = record.destinationPort
    numbers.flags[row] = tcpFlagsOf(record.flags)
    numbers.dscp[row] = record.dscp
    if (record.sampling > 1) numbers.weight[row] = record.sampling
    const { passages } = record
    if (!passages.length) return
    const name = passages.length === 1 ? passages[0].name : passages.map(({ name }) => name).join(',')
    this.#labels.interface.codes[row] = this.#labels.interface.code(name)
  }

  #writeRare(row: number, record: FlowRecord): void {
    const numbers = this.#numbers
    if (record.icmpType) numbers.icmpType[row] = record.icmpType
    if (record.icmpCode) numbers.icmpCode[row] = record.icmpCode
    if (record.isEncrypted) numbers.encrypted[row] = 1
    if (record.droppedBytes) this.#wides.droppedBytes.setNumber(row, record.droppedBytes)
    if (record.droppedPackets) this.#wides.droppedPackets.setNumber(row, record.droppedPackets)
    if (isMasqueraded(record)) copy(record.words, places.translatedSource, this.#translated, row)
    if (record.tlsVersion) this.#labels.tlsVersion.codes[row] = this.#labels.tlsVersion.code(tlsVersions[record.tlsVersion] ?? '')
  }

  /** The policies; of a record that some allowed and some denied, the row of what was forwarded names those that allowed. */
  #writeDecision(row: number, { event, isAllowed, isDenied, allowedBy, deniedBy }: Decision, isOfDenied: boolean): void {
    const set = (column: LabelColumn, text: string) => (column.codes[row] = column.code(text))
    set(this.#labels.allowedBy, allowedBy)
    set(this.#labels.deniedBy, deniedBy)
    if (!event || (isDenied && isAllowed && !isOfDenied)) return
    set(this.#labels.policyKind, event.kind)
    set(this.#labels.policyNamespace, event.namespace)
    set(this.#labels.policyName, event.name)
    set(this.#labels.policySource, 'dataplane')
  }
}

const labelsOf = (builder: BlockBuilder) => ({
  reporter: builder.labels('reporter'),
  interface: builder.labels('interface'),
  dropReason: builder.labels('drop_reason'),
  tlsVersion: builder.labels('tls_version'),
  allowedBy: builder.labels('allowed_by'),
  deniedBy: builder.labels('denied_by'),
  policyKind: builder.labels('policy_kind'),
  policyNamespace: builder.labels('policy_namespace'),
  policyName: builder.labels('policy_name'),
  policySource: builder.labels('policy_source'),
})

const numbersOf = (builder: BlockBuilder) => ({
  ipVersion: builder.numbers('ip_version').values,
  sourcePort: builder.numbers('src_port').values,
  destinationPort: builder.numbers('dst_port').values,
  flags: builder.numbers('tcp_flags').values,
  dscp: builder.numbers('dscp').values,
  weight: builder.numbers('weight').values,
  connections: builder.numbers('connections').values,
  icmpType: builder.numbers('icmp_type').values,
  icmpCode: builder.numbers('icmp_code').values,
  encrypted: builder.numbers('encrypted').values,
})

const widesOf = (builder: BlockBuilder) => ({
  time: builder.wides('time'),
  received: builder.wides('received'),
  bytes: builder.wides('bytes'),
  packets: builder.wides('packets'),
  duration: builder.wides('duration'),
  roundTrip: builder.wides('round_trip'),
  droppedBytes: builder.wides('dropped_bytes'),
  droppedPackets: builder.wides('dropped_packets'),
})

function copy(from: Uint32Array, place: number, to: Uint32Array, row: number): void {
  for (let word = 0; word < 4; word++) to[row * 4 + word] = from[place * 4 + word]
}
