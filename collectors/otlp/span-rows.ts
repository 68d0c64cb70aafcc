import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { LabelColumn } from '../../runtime/block/columns.ts'
import { requestProtocols, spanKinds, spanStatuses } from '../../schema/vocabulary.ts'
import { setWide, wordsOf } from '../columns.ts'
import { cutText } from './any-value.ts'
import { Call } from './call.ts'
import { Counterpart } from './counterpart.ts'
import { at } from './keys.ts'
import { MakerColumns } from './maker-columns.ts'
import type { Limits } from './options.ts'
import { isProxySpan, proxyMaker } from './proxy.ts'
import type { Resource } from './resource.ts'
import { weightOf } from './sampling.ts'
import type { SpanMessage } from './span.ts'
import { microsOf } from './time.ts'

const spanIdBytes = 8
const traceIdBytes = 16

/** Writes spans into a block. */
export class SpanRows {
  readonly builder: BlockBuilder
  readonly #limits: Limits
  readonly #source: string
  readonly #call = new Call()
  readonly #counterpart = new Counterpart()
  readonly #makers: MakerColumns
  readonly #columns: ReturnType<typeof columnsOf>
  /** Codes of this filling of the block, by number of the kind and status. */
  #kinds: number[] = []
  #statuses: number[] = []
  #protocols: number[] = []
  #scope = ''
  #scopeIs = 0
  #filling = -1
  #sourceCode = 0
  #bytes = 0

  constructor(builder: BlockBuilder, { limits, source }: { limits: Limits; source: string }) {
    this.builder = builder
    this.#limits = limits
    this.#source = source
    this.#makers = new MakerColumns(builder)
    this.#columns = columnsOf(builder)
  }

  /** Bytes of the spans in the block that is being filled. */
  get bytes(): number {
    return this.#filling === this.builder.filling ? this.#bytes : 0
  }

  /** The column attributes go to while a span of so many bytes is read, with the row begun. */
  begin(bytes: number) {
    const { attributes } = this.#columns
    this.#follow()
    this.#bytes += bytes
    attributes.begin(this.builder.rows)
    return attributes
  }

  /** Writes the span that was read, and counts the row. `received` in microseconds. */
  write(span: SpanMessage, resource: Resource, scope: string, received: number): void {
    const row = this.builder.rows
    const { facts } = span
    const isServer = span.kind === 2 || span.kind === 5
    const isProxy = isProxySpan(facts)
    const maker = isProxy ? proxyMaker(facts, resource) : resource.maker
    this.#makers.set(row, maker, isServer)
    this.#call.read(facts)
    this.#counterpart.read(facts, this.#call, { isServer, isProxy })
    this.#writeIdentity(row, span, resource, scope)
    this.#writeCall(row, span)
    this.#writeEnds(row, isServer, maker.own.address)
    if (isProxy) this.#writeProxy(row, span, isServer, maker.reporter_kind === 'waypoint')
    this.#writeTimes(row, span, received)
  }

  #follow(): void {
    const { builder } = this
    if (this.#filling === builder.filling) return
    this.#filling = builder.filling
    this.#bytes = 0
    this.#sourceCode = this.#columns.source.code(this.#source)
    this.#kinds = spanKinds.map(kind => this.#columns.kind.code(kind))
    this.#scope = ''
    this.#scopeIs = this.#columns.scope.code('')
    this.#protocols = requestProtocols.map(protocol => this.#columns.protocol.code(protocol))
    this.#statuses = spanStatuses.map(status => this.#columns.status.code(status))
  }

  #writeIdentity(row: number, span: SpanMessage, resource: Resource, scope: string): void {
    const to = this.#columns
    to.source.codes[row] = this.#sourceCode
    to.trace_id.setHex(row, span.bytes, span.traceId, traceIdBytes)
    to.span_id.setHex(row, span.bytes, span.spanId, spanIdBytes)
    if (span.parentId >= 0 && !isZero(span.bytes, span.parentId)) to.parent_span_id.setHex(row, span.bytes, span.parentId, spanIdBytes)
    to.kind.codes[row] = this.#kinds[span.kind] ?? this.#kinds[0]
    to.status.codes[row] = this.#statuses[span.status] ?? this.#statuses[0]
    to.name.codes[row] = to.name.code(this.#cut(span.facts.slice(span.nameStart, span.nameEnd)))
    to.scope.codes[row] = this.#scopeCode(scope)
    to.resource.begin(row)
    to.resource.addWritten(resource.keys, resource.values, resource.count)
    if (span.stateEnd > span.stateStart) this.#writeState(row, span.bytes.toString('utf8', span.stateStart, span.stateEnd))
    if (span.statusEnd > span.statusStart)
      to.status_message.set(row, this.#cut(span.bytes.toString('utf8', span.statusStart, span.statusEnd)))
    if (span.events.length) to.events.set(row, [...span.events])
    if (span.links.length) to.links.set(row, [...span.links])
    to.discarded_attributes.values[row] = span.discarded + span.droppedBefore + resource.discarded
  }

  /** Spans of one scope follow one another. */
  #scopeCode(scope: string): number {
    if (scope !== this.#scope) {
      this.#scope = scope
      this.#scopeIs = this.#columns.scope.code(scope)
    }
    return this.#scopeIs
  }

