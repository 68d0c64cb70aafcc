import { type WrittenText, wordsOfText } from '../../runtime/block/attributes-column.ts'
import { textAt } from '../protobuf/cursor.ts'

/** What the value of a header or tag is for. */
export const uses = { attribute: 0, nothing: 1, traceparent: 2, traceId: 3, b3: 4, contentType: 5, grpcStatus: 6 } as const
export type Use = (typeof uses)[keyof typeof uses]

/** The name of a header or tag. */
export interface Name {
  use: Use
  /** What it is called among the attributes. */
  attribute: WrittenText
}

const longest = 128

/** Headers that are fields of a record, or that nobody must read. Names of HTTP/2 are lower-case. */
const headers: Readonly<Record<string, Use>> = {
  traceparent: uses.traceparent,
  'x-b3-traceid': uses.traceId,
  b3: uses.b3,
  'content-type': uses.contentType,
  'grpc-status': uses.grpcStatus,
  authorization: uses.nothing,
  'proxy-authorization': uses.nothing,
  cookie: uses.nothing,
  'set-cookie': uses.nothing,
  'x-api-key': uses.nothing,
  'x-auth-token': uses.nothing,
  'x-csrf-token': uses.nothing,
  'x-amz-security-token': uses.nothing,
  'x-goog-iap-jwt-assertion': uses.nothing,
  'x-forwarded-access-token': uses.nothing,
  'x-forwarded-client-cert': uses.nothing,
  'x-request-id': uses.nothing,
  'user-agent': uses.nothing,
}

const tags: Readonly<Record<string, Use>> = {
  traceparent: uses.traceparent,
  trace_id: uses.traceId,
  traceid: uses.traceId,
  'trace-id': uses.traceId,
}

export const nameOfHeader =
  (prefix: string) =>
  (bytes: Buffer, start: number, end: number): Name => {
    const name = textAt(bytes, start, Math.min(end, start + longest)).toLowerCase()
    return { use: Object.hasOwn(headers, name) ? headers[name] : uses.attribute, attribute: wordsOfText(prefix + name) }
  }

export function nameOfTag(text: string): Name {
  const name = text.slice(0, longest)
  const lower = name.toLowerCase()
  return { use: Object.hasOwn(tags, lower) ? tags[lower] : uses.attribute, attribute: wordsOfText(name) }
}
