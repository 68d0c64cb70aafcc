import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { LabelColumn } from '../../runtime/block/columns.ts'
import { copyAddress, setWide, wordsOf } from '../columns.ts'
import { EndColumns, EndNumberings } from './end-columns.ts'
import { EnumColumns } from './enum-columns.ts'
import { ItemColumns, Numbering, inFlows } from './item-columns.ts'
import type { Interner } from '../protobuf/interner.ts'
import type { FlowMessage } from './message.ts'
import { PolicyColumns } from './policies.ts'
import type { Texts } from './texts.ts'
import * as names from './vocabulary.ts'
import { nameIn } from './vocabulary.ts'

const l7 = 2
const policyMatchName = nameIn(names.policyMatchNames)

/** Writes messages as rows of one block of flows. Takes the columns of a builder once and follows it through its fillings. */
export class FlowRows {
  readonly #builder: BlockBuilder
  readonly #event: EnumColumns
  readonly #way: EnumColumns
  readonly #rareEnums: EnumColumns
  readonly #policyMatch: LabelColumn
  readonly #numbers
  readonly #wides
  readonly #source: EndColumns
  readonly #destination: EndColumns
  readonly #policies: PolicyColumns
  readonly #numberings: readonly { forget(): void }[]
  readonly #node: ItemColumns
  readonly #interface: ItemColumns
  readonly #dropSite: ItemColumns
  readonly #policyLog: ItemColumns
  readonly #traceId
  readonly #translated: Uint32Array
  readonly #ids: Int32Array
  #filling = -1

