import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { Instruments } from '../../runtime/telemetry.ts'
import type { Outbox } from '../outbox.ts'
import { Exchange } from './exchange.ts'
import { Fields, fieldOf, numberOf } from './fields.ts'
import { connectionFlows, denialFlow } from './flow-records.ts'
import { type Format, compileFormat } from './format.ts'
import { IstioText, looksLikeText } from './istio-text.ts'
import { type JsonFormat, JsonFormats, type JsonObject, flatten, looksLikeJsonLog } from './json.ts'
import type { LineContext, LineReader } from './line.ts'
import { readLinkerd, readLinkerdText } from './linkerd.ts'
import { Origins } from './origin.ts'
import { RequestRows } from './request-rows.ts'
import { Words } from './words.ts'
import { type ZtunnelLine, looksLikeZtunnel, readZtunnelJson, readZtunnelText, ztunnelFlows } from './ztunnel.ts'

export interface FormatOptions {
  /** Format strings of Envoy, tried before the formats that are known. */
  formats?: readonly string[]
  /** JSON formats of Envoy: what each key holds. */
  json_formats?: readonly JsonFormat[]
}

const [openBracket, openBrace, zero, nine, space, colon, hyphen] = [91, 123, 48, 57, 32, 58, 45]
const longestAddress = 21
const keptBytes = 1 << 16
/** What is longer is cut, and what is more left out: counted as over_limit. */
const mostOthers = 64
const longestOther = 1024
const longestPath = 8192

/** Formats there are besides Istio's: Envoy's own default, and Istio's before 1.9. */
const knownFormats = {
  envoy:
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"',
  'istio before 1.9':
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% "%DYNAMIC_METADATA(istio.mixer:status)%" "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%',
}

/** Names that only Envoy gives. */
const ofEnvoy = ['response_flags', 'upstream_cluster', 'upstream_host', 'downstream_remote_address']

/** Entries that are not the last of what they are about, or are about a part of it, which the last one counts. */
const interimTypes = /^(?:\w*(?:Start|Periodic|Connected|Established|PoolReady)|UpstreamEnd)$/

/** Throws ConfigError, with the place, for a format that cannot be compiled. */
export function openLineReader(
  options: FormatOptions,
  outbox: Pick<Outbox, 'block' | 'deadLetter'>,
  instruments: Pick<Instruments, 'discarded'>,
): LineReader {
  return new Reader(options, outbox, instruments)
}

class Reader implements LineReader {
  readonly #outbox: Pick<Outbox, 'block' | 'deadLetter'>
  readonly #instruments: Pick<Instruments, 'discarded'>
  readonly #formats: readonly Format[]
  readonly #jsonFormats: JsonFormats
  readonly #known: readonly Format[]
  readonly #fields = new Fields()
  readonly #istio = new IstioText(this.#fields)
  readonly #words = new Words()
  readonly #exchange = new Exchange(this.#fields, this.#words)
  readonly #origins = new Origins()
  readonly #rows = new Map<BlockBuilder, RequestRows>()

  constructor(
    { formats = [], json_formats = [] }: FormatOptions,
    outbox: Pick<Outbox, 'block' | 'deadLetter'>,
    instruments: Pick<Instruments, 'discarded'>,
  ) {
    this.#outbox = outbox
    this.#instruments = instruments
    this.#formats = formats.map((format, index) => compileFormat(format, `formats.${index}`))
    this.#jsonFormats = new JsonFormats(json_formats, 'json_formats')
    this.#known = Object.entries(knownFormats).map(([name, format]) => compileFormat(format, name))
  }

  take(line: string, context: LineContext): boolean {
    const bytes = Buffer.from(line)
    return this.takeBytes(bytes, 0, bytes.length, context)
  }

