import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { copyAddress, setWide, wordsOf } from '../columns.ts'
import { withoutSecrets } from '../mesh/secrets.ts'
import { type Decision, requestDecisionColumns } from './decision.ts'
import { at } from './address.ts'
import type { Entry } from './entry.ts'
import type { Span } from './reading.ts'
import { type Situation, requestColumns } from './situation.ts'
import { LabelGroup, Words } from './words.ts'

/** core.v3.RequestMethod. */
const methods = ['', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']
/** HTTPAccessLogEntry.HTTPVersion. */
const versions = ['', 'HTTP/1.0', 'HTTP/1.1', 'HTTP/2', 'HTTP/3']
const http3 = 4
const questionMark = 63

/** Writes HTTP entries as rows of one block of requests. */
export class RequestRows {
  readonly #builder: BlockBuilder
  readonly #situation: LabelGroup
  readonly #decision: LabelGroup
  readonly #protocol: LabelGroup
  readonly #protocols: readonly (readonly [http: Words, grpc: Words])[]
  readonly #method: LabelGroup
  readonly #methods = methods.map(method => new Words(method))
  readonly #host: LabelGroup
  readonly #userAgent: LabelGroup
  readonly #route: LabelGroup
  readonly #flags: LabelGroup
  readonly #details: LabelGroup
  readonly #grpc: LabelGroup
  readonly #wides
  readonly #numbers
  readonly #texts
  readonly #attributes
  readonly #client: Uint32Array
  readonly #server: Uint32Array

  constructor(builder: BlockBuilder) {
    // From 0 on; those of flows begin behind them.
    let place = 0
    const group = (...names: readonly string[]) => new LabelGroup(builder, place++, names)
    this.#builder = builder
    this.#situation = group(...requestColumns)
    this.#decision = group(...requestDecisionColumns)
    this.#protocol = group('protocol', 'protocol_version', 'transport')
    this.#protocols = versions.map((version, i) => {
      const transport = i === http3 ? 'udp' : 'tcp'
      return [new Words('http', version, transport), new Words('grpc', version, transport)] as const
    })
    this.#method = group('method')
    this.#host = group('host')
    this.#userAgent = group('user_agent')
    this.#route = group('route')
    this.#flags = group('response_flags')
    this.#details = group('response_details')
    this.#grpc = group('grpc_status')
    const wide = (name: string) => builder.wides(name)
    this.#wides = {
      time: wide('time'),
      received: wide('received'),
      latency: wide('latency'),
      upstreamLatency: wide('upstream_latency'),
      requestBytes: wide('request_bytes'),
      responseBytes: wide('response_bytes'),
    }
    const number = (name: string) => builder.numbers(name).values
    this.#numbers = {
      ipVersion: number('ip_version'),
      status: number('status_code'),
      error: number('error'),
      attempts: number('attempts'),
      srcPort: number('src_port'),
      dstPort: number('dst_port'),
      weight: number('weight'),
    }
    const text = (name: string) => builder.texts(name)
    this.#texts = {
      path: text('path'),
      requestId: text('request_id'),
      traceId: text('trace_id'),
      connectionId: text('connection_id'),
    }
    this.#attributes = builder.attributes('attributes')
    this.#client = wordsOf(builder.addresses('src_address'))
    this.#server = wordsOf(builder.addresses('dst_address'))
  }

  get full(): boolean {
    return this.#builder.full
  }

  /** `time` and `received` in microseconds. */
  write(entry: Entry, situation: Situation, decision: Decision, time: number, received: number): void {
    const row = this.#builder.rows
    this.#situation.write(row, situation.request)
    this.#decision.write(row, decision.request)
    this.#protocol.write(row, this.#protocols[entry.version < versions.length ? entry.version : 0][entry.isGrpc ? 1 : 0])
    this.#method.write(row, this.#methods[entry.method < methods.length ? entry.method : 0])
    this.#host.write(row, entry.host)
    this.#userAgent.write(row, entry.userAgent)
    this.#route.write(row, entry.route)
    this.#flags.write(row, entry.flags.words)
    this.#details.write(row, entry.details.words)
    this.#grpc.write(row, entry.grpc.words)
    this.#writeNumbers(row, entry)
    this.#writeTimes(row, entry, time, received)
    this.#writeTexts(row, entry)
    this.#writeAttributes(row, entry, decision)
    copyAddress(this.#client, row, entry.addresses.words, at.client)
    copyAddress(this.#server, row, entry.addresses.words, at.server)
    this.#builder.next(time)
  }

  #writeNumbers(row: number, entry: Entry): void {
    const numbers = this.#numbers
    const { addresses, status, attempts, grpc, flags } = entry
    numbers.ipVersion[row] = addresses.version(at.client) || addresses.version(at.server)
    numbers.status[row] = status
    numbers.error[row] = status >= 500 || grpc.failed || (status === 0 && flags.failed) ? 1 : 0
    numbers.attempts[row] = Math.min(attempts, 65_535)
    numbers.srcPort[row] = addresses.ports[at.client]
    numbers.dstPort[row] = addresses.ports[at.server]
    numbers.weight[row] = entry.weight
    setWide(this.#wides.requestBytes, row, entry.requestBytes)
    setWide(this.#wides.responseBytes, row, entry.responseBytes)
  }

  #writeTimes(row: number, entry: Entry, time: number, received: number): void {
    const { lastDownstreamTx, duration, firstUpstreamTx: sent, firstUpstreamRx: answered } = entry
    setWide(this.#wides.time, row, time)
    setWide(this.#wides.received, row, received)
    setWide(this.#wides.latency, row, Math.max(0, lastDownstreamTx < 0 ? duration : lastDownstreamTx))
    if (sent >= 0 && answered > sent) setWide(this.#wides.upstreamLatency, row, answered - sent)
  }

  #writeTexts(row: number, entry: Entry): void {
    const { bytes, view, originalPath, path, requestId, streamId, traceId, rbac } = entry
    const texts = this.#texts
    this.#writePath(row, entry, originalPath.end ? originalPath : path)
    if (requestId.end) texts.requestId.setView(row, bytes, view, requestId.start, requestId.end)
    if (streamId.end) texts.connectionId.setView(row, bytes, view, streamId.start, streamId.end)
    if (traceId.end) texts.traceId.setView(row, bytes, view, traceId.start, traceId.end)
    else if (rbac.traceId) texts.traceId.set(row, rbac.traceId)
  }

  #writePath(row: number, { bytes, view }: Entry, { start, end }: Span): void {
    if (end === 0) return
    let query = start
    while (query < end && bytes[query] !== questionMark) query++
    if (query === end) this.#texts.path.setView(row, bytes, view, start, end)
    else this.#texts.path.set(row, withoutSecrets(bytes.toString('utf8', start, end)))
  }

  #writeAttributes(row: number, entry: Entry, { dryRun }: Decision): void {
    const attributes = this.#attributes
    const { pairs, upstreamFailure, downstreamFailure, termination, forwardedFor, bytes, view } = entry
    const forwarded = forwardedFor.end && bytes.toString('utf8', forwardedFor.start, forwardedFor.end)
    const [upstream, downstream, ended] = [upstreamFailure.texts[0], downstreamFailure.texts[0], termination.words.texts[0]]
    if (!pairs.size && !upstream && !downstream && !ended && !dryRun && !forwarded) return
    attributes.begin(row)
    if (upstream) attributes.add('upstream_transport_failure_reason', upstream)
    if (downstream) attributes.add('downstream_transport_failure_reason', downstream)
    if (ended) attributes.add('connection_termination_details', ended)
    if (dryRun) attributes.add('dry_run_denied_by', dryRun)
    if (forwarded) attributes.add('x_forwarded_for', forwarded)
    pairs.write(attributes, bytes, view)
  }
}