  constructor(builder: BlockBuilder, message: FlowMessage) {
    this.#builder = builder
    this.#event = new EnumColumns(builder, [
      ['type', nameIn(names.typeNames)],
      ['event', nameIn(names.eventNames)],
      ['verdict', nameIn(names.verdictNames)],
      ['observation_point', nameIn(names.observationPointNames)],
    ])
    this.#event.also('layer', 0, type => (type === l7 ? 'l7_proxy' : 'kernel'))
    this.#way = new EnumColumns(builder, [
      ['direction', nameIn(names.directionNames)],
      ['is_reply', nameIn(names.threeWayNames)],
      ['trace_reason', nameIn(names.traceReasonNames)],
      ['protocol', nameIn(names.protocolNames)],
    ])
    this.#rareEnums = new EnumColumns(builder, [
      ['drop_reason', nameIn(names.dropReasonNames)],
      ['auth_type', nameIn(names.authTypeNames)],
      ['socket_translation', nameIn(names.socketTranslationNames)],
      ['tunnel', nameIn(names.tunnelNames)],
    ])
    this.#rareEnums.also('source', 0, () => 'hubble')
    this.#policyMatch = builder.labels('policy_match')
    this.#numbers = {
      encrypted: builder.numbers('encrypted').values,
      ipVersion: builder.numbers('ip_version').values,
      tcpFlags: builder.numbers('tcp_flags').values,
      icmpType: builder.numbers('icmp_type').values,
      icmpCode: builder.numbers('icmp_code').values,
      proxyPort: builder.numbers('proxy_port').values,
      weight: builder.numbers('weight').values,
    }
    this.#wides = {
      time: builder.wides('time'),
      received: builder.wides('received'),
      socketCookie: builder.wides('socket_cookie'),
      cgroupId: builder.wides('cgroup_id'),
    }
    const numbering = (interner: Interner<Texts>, width: number, most: number) =>
      new Numbering(builder, interner, { dictionaries: message.known.dictionaries, place: inFlows, width, most })
    const ends = new EndNumberings(builder, message.known, inFlows)
    const [nodes, interfaces, dropSites] = [
      numbering(message.known.nodes, 2, 1),
      numbering(message.known.interfaces, 1, 1),
      numbering(message.known.dropSites, 1, 1),
    ]
    const words = numbering(message.known.names, 1, 1)
    this.#source = new EndColumns(builder, 'src_', ends)
    this.#destination = new EndColumns(builder, 'dst_', ends)
    this.#node = new ItemColumns(nodes, ['cluster', 'reporter'])
    this.#interface = new ItemColumns(interfaces, ['interface'])
    this.#dropSite = new ItemColumns(dropSites, ['drop_site'])
    this.#policyLog = new ItemColumns(words, ['policy_log'])
    this.#policies = new PolicyColumns(builder, message.known, inFlows)
    this.#numberings = [ends, nodes, interfaces, dropSites, words]
    this.#traceId = builder.texts('trace_id')
    this.#translated = wordsOf(builder.addresses('src_address_translated'))
    this.#ids = new Int32Array(builder.ids.buffer, builder.ids.byteOffset, builder.capacity * 2)
  }

  /** To be called after every await: the builder may have begun another block. */
  follow(): void {
    if (this.#filling === this.#builder.filling) return
    this.#filling = this.#builder.filling
    for (const numbering of this.#numberings) numbering.forget()
    for (const columns of [this.#event, this.#way, this.#rareEnums]) columns.forget()
    for (const columns of [this.#source, this.#destination, this.#policies]) columns.forget()
    for (const columns of [this.#node, this.#interface, this.#dropSite, this.#policyLog]) columns.forget()
  }

  get full(): boolean {
    return this.#builder.full
  }

  write(message: FlowMessage, received: number): void {
    const row = this.#builder.rows
    setWide(this.#wides.time, row, message.time)
    setWide(this.#wides.received, row, received)
    this.#node.set(row, message.nodeName)
    this.#event.set(row, message.type, message.event, message.verdict, message.observationPoint)
    this.#way.set(row, message.direction, message.isReply, message.traceReason, message.packet.protocol)
    this.#writePacket(row, message)
    if (message.hasRare) this.#writeRare(row, message)
    this.#interface.set(row, message.interface)
    this.#source.set(row, message.source, message.sourceService, message.sourceNames)
    this.#source.setAddress(row, message.packet.addresses.words, 0, message.packet.sourcePort)
    this.#destination.set(row, message.destination, message.destinationService, message.destinationNames)
    this.#destination.setAddress(row, message.packet.addresses.words, 1, message.packet.destinationPort)
    this.#ids[row * 2] = message.id.low
    this.#ids[row * 2 + 1] = message.id.high
    this.#builder.next(message.time)
  }

  #writePacket(row: number, message: FlowMessage): void {
    const numbers = this.#numbers
    numbers.ipVersion[row] = message.packet.ipVersion
    numbers.tcpFlags[row] = message.packet.tcpFlags
  }

  /** What most flows have not; rows hold the default until they are written. */
  #writeRare(row: number, message: FlowMessage): void {
    this.#rareEnums.set(row, message.dropReason, message.authType, message.socketTranslation, message.tunnel)
    // 0 is a match too, and says something of verdicts only.
    if (message.policyMatch || message.event === names.monitor.policyVerdict)
      this.#policyMatch.codes[row] = this.#policyMatch.code(policyMatchName(message.policyMatch))
    this.#wides.socketCookie.setWords(row, message.socketCookieLow, message.socketCookieHigh)
    this.#wides.cgroupId.setWords(row, message.cgroupLow, message.cgroupHigh)
    if (message.traceId) this.#traceId.set(row, message.traceId)
    this.#dropSite.set(row, message.dropSite)
    if (message.hasPolicies) this.#policyLog.setAll(row, message.policyLog)
    this.#policies.set(row, message)
    this.#writeRarePacket(row, message)
  }

  #writeRarePacket(row: number, message: FlowMessage): void {
    const numbers = this.#numbers
    numbers.encrypted[row] = message.packet.encrypted
    numbers.icmpType[row] = message.packet.icmpType
    numbers.icmpCode[row] = message.packet.icmpCode
    numbers.proxyPort[row] = message.proxyPort
    numbers.weight[row] = message.weight
    copyAddress(this.#translated, row, message.packet.addresses.words, 2)
  }
}