  takeBytes(bytes: Buffer, start: number, end: number, context: LineContext): boolean {
    return (
      this.#takeLine(bytes, start, end, context) ||
      (context.fields !== undefined && this.#takeFields(context.fields, bytes, start, end, context))
    )
  }

  /** What came with a line may be a log itself, of which the line is but a message. */
  #takeFields(more: Readonly<Record<string, string>>, bytes: Buffer, start: number, end: number, context: LineContext): boolean {
    if (!ofEnvoy.some(name => Object.hasOwn(more, name)) || !this.#jsonFormats.read(new Map(Object.entries(more)), this.#fields))
      return false
    return this.#store(bytes, start, end, { ...context, fields: undefined })
  }

  #takeLine(bytes: Buffer, start: number, end: number, context: LineContext): boolean {
    if (this.#formats.length && this.#scanBy(this.#formats, bytes, start, end)) return this.#store(bytes, start, end, context)
    const first = bytes[start]
    if (first === openBracket) return looksLikeText(bytes, start, end) && this.#takeText(bytes, start, end, context)
    if (first === openBrace) return this.#takeJson(bytes, start, end, context)
    if (first >= zero && first <= nine && end > start)
      return this.#takeZtunnel(bytes, start, end, context) || this.#takeLinkerd(bytes, start, end, context)
    return false
  }

  #takeText(bytes: Buffer, start: number, end: number, context: LineContext): boolean {
    if (this.#istio.scan(bytes, start, end) || this.#scanBy(this.#known, bytes, start, end)) return this.#store(bytes, start, end, context)
    return this.#refuse('a line in no format that is known', bytes, start, end, context)
  }

  #scanBy(formats: readonly Format[], bytes: Buffer, start: number, end: number): boolean {
    const line = bytes.subarray(start, end)
    return formats.some(format => format.scan(line, this.#fields))
  }

  #takeJson(bytes: Buffer, start: number, end: number, context: LineContext): boolean {
    const text = bytes.toString('utf8', start, end)
    const object = parsed(text)
    if (!object) return looksLikeJsonLog(text) && this.#refuse('JSON that cannot be parsed', bytes, start, end, context)
    const values = flatten(object)
    const ztunnel = readZtunnelJson(values)
    if (ztunnel) return this.#storeFlows(ztunnel, bytes, start, end, context)
    if (!readLinkerd(values, this.#fields) && !this.#jsonFormats.read(values, this.#fields)) return false
    return this.#store(bytes, start, end, context)
  }

  #takeZtunnel(bytes: Buffer, start: number, end: number, context: LineContext): boolean {
    // Most lines that begin with a digit are other logs: look no further than where a time ends.
    if (bytes[start + 10] !== 84 || bytes[start + 4] !== 45) return false
    const text = bytes.toString('utf8', start, end)
    if (!looksLikeZtunnel(text)) return false
    const line = readZtunnelText(text)
    if (!line) return this.#refuse('a line of ztunnel that breaks off', bytes, start, end, context)
    return this.#storeFlows(line, bytes, start, end, context)
  }

  #takeLinkerd(bytes: Buffer, start: number, end: number, context: LineContext): boolean {
    // An address and its port come first, and the status last or before the bytes.
    let at = start
    while (at < end && bytes[at] !== space) at++
    if (at - start > longestAddress || !bytes.subarray(start, at).includes(colon) || bytes[start + 4] === hyphen) return false
    return readLinkerdText(bytes.subarray(start, end), this.#fields) && this.#store(bytes, start, end, context)
  }

  #storeFlows(line: ZtunnelLine, bytes: Buffer, start: number, end: number, context: LineContext): boolean {
    if (line.message === 'connection opened') return this.#discard('interim')
    const flows = ztunnelFlows(line, this.#origins.of(context), context)
    if (!flows) return this.#refuse('a line of ztunnel without time or addresses', bytes, start, end, context)
    const builder = this.#outbox.block('flow')
    for (const flow of flows) builder.add(flow)
    return true
  }

  #store(bytes: Buffer, start: number, end: number, context: LineContext): boolean {
    const fields = this.#fields
    if (context.fields) this.#addFields(context.fields, start, end)
    if (fields.has(fieldOf.access_log_type) && interimTypes.test(fields.text(fieldOf.access_log_type))) return this.#discard('interim')
    if (fields.others.length || fields.ends[fieldOf.path] - fields.starts[fieldOf.path] > longestPath) this.#limit()
    const exchange = this.#exchange
    if (!exchange.read(this.#withPod(context))) return this.#refuse('a line without a time', bytes, start, end, context)
    if (!exchange.isHttp) {
      const flows = this.#outbox.block('flow')
      for (const flow of connectionFlows(exchange)) flows.add(flow)
      return true
    }
    const traceId = this.#traceOf(context)
    const spanId = fields.has(fieldOf.span_id) ? fields.text(fieldOf.span_id) : (context.span_id ?? '')
    this.#rowsOf(this.#outbox.block('request')).write(exchange, traceId, spanId)
    if (exchange.refusal) this.#outbox.block('flow').add(denialFlow(exchange, traceId))
    return true
  }

  #limit(): void {
    const { others, starts, ends } = this.#fields
    let over = Math.max(0, others.length - mostOthers)
    if (over) others.length = mostOthers
    for (const other of others) {
      if (other[1].length <= longestOther) continue
      other[1] = other[1].slice(0, longestOther)
      over++
    }
    const pathEnd = starts[fieldOf.path] + longestPath
    if (ends[fieldOf.path] > pathEnd) over++
    ends[fieldOf.path] = Math.min(ends[fieldOf.path], pathEnd)
    this.#instruments.discarded(over, 'over_limit')
  }

  /** What came with the line adds to it, and never replaces what stands in it. */
  #addFields(more: Readonly<Record<string, string>>, start: number, end: number): void {
    const fields = this.#fields
    fields.own(fields.bytes.length === end - start ? 0 : start, fields.bytes.length === end - start ? end - start : end)
    for (const [name, value] of Object.entries(more)) {
      const field = numberOf(name)
      if (field < 0) fields.others.push([name, value])
      else if (!fields.has(field)) fields.setText(field, value)
    }
  }

  /** The pod as the line itself tells it, where the context does not. */
  #withPod(context: LineContext): LineContext {
    const fields = this.#fields
    if (context.pod || !fields.has(fieldOf.pod_name)) return context
    const [name, namespace, node] = [fieldOf.pod_name, fieldOf.pod_namespace, fieldOf.node_name].map(field => fields.text(field))
    return { ...context, pod: { name, namespace, node } }
  }

  #traceOf(context: LineContext): string {
    const fields = this.#fields
    if (fields.has(fieldOf.trace_id)) return fields.text(fieldOf.trace_id)
    if (!fields.has(fieldOf.traceparent)) return context.trace_id ?? ''
    return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(fields.text(fieldOf.traceparent))?.[1] ?? context.trace_id ?? ''
  }

  #rowsOf(builder: BlockBuilder): RequestRows {
    const known = this.#rows.get(builder)
    if (known) return known
    const rows = new RequestRows(builder, this.#words)
    this.#rows.set(builder, rows)
    return rows
  }

  #discard(reason: 'interim' | 'undecodable'): true {
    this.#instruments.discarded(1, reason)
    return true
  }

  #refuse(reason: string, bytes: Buffer, start: number, end: number, { source, pod }: LineContext): true {
    const body = Buffer.from(bytes.subarray(start, Math.min(end, start + keptBytes)))
    this.#outbox.deadLetter({ source, reporter: pod && `${pod.namespace}/${pod.name}`, reason, body })
    return this.#discard('undecodable')
  }
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return value && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : undefined
  } catch {
    return undefined
  }
}
