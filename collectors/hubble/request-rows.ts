import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { setWide } from '../columns.ts'
import { EndColumns, EndNumberings } from './end-columns.ts'
import { EnumColumns } from './enum-columns.ts'
import { ItemColumns, Numbering, inRequests } from './item-columns.ts'
import { dns, http, kafka } from './layer7.ts'
import type { FlowMessage } from './message.ts'
import { PolicyColumns } from './policies.ts'
import type { Texts } from './texts.ts'
import * as names from './vocabulary.ts'
import { nameIn } from './vocabulary.ts'

const request = 1
const response = 2
const nameError = 3
const grpc = 103
const protocols: names.Names = Object.assign<string[], Record<number, string>>([''], {
  [dns]: 'dns',
  [http]: 'http',
  [kafka]: 'kafka',
  [grpc]: 'grpc',
})

/** Writes the L7 part of messages as rows of one block of requests, the client always as the source. */
export class RequestRows {
  readonly #builder: BlockBuilder
  readonly #enums: EnumColumns
  readonly #protocols: EnumColumns
  readonly #numbers
  readonly #wides
  readonly #client: EndColumns
  readonly #server: EndColumns
  readonly #policies: PolicyColumns
  readonly #numberings: readonly { forget(): void }[]
  readonly #node: ItemColumns
  readonly #method: ItemColumns
  readonly #version: ItemColumns
  readonly #userAgent: ItemColumns
  readonly #topic: ItemColumns
  readonly #host: ItemColumns
  readonly #query: ItemColumns
  readonly #path
  readonly #requestId
  readonly #traceId
  readonly #answers
  readonly #ids: Int32Array
  #filling = -1

  constructor(builder: BlockBuilder, message: FlowMessage) {
    this.#builder = builder
    this.#enums = new EnumColumns(builder, [
      ['direction', nameIn(names.directionNames)],
      ['observation_point', nameIn(names.observationPointNames)],
      ['phase', nameIn(names.phaseNames)],
      ['verdict', nameIn(names.verdictNames)],
    ])
    this.#protocols = new EnumColumns(builder, [
      ['protocol', nameIn(protocols)],
      ['transport', nameIn(names.protocolNames)],
      ['source', () => 'hubble'],
      ['layer', () => 'l7_proxy'],
    ])
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
    const { dictionaries } = message.known
    const ends = new EndNumberings(builder, message.known, inRequests)
    const nodes = new Numbering(builder, message.known.nodes, { dictionaries, place: inRequests, width: 2, most: 1 })
    const words = new Numbering(builder, message.known.words, { dictionaries, place: inRequests, width: 1, most: 6 })
    this.#client = new EndColumns(builder, 'src_', ends)
    this.#server = new EndColumns(builder, 'dst_', ends)
    this.#policies = new PolicyColumns(builder, message.known, inRequests)
    this.#node = new ItemColumns(nodes, ['cluster', 'reporter'])
    this.#method = new ItemColumns(words, ['method'])
    this.#version = new ItemColumns(words, ['protocol_version'])
    this.#userAgent = new ItemColumns(words, ['user_agent'])
    this.#topic = new ItemColumns(words, ['kafka_topic'])
    this.#host = new ItemColumns(words, ['host'])
    this.#query = new ItemColumns(words, ['dns_query'])
    this.#numberings = [ends, nodes, words]
    this.#path = builder.texts('path')
    this.#requestId = builder.texts('request_id')
    this.#traceId = builder.texts('trace_id')
    this.#answers = builder.textLists('dns_answers')
    this.#ids = new Int32Array(builder.ids.buffer, builder.ids.byteOffset, builder.capacity * 2)
  }

  /** To be called after every await: the builder may have begun another block. */
  follow(): void {
    if (this.#filling === this.#builder.filling) return
    this.#filling = this.#builder.filling
    for (const numbering of this.#numberings) numbering.forget()
    for (const columns of [this.#enums, this.#protocols]) columns.forget()
    for (const columns of [this.#client, this.#server, this.#policies, this.#node]) columns.forget()
    for (const columns of [this.#method, this.#version, this.#userAgent, this.#topic, this.#host, this.#query]) columns.forget()
  }

  get full(): boolean {
    return this.#builder.full
  }

  write(message: FlowMessage, received: number): void {
    const row = this.#builder.rows
    const { l7 } = message
    setWide(this.#wides.time, row, message.time)
    setWide(this.#wides.received, row, received)
    this.#wides.latency.setWords(row, l7.latencyLow, l7.latencyHigh)
    this.#node.set(row, message.nodeName)
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
    this.#enums.set(row, message.direction, message.observationPoint, l7.phase, message.verdict)
    this.#protocols.set(row, l7.record === http && l7.isGrpc ? grpc : l7.record, message.packet.protocol)
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
    this.#host.set(row, l7.host)
    if (l7.parts) this.#host.setText(row, l7.parts[0])
    if (l7.parts) this.#path.set(row, l7.parts[1])
    else this.#path.setBytes(row, l7.bytes, l7.pathStart, l7.pathEnd)
    this.#method.set(row, l7.method)
    this.#version.set(row, l7.version)
    this.#numbers.error[row] = l7.statusCode >= 500 && l7.statusCode < 600 ? 1 : 0
    if (l7.userAgent) this.#userAgent.set(row, l7.userAgent)
    if (l7.requestIdEnd) this.#requestId.setBytes(row, l7.bytes, l7.requestIdStart, l7.requestIdEnd)
  }

  #writeDns(row: number, { l7 }: FlowMessage): void {
    this.#query.set(row, l7.query)
    this.#method.setAll(row, l7.queryTypes)
    this.#numbers.ttl[row] = l7.ttl
    this.#numbers.error[row] = l7.statusCode !== 0 && l7.statusCode !== nameError ? 1 : 0
    if (l7.addresses.length + l7.names.length) this.#answers.set(row, [...l7.addresses, ...l7.names].map(textOf))
  }

  #writeKafka(row: number, { l7 }: FlowMessage): void {
    this.#method.set(row, l7.method)
    this.#version.setText(row, String(l7.apiVersion))
    this.#topic.set(row, l7.topic)
    this.#numbers.correlationId[row] = l7.correlationId
    this.#numbers.error[row] = l7.statusCode !== 0 ? 1 : 0
  }
}

const textOf = (item: Texts) => item.texts[0]
