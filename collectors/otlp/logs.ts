import type { LineContext, LineReader } from '../access_log/line.ts'
import { Cursor, UndecodableError } from '../protobuf/cursor.ts'
import type { SourceContext } from '../source.ts'
import { anyText } from './any-value.ts'
import { groupsOf } from './groups.ts'
import type { Limits } from './options.ts'
import { type Resource, pairsOf } from './resource.ts'
import { Resources } from './resources.ts'
import { type Outcome, type Taker, reject } from './taker.ts'
import { microsOf } from './time.ts'

export interface LogOptions {
  limits: Limits
  cluster: string
  source: string
  /** Undefined when nobody reads access logs. */
  lines: Pick<LineReader, 'take'> | undefined
}

interface LogRecord {
  body: string
  /** Microseconds; 0 when it says none. */
  time: number
  trace_id: string
  span_id: string
  discarded: number
  attributes: Map<string, string>
}

const attributesField = 6

/** Names Istio's JSON format gives to what OpenTelemetry's conventions name otherwise. */
const istioNames: Readonly<Record<string, string>> = {
  'http.request.method': 'method',
  'http.response.status_code': 'response_code',
  'url.path': 'path',
  'server.address': 'authority',
  'user_agent.original': 'user_agent',
  duration_ms: 'duration',
}

/** Offers the log records of exports (ExportLogsServiceRequest) to the reader of access logs. */
export class LogTaker implements Taker {
  readonly #context: SourceContext
  readonly #options: LogOptions
  readonly #resources: Resources

  constructor(options: LogOptions, context: SourceContext) {
    this.#context = context
    this.#options = options
    this.#resources = new Resources(options)
  }

  async take(bytes: Buffer, peer: string): Promise<Outcome> {
    const { outbox, instruments } = this.#context
    const outcome: Outcome = { rejected: 0, message: '' }
    const groups = groupsOf(bytes).map(group => ({ items: group.items, resource: this.#resources.read(bytes, group) }))
    let unknown = 0
    for (const { items, resource } of groups) {
      instruments.received(items.length / 2, { kind: 'log' })
      for (let i = 0; i < items.length; i += 2) {
        const record = this.#read(bytes, items[i], items[i + 1], { outcome, peer })
        if (!record) continue
        instruments.discarded(record.discarded, 'over_limit', { kind: 'attribute' })
        if (this.#offer(record, resource)) await outbox.ready()
        else unknown++
      }
    }
    instruments.discarded(unknown, 'unknown_kind', { kind: 'log' })
    return outcome
  }

  #read(bytes: Buffer, start: number, end: number, { outcome, peer }: { outcome: Outcome; peer: string }): LogRecord | undefined {
    try {
      return readRecord(bytes, start, end, this.#options.limits)
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error
      const { source } = this.#options
      reject(this.#context, { outcome, peer, source, reason: error.message, body: bytes.subarray(start, end) })
      return undefined
    }
  }

  #offer({ body, attributes, time, trace_id, span_id }: LogRecord, { maker }: Resource): boolean {
    const { pod: name, namespace, workload, node } = maker.own
    const context: LineContext = {
      source: this.#options.source,
      cluster: maker.cluster,
      received: Date.now() * 1000,
      ...(name && { pod: { namespace, name, workload: workload || undefined, node: node || undefined } }),
      ...(trace_id && { trace_id }),
      ...(span_id && { span_id }),
      fields: fieldsOf(attributes, time),
    }
    return this.#options.lines?.take(body, context) ?? false
  }
}

function fieldsOf(attributes: ReadonlyMap<string, string>, time: number): Record<string, string> {
  const fields: Record<string, string> = Object.fromEntries(attributes)
  for (const [name, text] of attributes) if (Object.hasOwn(istioNames, name)) fields[istioNames[name]] ??= text
  if (time > 0) fields.start_time ??= new Date(Math.floor(time / 1000)).toISOString()
  return fields
}

/** LogRecord. Throws UndecodableError. */
function readRecord(bytes: Buffer, start: number, end: number, limits: Limits): LogRecord {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  const { pairs: attributes, discarded } = pairsOf(bytes, start, end, attributesField, limits)
  const record: LogRecord = { body: '', time: 0, trace_id: '', span_id: '', discarded, attributes }
  while (cursor.at < end) readField(record, cursor, cursor.tag(), limits)
  cursor.close(end)
  return record
}

function readField(record: LogRecord, cursor: Cursor, tag: number, limits: Limits): void {
  cursor.skip(tag)
  const { bytes, start, end } = cursor
  if (tag === 0x2a) {
    const { text, isCut } = anyText(bytes, start, end, limits)
    record.body = text
    if (isCut) record.discarded++
  } else if (tag === 0x4a) record.trace_id = hexOf(bytes, start, end, 16)
  else if (tag === 0x52) record.span_id = hexOf(bytes, start, end, 8)
  else if (tag === 0x09 || (tag === 0x59 && record.time === 0))
    record.time = microsOf(bytes.readUInt32LE(cursor.at - 8), bytes.readUInt32LE(cursor.at - 4), 0)
}

/** '' for an id of another length, or of zeros. */
function hexOf(bytes: Buffer, start: number, end: number, length: number): string {
  const text = end - start === length ? bytes.toString('hex', start, end) : ''
  return /[1-9a-f]/.test(text) ? text : ''
}
