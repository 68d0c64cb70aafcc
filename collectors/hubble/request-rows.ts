import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { EndColumns, EnumColumn, TextColumns, setTime } from './columns.ts'
import { dns, http, kafka, splitUrl } from './layer7.ts'
import type { FlowMessage } from './message.ts'
import { PolicyColumns } from './policies.ts'
import { type Texts, noTexts } from './texts.ts'
import * as names from './vocabulary.ts'

const request = 1
const response = 2
const nameError = 3
const protocols: names.Names = Object.assign<string[], Record<number, string>>([''], { [dns]: 'dns', [http]: 'http', [kafka]: 'kafka' })

/** Writes the L7 part of messages as rows of one block of requests, the client always as the source. */
export class RequestRows {
  readonly #builder: BlockBuilder
  readonly #enums
  readonly #numbers
  readonly #wides
  readonly #labels
  readonly #client: EndColumns
  readonly #server: EndColumns
  readonly #policies: PolicyColumns
  readonly #node: TextColumns
  readonly #method: TextColumns
  readonly #version: TextColumns
  readonly #userAgent: TextColumns
  readonly #topic: TextColumns
  readonly #path
  readonly #requestId
  readonly #traceId
  readonly #answers
  readonly #ids: Uint32Array
  #filling = -1
  #hubble = 0
  #proxy = 0

