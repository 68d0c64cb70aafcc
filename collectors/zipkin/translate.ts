import { Encoder } from '../protobuf/encoder.ts'
import type { ZipkinSpan } from './span.ts'

const traceDigits = 32
const spanDigits = 16
const kinds = new Map([
  ['SERVER', 2n],
  ['CLIENT', 3n],
  ['PRODUCER', 4n],
  ['CONSUMER', 5n],
])

/**
 * Spans of Zipkin as an export of OpenTelemetry (ExportTraceServiceRequest), the way OpenTelemetry's compatibility rules say: the service
 * of the local endpoint is the resource, the remote endpoint the peer, annotations are events, and ids of 64 bits have zeros before them.
 */
export function translate(spans: readonly ZipkinSpan[]): Buffer {
  const encoder = new Encoder()
  for (const [service, group] of Map.groupBy(spans, ({ localEndpoint }) => localEndpoint.serviceName)) {
    const resourceSpans = encoder.begin(1)
    const resource = encoder.begin(1)
    if (service) attribute(encoder, 1, 'service.name', service)
    encoder.end(resource)
    const scopeSpans = encoder.begin(2)
    for (const span of group) encodeSpan(encoder, span)
    encoder.end(scopeSpans)
    encoder.end(resourceSpans)
  }
  return encoder.finish()
}

function encodeSpan(encoder: Encoder, span: ZipkinSpan): void {
  const start = encoder.begin(2)
  encoder.bytes(1, idOf(span.traceId, span.traceId.length > spanDigits ? traceDigits : spanDigits, traceDigits))
  encoder.bytes(2, idOf(span.id, spanDigits))
  if (span.parentId) encoder.bytes(4, idOf(span.parentId, spanDigits))
  encoder.text(5, span.name)
  encoder.varint(6, kinds.get(span.kind) ?? 1n)
  encoder.fixed64(7, BigInt(span.timestamp) * 1000n)
  if (span.timestamp) encoder.fixed64(8, BigInt(span.timestamp + span.duration) * 1000n)
  for (const [key, value] of span.tags) attribute(encoder, 9, key, value)
  for (const [key, value] of endpointAttributes(span)) if (value) attribute(encoder, 9, key, value)
  for (const { timestamp, value } of span.annotations) {
    const event = encoder.begin(11)
    encoder.fixed64(1, BigInt(timestamp) * 1000n)
    encoder.text(2, value)
    encoder.end(event)
  }
  if (hasFailed(span)) {
    const status = encoder.begin(15)
    encoder.varint(3, 2n)
    encoder.end(status)
  }
  encoder.end(start)
}

/** Attributes the spans' own tags do not have already. */
function endpointAttributes({ localEndpoint, remoteEndpoint, shared, tags }: ZipkinSpan): [string, string][] {
  const pairs: [string, string][] = [
    ['net.host.ip', localEndpoint.ipv4 || localEndpoint.ipv6],
    ['net.host.port', localEndpoint.port ? String(localEndpoint.port) : ''],
    ['peer.service', remoteEndpoint.serviceName],
    ['net.peer.ip', remoteEndpoint.ipv4 || remoteEndpoint.ipv6],
    ['net.peer.port', remoteEndpoint.port ? String(remoteEndpoint.port) : ''],
    ['zipkin.shared', shared ? 'true' : ''],
  ]
  return pairs.filter(([key]) => !tags.some(([tag]) => tag === key))
}

const hasFailed = ({ tags }: ZipkinSpan) => tags.some(([key, value]) => key === 'error' && value !== 'false')

/** Some write ids without their leading zeros. What is no id stays as long as it is, which makes it invalid. */
function idOf(text: string, digits: number, length = digits): Buffer {
  if (!/^[0-9a-f]{1,32}$/i.test(text) || text.length > digits) return Buffer.alloc(0)
  return Buffer.from(text.padStart(length, '0'), 'hex')
}

/** KeyValue{key 1, value 2: AnyValue{string_value 1}}. */
function attribute(encoder: Encoder, field: number, key: string, value: string): void {
  const pair = encoder.begin(field)
  encoder.text(1, key)
  const any = encoder.begin(2)
  encoder.text(1, value)
  encoder.end(any)
  encoder.end(pair)
}
