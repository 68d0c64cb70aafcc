import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { LabelColumn } from '../../runtime/block/columns.ts'
import type { Identity } from '../mesh/identity.ts'
import { flagsText } from '../mesh/response-flags.ts'
import { withoutSecrets, withoutUser } from '../mesh/secrets.ts'
import type { Exchange } from './exchange.ts'
import { fieldOf } from './fields.ts'
import type { Origin } from './origin.ts'
import { Queries } from './query.ts'
import type { SocketAddress } from './values.ts'
import { refusalFields } from './outcome.ts'
import { WordColumn, type Words } from './words.ts'

const nanosPerMilli = 1e6
const questionMark = 63
/** Fields whose text is a label as it is. */
const labels = [
  ['method', fieldOf.method],
  ['protocol_version', fieldOf.protocol],
  ['host', fieldOf.authority, withoutUser],
  ['response_flags', fieldOf.response_flags, flagsText],
  ['response_details', fieldOf.response_code_details],
  ['route', fieldOf.route_name],
  ['upstream_cluster', fieldOf.upstream_cluster],
  ['sni', fieldOf.requested_server_name],
  ['user_agent', fieldOf.user_agent],
  ['tls_version', fieldOf.downstream_tls_version],
] as const
/** Fields that are kept as attributes, where there is something in them. */
const kept = (['upstream_transport_failure_reason', 'connection_termination_details', 'x_forwarded_for', 'content_type'] as const).map(
  name => ({ name, field: fieldOf[name] }),
)
/** What of the origin and the side is the same for most rows of a block. */
const common = ['source', 'cluster', 'reporter', 'reporter_kind', 'direction', 'layer', 'phase', 'transport'] as const
const claims = ['namespace', 'pod', 'workload', 'node'] as const

/** Writes logs of HTTP as rows of one block of requests, without an object for any of them. */
export class RequestRows {
  readonly #builder: BlockBuilder
  readonly #words: { column: WordColumn; field: number }[]
  readonly #label: Readonly<Record<string, LabelColumn>>
  readonly #numbers
  readonly #wides
  readonly #texts
  readonly #path
  readonly #queries: Queries
  readonly #attributes
  readonly #service: LabelColumn
  readonly #source
  readonly #destination
  #filling = -1
  #origin: Origin | undefined
  #direction = ''
  #kind = ''
  #own: Exchange['own']
  #protocol = ''
  #transport = ''
  #verdict = ''
  /** Columns and codes that go with the origin and the side written last. */
  #same: { codes: Uint16Array; code: number }[] = []