  constructor(builder: BlockBuilder) {
    this.#builder = builder
    const enumColumn = (name: string, of: names.Names) => new EnumColumn(builder.labels(name), of)
    this.#enums = {
      direction: enumColumn('direction', names.directionNames),
      observationPoint: enumColumn('observation_point', names.observationPointNames),
      phase: enumColumn('phase', names.phaseNames),
      verdict: enumColumn('verdict', names.verdictNames),
      protocol: enumColumn('protocol', protocols),
      transport: enumColumn('transport', names.protocolNames),
    }
    this.#numbers = {
      ipVersion: builder.numbers('ip_version').values,
      statusCode: builder.numbers('status_code').values,
      error: builder.numbers('error').values,
      ttl: builder.numbers('dns_ttl').values,
      correlationId: builder.numbers('correlation_id').values,
      proxyPort: builder.numbers('proxy_port').values,
      weight: builder.numbers('weight').values,
    }
    this.#wides = { time: builder.wides('time'), received: builder.wides('received'), latency: builder.wides('latency') }
    this.#labels = {
      agent: builder.labels('source'),
      layer: builder.labels('layer'),
      protocol: builder.labels('protocol'),
      version: builder.labels('protocol_version'),
      method: builder.labels('method'),
      host: builder.labels('host'),
      query: builder.labels('dns_query'),
    }
    this.#client = new EndColumns(builder, 'src_')
    this.#server = new EndColumns(builder, 'dst_')
    this.#policies = new PolicyColumns(builder)
    this.#node = new TextColumns(builder, ['cluster', 'reporter'])
    this.#method = new TextColumns(builder, ['method'])
    this.#version = new TextColumns(builder, ['protocol_version'])
    this.#userAgent = new TextColumns(builder, ['user_agent'])
    this.#topic = new TextColumns(builder, ['kafka_topic'])
    this.#path = builder.texts('path')
    this.#requestId = builder.texts('request_id')
    this.#traceId = builder.texts('trace_id')
    this.#answers = builder.textLists('dns_answers')
    this.#ids = new Uint32Array(builder.ids.buffer, builder.ids.byteOffset, builder.capacity * 2)
  }

  /** To be called after every await: the builder may have begun another block. */
  follow(): void {
    if (this.#filling === this.#builder.filling) return
    this.#filling = this.#builder.filling
    for (const column of Object.values(this.#enums)) column.forget()
    for (const columns of [this.#client, this.#server, this.#policies]) columns.forget()
    for (const columns of [this.#node, this.#method, this.#version, this.#userAgent, this.#topic]) columns.forget()
    this.#hubble = this.#labels.agent.code('hubble')
    this.#proxy = this.#labels.layer.code('l7_proxy')
  }

  get full(): boolean {
    return this.#builder.full
  }

  write(message: FlowMessage, received: number): void {
    const row = this.#builder.rows
    const { l7 } = message
    setTime(this.#wides.time, row, message.time)
    setTime(this.#wides.received, row, received)
    this.#wides.latency.setWords(row, l7.latencyLow, l7.latencyHigh)
    this.#labels.agent.codes[row] = this.#hubble
    this.#labels.layer.codes[row] = this.#proxy
    this.#node.set(row, message.node)
    this.#writeCommon(row, message)
    this.#writeEnds(row, message)
    this.#policies.set(row, message)
    if (l7.record === http) this.#writeHttp(row, message)
    else if (l7.record === dns) this.#writeDns(row, message)
    else this.#writeKafka(row, message)
    this.#ids[row * 2] = message.id.low
    this.#ids[row * 2 + 1] = message.id.high
    this.#builder.next(message.time)
  }

  #writeCommon(row: number, message: FlowMessage): void {
    const { l7 } = message
    this.#enums.direction.set(row, message.direction)
    this.#enums.observationPoint.set(row, message.observationPoint)
    this.#enums.phase.set(row, l7.phase)
    this.#enums.verdict.set(row, message.verdict)
    this.#enums.protocol.set(row, l7.record)
    this.#enums.transport.set(row, message.packet.protocol)
    this.#numbers.ipVersion[row] = message.packet.ipVersion
    this.#numbers.statusCode[row] = l7.statusCode
    this.#numbers.proxyPort[row] = message.proxyPort
    this.#numbers.weight[row] = message.weight
    if (message.traceId) this.#traceId.set(row, message.traceId)
  }

  /** The ends of a response come the other way round. */
  #writeEnds(row: number, message: FlowMessage): void {
    const { phase } = message.l7
    const reversed = phase === response || (phase !== request && message.isReply === 1)
    const client = reversed ? this.#server : this.#client
    const server = reversed ? this.#client : this.#server
    client.set(row, message.source, message.sourceService, message.sourceNames)
    client.setAddress(row, message.packet.addresses.words, 0, message.packet.sourcePort)
    server.set(row, message.destination, message.destinationService, message.destinationNames)
    server.setAddress(row, message.packet.addresses.words, 1, message.packet.destinationPort)
  }

  #writeHttp(row: number, { l7 }: FlowMessage): void {
    const parts = splitUrl(l7.url)
    if (parts[0]) this.#labels.host.set(row, parts[0])
    this.#path.set(row, parts[1])
    this.#method.set(row, l7.method)
    this.#version.set(row, l7.version)
    this.#numbers.error[row] = l7.statusCode >= 500 && l7.statusCode < 600 ? 1 : 0
    if (l7.userAgent !== noTexts) this.#userAgent.set(row, l7.userAgent)
    if (l7.requestId) this.#requestId.set(row, l7.requestId)
    if (l7.contentType.texts[0].startsWith('application/grpc')) this.#labels.protocol.set(row, 'grpc')
  }

  #writeDns(row: number, { l7 }: FlowMessage): void {
    this.#labels.query.set(row, l7.query.texts[0].replace(/\.$/, ''))
    this.#method.setAll(row, l7.queryTypes)
    this.#numbers.ttl[row] = l7.ttl
    this.#numbers.error[row] = l7.statusCode !== 0 && l7.statusCode !== nameError ? 1 : 0
    if (l7.addresses.length + l7.names.length) this.#answers.set(row, [...l7.addresses, ...l7.names].map(textOf))
  }

  #writeKafka(row: number, { l7 }: FlowMessage): void {
    this.#method.set(row, l7.method)
    this.#labels.version.set(row, String(l7.apiVersion))
    this.#topic.set(row, l7.topic)
    this.#numbers.correlationId[row] = l7.correlationId
    this.#numbers.error[row] = l7.statusCode !== 0 ? 1 : 0
  }
}

const textOf = (item: Texts) => item.texts[0]
