import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { EndColumns, EnumColumn, TextColumns, copyAddress, setTime, wordsOf } from './columns.ts'
import type { FlowMessage } from './message.ts'
import { PolicyColumns } from './policies.ts'
import * as names from './vocabulary.ts'

const l7 = 2

/** Writes messages as rows of one block of flows. Takes the columns of a builder once and follows it through its fillings. */
export class FlowRows {
  readonly #builder: BlockBuilder
  readonly #enums
  readonly #numbers
  readonly #wides
  readonly #source: EndColumns
  readonly #destination: EndColumns
  readonly #policies: PolicyColumns
  readonly #node: TextColumns
  readonly #interface: TextColumns
  readonly #dropSite: TextColumns
  readonly #policyLog: TextColumns
  readonly #traceId
  readonly #translated: Uint32Array
  readonly #agent
  readonly #layer
  readonly #ids: Uint32Array
  #filling = -1
  #hubble = 0
  #kernel = 0
  #proxy = 0

  constructor(builder: BlockBuilder) {
    this.#builder = builder
    const enumColumn = (name: string, of: names.Names) => new EnumColumn(builder.labels(name), of)
    this.#enums = {
      type: enumColumn('type', names.typeNames),
      event: enumColumn('event', names.eventNames),
      observationPoint: enumColumn('observation_point', names.observationPointNames),
      direction: enumColumn('direction', names.directionNames),
      isReply: enumColumn('is_reply', names.threeWayNames),
      verdict: enumColumn('verdict', names.verdictNames),
      dropReason: enumColumn('drop_reason', names.dropReasonNames),
      traceReason: enumColumn('trace_reason', names.traceReasonNames),
      authType: enumColumn('auth_type', names.authTypeNames),
      protocol: enumColumn('protocol', names.protocolNames),
      socketTranslation: enumColumn('socket_translation', names.socketTranslationNames),
      tunnel: enumColumn('tunnel', names.tunnelNames),
      policyMatch: enumColumn('policy_match', names.policyMatchNames),
    }
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
    this.#source = new EndColumns(builder, 'src_')
    this.#destination = new EndColumns(builder, 'dst_')
    this.#node = new TextColumns(builder, ['cluster', 'reporter'])
    this.#interface = new TextColumns(builder, ['interface'])
    this.#dropSite = new TextColumns(builder, ['drop_site'])
    this.#policyLog = new TextColumns(builder, ['policy_log'])
    this.#policies = new PolicyColumns(builder)
    this.#traceId = builder.texts('trace_id')
    this.#translated = wordsOf(builder.addresses('src_address_translated'))
    this.#agent = builder.labels('source')
    this.#layer = builder.labels('layer')
    this.#ids = new Uint32Array(builder.ids.buffer, builder.ids.byteOffset, builder.capacity * 2)
  }

  /** To be called after every await: the builder may have begun another block. */
  follow(): void {
    if (this.#filling === this.#builder.filling) return
    this.#filling = this.#builder.filling
    for (const column of Object.values(this.#enums)) column.forget()
    for (const columns of [this.#source, this.#destination, this.#policies]) columns.forget()
    for (const columns of [this.#node, this.#interface, this.#dropSite, this.#policyLog]) columns.forget()
    this.#hubble = this.#agent.code('hubble')
    this.#kernel = this.#layer.code('kernel')
    this.#proxy = this.#layer.code('l7_proxy')
  }

  get full(): boolean {
    return this.#builder.full
  }

  write(message: FlowMessage, received: number): void {
    const row = this.#builder.rows
    setTime(this.#wides.time, row, message.time)
    setTime(this.#wides.received, row, received)
    this.#agent.codes[row] = this.#hubble
    this.#layer.codes[row] = message.type === l7 ? this.#proxy : this.#kernel
    this.#node.set(row, message.node)
    this.#writeEvent(row, message)
    this.#writePacket(row, message)
    this.#writeRare(row, message)
    this.#policies.set(row, message)
    this.#source.set(row, message.source, message.sourceService, message.sourceNames)
    this.#source.setAddress(row, message.packet.addresses.words, 0, message.packet.sourcePort)
    this.#destination.set(row, message.destination, message.destinationService, message.destinationNames)
    this.#destination.setAddress(row, message.packet.addresses.words, 1, message.packet.destinationPort)
    this.#ids[row * 2] = message.id.low
    this.#ids[row * 2 + 1] = message.id.high
    this.#builder.next(message.time)
  }

  #writeEvent(row: number, message: FlowMessage): void {
    const enums = this.#enums
    enums.type.set(row, message.type)
    enums.event.set(row, message.event)
    enums.verdict.set(row, message.verdict)
    if (message.observationPoint) enums.observationPoint.set(row, message.observationPoint)
    if (message.direction) enums.direction.set(row, message.direction)
    if (message.isReply) enums.isReply.set(row, message.isReply)
    if (message.traceReason) enums.traceReason.set(row, message.traceReason)
  }

  #writePacket(row: number, message: FlowMessage): void {
    const numbers = this.#numbers
    if (message.packet.protocol) this.#enums.protocol.set(row, message.packet.protocol)
    numbers.ipVersion[row] = message.packet.ipVersion
    numbers.encrypted[row] = message.packet.encrypted
    numbers.tcpFlags[row] = message.packet.tcpFlags
    numbers.icmpType[row] = message.packet.icmpType
    numbers.icmpCode[row] = message.packet.icmpCode
    numbers.proxyPort[row] = message.proxyPort
    numbers.weight[row] = message.weight
    copyAddress(this.#translated, row, message.packet.addresses.words, 2)
  }

  /** What most flows have not; rows hold the default until they are written. */
  #writeRare(row: number, message: FlowMessage): void {
    const enums = this.#enums
    if (message.dropReason) enums.dropReason.set(row, message.dropReason)
    if (message.authType) enums.authType.set(row, message.authType)
    if (message.tunnel) enums.tunnel.set(row, message.tunnel)
    if (message.policyMatch || message.event === names.monitor.policyVerdict) enums.policyMatch.set(row, message.policyMatch)
    if (message.socketTranslation) enums.socketTranslation.set(row, message.socketTranslation)
    this.#wides.socketCookie.setWords(row, message.socketCookieLow, message.socketCookieHigh)
    this.#wides.cgroupId.setWords(row, message.cgroupLow, message.cgroupHigh)
    if (message.traceId) this.#traceId.set(row, message.traceId)
    this.#interface.set(row, message.interface)
    this.#dropSite.set(row, message.dropSite)
    if (message.hasPolicies) this.#policyLog.setAll(row, message.policyLog)
  }
}
