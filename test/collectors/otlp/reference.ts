import { spanKinds, spanStatuses } from '../../../schema/vocabulary.ts'

/** What protobufjs makes of a message, with texts for 64-bit numbers; only the reference decoder looks into it. */
// eslint-disable-next-line typescript/no-explicit-any
export type PlainSpan = Record<string, any>

const year2100 = 4_102_444_800_000_000n

/** The fields of a record that are not read out of attributes, found the slow and obvious way. */
export function referenceSpan(span: PlainSpan, scope: PlainSpan, of: PlainSpan, received: number): Record<string, unknown> {
  const micros = BigInt(span.startTimeUnixNano) / 1000n
  const duration = BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)
  const parent: string = hex(span.parentSpanId)
  const resource = pairsOf(of.resource?.attributes ?? [])
  return {
    time: micros > 0n && micros < year2100 ? Number(micros) : received,
    received,
    trace_id: hex(span.traceId),
    span_id: hex(span.spanId),
    parent_span_id: /[1-9a-f]/.test(parent) ? parent : '',
    trace_state: span.traceState,
    name: span.name,
    kind: spanKinds[span.kind] ?? 'unspecified',
    status: spanStatuses[span.status.code] ?? 'unset',
    status_message: span.status.message,
    scope: scope.scope?.name ?? '',
    service_name: resource['service.name'] ?? '',
    duration: duration > 0n ? clamped(duration) : 0,
    weight: span.traceState === 'ot=th:8' ? 2 : 1,
    attributes: pairsOf(span.attributes),
    resource,
    events: span.events.map(eventOf),
    links: span.links.map((link: PlainSpan) => `${hex(link.traceId)}/${hex(link.spanId)}`),
    discarded_attributes: span.droppedAttributesCount + span.droppedEventsCount + span.droppedLinksCount,
  }
}

const hex = (bytes: Buffer) => bytes.toString('hex')
/** Beyond 2^53 a duration is no number of a clock. */
const clamped = (duration: bigint) => (duration > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(duration))

function eventOf(event: PlainSpan): string {
  const nanos = BigInt(event.timeUnixNano)
  const time = new Date(Number(nanos / 1_000_000n)).toISOString().slice(0, -1) + String(nanos % 1_000_000n).padStart(6, '0') + 'Z'
  const attributes = event.attributes.length ? pairsOf(event.attributes) : undefined
  return JSON.stringify({ time: nanos ? time : undefined, name: event.name, attributes })
}

const pairsOf = (pairs: PlainSpan[]): Record<string, string> =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, textOf(plain(value ?? {}))]))

function textOf(value: unknown): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function plain(value: PlainSpan): unknown {
  switch (value.value) {
    case 'intValue':
      return Number.isSafeInteger(Number(value.intValue)) ? Number(value.intValue) : value.intValue
    case 'doubleValue':
      return Number.isFinite(value.doubleValue) ? value.doubleValue : String(value.doubleValue)
    case 'bytesValue':
      return value.bytesValue.toString('base64')
    case 'arrayValue':
      return value.arrayValue.values.map((item: PlainSpan) => plain(item) ?? null)
    case 'kvlistValue':
      return Object.fromEntries(value.kvlistValue.values.map((pair: PlainSpan) => [pair.key, plain(pair.value ?? {}) ?? null]))
    default:
      return value.value === undefined ? undefined : value[value.value]
  }
}

/** The message as OTLP/JSON has it: ids in hexadecimal, other bytes in base64. */
export function jsonOf(value: unknown, snake: boolean, key = ''): unknown {
  if (Buffer.isBuffer(value)) return value.toString(/id$/i.test(key) ? 'hex' : 'base64')
  if (Array.isArray(value)) return value.map(item => jsonOf(item, snake))
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (typeof value !== 'object' || value === null) return value
  const named = (name: string) => (snake ? name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`) : name)
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [named(name), jsonOf(member, snake, name)]))
}
