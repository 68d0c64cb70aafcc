import { UndecodableError } from '../protobuf/cursor.ts'
import { type Endpoint, type ZipkinSpan, noEndpoint } from './span.ts'

type Plain = Readonly<Record<string, unknown>>

/** Reads a list of spans. Throws UndecodableError. */
export function readJson(body: Buffer): ZipkinSpan[] {
  const list = parse(body)
  if (!Array.isArray(list)) throw new UndecodableError('expected a list of spans', 0)
  return list.map(spanOf)
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw new UndecodableError(`no JSON: ${(error as Error).message}`, 0)
  }
}

function spanOf(value: unknown): ZipkinSpan {
  const span = objectOf(value, 'a span')
  return {
    traceId: textOf(span, 'traceId'),
    id: textOf(span, 'id'),
    parentId: textOf(span, 'parentId'),
    name: textOf(span, 'name'),
    kind: textOf(span, 'kind'),
    timestamp: numberOf(span, 'timestamp'),
    duration: numberOf(span, 'duration'),
    shared: span.shared === true,
    localEndpoint: endpointOf(span.localEndpoint),
    remoteEndpoint: endpointOf(span.remoteEndpoint),
    tags: Object.entries(objectOf(span.tags ?? {}, 'tags')).map(([key, tag]) => [key, typeof tag === 'string' ? tag : JSON.stringify(tag)]),
    annotations: listOf(span.annotations).map(annotation => ({
      timestamp: numberOf(annotation, 'timestamp'),
      value: textOf(annotation, 'value'),
    })),
  }
}

function endpointOf(value: unknown): Endpoint {
  if (value === undefined || value === null) return noEndpoint
  const endpoint = objectOf(value, 'an endpoint')
  return {
    serviceName: textOf(endpoint, 'serviceName'),
    ipv4: textOf(endpoint, 'ipv4'),
    ipv6: textOf(endpoint, 'ipv6'),
    port: numberOf(endpoint, 'port'),
  }
}

function listOf(value: unknown): Plain[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new UndecodableError('expected a list of annotations', 0)
  return value.map(item => objectOf(item, 'an annotation'))
}

function objectOf(value: unknown, what: string): Plain {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new UndecodableError(`expected ${what}`, 0)
  return value as Plain
}

function textOf(of: Plain, key: string): string {
  const value = of[key]
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string') throw new UndecodableError(`expected a text as ${key}`, 0)
  return value
}

function numberOf(of: Plain, key: string): number {
  const value = of[key]
  if (value === undefined || value === null) return 0
  const number = typeof value === 'number' || typeof value === 'string' ? Number(value) : NaN
  if (!(number >= 0 && number <= Number.MAX_SAFE_INTEGER)) throw new UndecodableError(`expected a number from 0 as ${key}`, 0)
  return Math.floor(number)
}