  constructor(builder: BlockBuilder, words: Words) {
    this.#builder = builder
    this.#words = labels.map(([name, field, clean]) => ({ column: new WordColumn(builder.labels(name), words, clean), field }))
    const ends = ['src_', 'dst_'].flatMap(end =>
      [...claims, 'service', 'dns_name', 'service_account', 'spiffe_id', 'spiffe_id_source'].map(name => end + name),
    )
    const names = [
      ...common,
      ...ends,
      'protocol',
      'verdict',
      'grpc_status',
      'drop_reason',
      'policy_kind',
      'policy_namespace',
      'policy_name',
      'policy_source',
    ]
    this.#label = Object.fromEntries(names.map(name => [name, builder.labels(name)]))
    this.#numbers = {
      ipVersion: builder.numbers('ip_version').values,
      statusCode: builder.numbers('status_code').values,
      error: builder.numbers('error').values,
      attempts: builder.numbers('attempts').values,
    }
    this.#wides = {
      time: builder.wides('time'),
      received: builder.wides('received'),
      latency: builder.wides('latency'),
      upstreamLatency: builder.wides('upstream_latency'),
      requestBytes: builder.wides('request_bytes'),
      responseBytes: builder.wides('response_bytes'),
    }
    this.#texts = (
      [
        ['request_id', fieldOf.request_id],
        ['connection_id', fieldOf.connection_id],
      ] as const
    ).map(([name, field]) => ({ column: builder.texts(name), field }))
    this.#queries = new Queries(words)
    this.#path = builder.texts('path')
    this.#attributes = builder.attributes('attributes')
    this.#service = builder.labels('dst_service')
    this.#source = endOf(builder, 'src_')
    this.#destination = endOf(builder, 'dst_')
  }

  write(exchange: Exchange, traceId: string, spanId: string): void {
    const row = this.#builder.rows
    const { fields } = exchange
    this.#writeCommon(row, exchange)
    for (let i = 0; i < this.#words.length; i++) {
      const { column, field } = this.#words[i]
      if (fields.has(field)) column.set(row, exchange.word(field))
    }
    for (let i = 0; i < this.#texts.length; i++) {
      const { column, field } = this.#texts[i]
      if (fields.has(field)) column.setBytes(row, fields.bytes, fields.starts[field], fields.ends[field])
    }
    this.#writePath(row, exchange)
    if (spanId) this.#builder.texts('span_id').set(row, spanId)
    if (traceId) this.#builder.texts('trace_id').set(row, traceId)
    this.#writeNumbers(row, exchange)
    this.#writeStatus(row, exchange)
    this.#writeEnds(row, exchange)
    this.#writeOthers(row, exchange)
    this.#builder.next(exchange.time)
  }

  /** Parameters that are secrets by their names are not kept. */
  #writePath(row: number, { fields }: Exchange): void {
    const { bytes, starts, ends } = fields
    const [start, end] = [starts[fieldOf.path], ends[fieldOf.path]]
    if (start >= end) return
    let query = start
    while (query < end && bytes[query] !== questionMark) query++
    if (!this.#queries.mayHoldSecret(bytes, query + 1, end)) this.#path.setBytes(row, bytes, start, end)
    else this.#path.set(row, withoutSecrets(bytes.toString('utf8', start, end)))
  }

  #writeNumbers(row: number, exchange: Exchange): void {
    const { time, received, latency, upstreamLatency, requestBytes, responseBytes } = this.#wides
    time.setNumber(row, exchange.time)
    received.setNumber(row, exchange.received)
    latency.setNumber(row, exchange.duration)
    upstreamLatency.setNumber(row, exchange.number(fieldOf.upstream_service_time) * nanosPerMilli)
    requestBytes.setNumber(row, exchange.number(fieldOf.bytes_received))
    responseBytes.setNumber(row, exchange.number(fieldOf.bytes_sent))
    this.#numbers.attempts[row] = exchange.number(fieldOf.attempts)
    this.#numbers.ipVersion[row] = exchange.destination.ipVersion || exchange.source.ipVersion
  }

  /** Labels that hang on who reports and from which side. */
  #writeCommon(row: number, exchange: Exchange): void {
    const { origin, direction, kind, own } = exchange
    const protocol = exchange.isGrpc ? 'grpc' : 'http'
    const transport = exchange.isHttp3 ? 'udp' : 'tcp'
    const verdict = exchange.refusal || exchange.isBlackhole ? 'dropped' : 'forwarded'
    const isSame =
      direction === this.#direction &&
      kind === this.#kind &&
      own === this.#own &&
      protocol === this.#protocol &&
      transport === this.#transport &&
      verdict === this.#verdict
    if (!isSame || this.#filling !== this.#builder.filling || origin !== this.#origin) {
      this.#filling = this.#builder.filling
      this.#origin = origin
      this.#direction = direction
      this.#kind = kind
      this.#own = own
      this.#protocol = protocol
      this.#transport = transport
      this.#verdict = verdict
      this.#same = this.#codesOf(exchange, { protocol, transport, verdict })
    }
    for (let i = 0; i < this.#same.length; i++) this.#same[i].codes[row] = this.#same[i].code
  }

  #codesOf({ origin, direction, kind, own }: Exchange, decided: Readonly<Record<string, string>>): { codes: Uint16Array; code: number }[] {
    const values: Record<string, string> = {
      source: origin.source,
      cluster: origin.cluster,
      reporter: origin.reporter,
      reporter_kind: kind,
      direction,
      layer: 'l7_proxy',
      phase: 'exchange',
      ...decided,
    }
    if (own) for (const name of claims) values[own + name] = name === 'pod' ? origin.pod : origin[name]
    return Object.entries(values).flatMap(([name, text]) =>
      text ? [{ codes: this.#label[name].codes, code: this.#label[name].code(text) }] : [],
    )
  }

  #set(row: number, name: string, text: string): void {
    const column = this.#label[name]
    column.codes[row] = column.code(text)
  }

  #writeStatus(row: number, exchange: Exchange): void {
    const status = exchange.number(fieldOf.response_code)
    const { grpc, flags, refusal, isBlackhole } = exchange
    this.#numbers.statusCode[row] = status
    this.#numbers.error[row] = status >= 500 || grpc.failed || (status === 0 && flags.failed) ? 1 : 0
    if (grpc.text) this.#set(row, 'grpc_status', grpc.text)
    if (refusal) for (const [name, text] of Object.entries(refusalFields(refusal))) this.#set(row, name, text)
    else if (isBlackhole) this.#set(row, 'drop_reason', 'blackhole')
  }

  #writeEnds(row: number, exchange: Exchange): void {
    const { source, destination, sourceIdentity, destinationIdentity, service, host } = exchange
    writeEnd(row, this.#source, source)
    writeEnd(row, this.#destination, destination)
    if (service) this.#service.codes[row] = this.#service.code(service)
    if (host) this.#set(row, 'dst_dns_name', host)
    if (sourceIdentity) this.#writeIdentity(row, 'src_', sourceIdentity)
    if (destinationIdentity) this.#writeIdentity(row, 'dst_', destinationIdentity)
  }

  #writeIdentity(row: number, end: string, { spiffeId, serviceAccount, namespace, service }: Identity): void {
    this.#set(row, `${end}spiffe_id`, spiffeId)
    this.#set(row, `${end}spiffe_id_source`, 'certificate')
    this.#set(row, `${end}service_account`, serviceAccount)
    if (namespace) this.#set(row, `${end}namespace`, namespace)
    if (service && this.#label[`${end}service`].codes[row] === 0) this.#set(row, `${end}service`, serviceName(namespace, service))
  }

  #writeOthers(row: number, { fields }: Exchange): void {
    let begun = false
    for (let i = 0; i < kept.length; i++) {
      const { name, field } = kept[i]
      if (!fields.has(field)) continue
      if (!begun) this.#attributes.begin(row)
      begun = true
      this.#attributes.addBytes(name, fields.bytes, fields.starts[field], fields.ends[field])
    }
    if (!fields.others.length) return
    if (!begun) this.#attributes.begin(row)
    for (const [name, value] of fields.others) this.#attributes.add(name, value)
  }
}

/** Consul gives identities to services. */
export const serviceName = (namespace: string, service: string) => (namespace ? `${namespace}/${service}` : service)

function endOf(builder: BlockBuilder, end: string) {
  const { bytes } = builder.addresses(`${end}address`)
  return { words: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), ports: builder.numbers(`${end}port`).values }
}

function writeEnd(row: number, { words, ports }: ReturnType<typeof endOf>, address: SocketAddress): void {
  for (let i = 0; i < 4; i++) words[row * 4 + i] = address.words[i]
  ports[row] = address.port
}