  #writeState(row: number, state: string): void {
    const text = this.#cut(state)
    this.#columns.trace_state.set(row, text)
    this.#columns.weight.values[row] = weightOf(text)
  }

  #writeCall(row: number, { facts, bytes, view }: SpanMessage): void {
    const to = this.#columns
    const call = this.#call
    to.protocol.codes[row] = this.#protocols[requestProtocols.indexOf(call.protocol)]
    if (call.method) to.method.codes[row] = to.method.code(this.#cut(call.method))
    if (call.host) to.host.codes[row] = to.host.code(this.#cut(call.host))
    if (call.route) to.route.codes[row] = to.route.code(this.#cut(call.route))
    if (call.pathStart >= 0)
      to.path.setView(row, bytes, view, call.pathStart, Math.min(call.pathEnd, call.pathStart + this.#limits.value_bytes))
    else if (call.path) to.path.set(row, this.#cut(call.path))
    to.status_code.values[row] = call.status
    const peer = facts.either(at['peer.service'], at['service.peer.name'])
    if (peer) to.peer_service.codes[row] = to.peer_service.code(this.#cut(peer))
    if (facts.has(at['guid:x-request-id'])) to.request_id.set(row, this.#cut(facts.text(at['guid:x-request-id'])))
    else if (facts.has(at['http.request.header.x-request-id']))
      to.request_id.set(row, this.#cut(onlyOne(facts.text(at['http.request.header.x-request-id']))))
  }

  #writeEnds(row: number, isServer: boolean, ownAddress: Uint32Array | undefined): void {
    const { src, dst } = this.#columns
    const [own, other] = isServer ? [dst, src] : [src, dst]
    const end = this.#counterpart
    const address = ownAddress ?? end.ownAddress
    if (address) put(own.address, row, address)
    if (end.address) put(other.address, row, end.address)
    own.port.values[row] = end.ownPort
    other.port.values[row] = end.port
    if (end.service) other.service.codes[row] = other.service.code(this.#cut(end.service))
    if (end.ownService) own.service.codes[row] = own.service.code(this.#cut(end.ownService))
    if (end.name) other.dns_name.codes[row] = other.dns_name.code(this.#cut(end.name))
  }

  /** What Istio's proxies tell of both ends; a waypoint tells nothing else of them. */
  #writeProxy(row: number, { facts }: SpanMessage, isServer: boolean, isWaypoint: boolean): void {
    const { src, dst } = this.#columns
    if (isServer || isWaypoint) {
      label(src.workload, row, this.#cut(facts.text(at['istio.source_workload'])))
      label(src.namespace, row, this.#cut(facts.text(at['istio.source_namespace'])))
      label(src.cluster, row, this.#cut(facts.text(at['istio.source_cluster_id'])))
    }
    if (isServer && !isWaypoint) return
    label(dst.workload, row, this.#cut(facts.text(at['istio.destination_workload'])))
    label(dst.namespace, row, this.#cut(facts.text(at['istio.destination_namespace'])))
    label(dst.cluster, row, this.#cut(facts.text(at['istio.destination_cluster_id'])))
  }

  #writeTimes(row: number, span: SpanMessage, received: number): void {
    const time = microsOf(span.startLow, span.startHigh, received)
    setWide(this.#columns.time, row, time)
    setWide(this.#columns.received, row, received)
    if (span.endHigh || span.endLow) setWide(this.#columns.duration, row, Math.min(span.duration, Number.MAX_SAFE_INTEGER))
    this.builder.next(time)
  }

  #cut(text: string): string {
    return cutText(text, this.#limits.value_bytes)
  }
}

function columnsOf(builder: BlockBuilder) {
  return {
    time: builder.wides('time'),
    received: builder.wides('received'),
    duration: builder.wides('duration'),
    source: builder.labels('source'),
    trace_id: builder.texts('trace_id'),
    span_id: builder.texts('span_id'),
    parent_span_id: builder.texts('parent_span_id'),
    trace_state: builder.texts('trace_state'),
    kind: builder.labels('kind'),
    name: builder.labels('name'),
    scope: builder.labels('scope'),
    status: builder.labels('status'),
    status_message: builder.texts('status_message'),
    protocol: builder.labels('protocol'),
    method: builder.labels('method'),
    host: builder.labels('host'),
    path: builder.texts('path'),
    route: builder.labels('route'),
    status_code: builder.numbers('status_code'),
    peer_service: builder.labels('peer_service'),
    request_id: builder.texts('request_id'),
    attributes: builder.attributes('attributes'),
    resource: builder.attributes('resource'),
    events: builder.textLists('events'),
    links: builder.textLists('links'),
    discarded_attributes: builder.numbers('discarded_attributes'),
    weight: builder.numbers('weight'),
    src: endColumns(builder, 'src_'),
    dst: endColumns(builder, 'dst_'),
  }
}

const endColumns = (builder: BlockBuilder, prefix: string) => ({
  address: wordsOf(builder.addresses(`${prefix}address`)),
  port: builder.numbers(`${prefix}port`),
  service: builder.labels(`${prefix}service`),
  dns_name: builder.labels(`${prefix}dns_name`),
  cluster: builder.labels(`${prefix}cluster`),
  namespace: builder.labels(`${prefix}namespace`),
  workload: builder.labels(`${prefix}workload`),
})

/** The first of a list of one, as JSON has it; anything else as it is. */
const onlyOne = (text: string) => /^\["([^"\\]*)"\]$/.exec(text)?.[1] ?? text

function label(column: LabelColumn, row: number, text: string): void {
  if (text && text !== 'unknown') column.codes[row] = column.code(text)
}

/** Addresses are four words each. */
function put(column: Uint32Array, row: number, address: Uint32Array): void {
  const start = row * 4
  column[start] = address[0]
  column[start + 1] = address[1]
  column[start + 2] = address[2]
  column[start + 3] = address[3]
}

function isZero(bytes: Buffer, start: number): boolean {
  for (let i = 0; i < spanIdBytes; i++) if (bytes[start + i] !== 0) return false
  return true
}
