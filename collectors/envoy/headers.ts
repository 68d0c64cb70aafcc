import type { Entry } from './entry.ts'
import { type Use, uses } from './names.ts'
import type { Parts } from './parts.ts'
import type { Reading, Span } from './reading.ts'
import { ranks } from './trace-id.ts'

/** Bytes of a name, and of a number as text. */
const maxName = 1024
const maxNumber = 256

/** Reads an entry of a map of headers, trailers or tags: what has a field of its own goes there, all else to the pairs. */
export function readPair(entry: Entry, reading: Reading, names: Parts['tags'], start: number, end: number): void {
  const { key, value } = reading.pair(start, end)
  const name = reading.known(names, key.start, Math.min(key.end, key.start + maxName))
  if (name.use !== uses.attribute) return putToUse(entry, reading, name.use, value, names)
  if (!entry.pairs.set(name, value.start, reading.cut(value.start, value.end))) reading.overLimit++
}

/** A trace is told by the request or a tag, the status of gRPC by the response. */
function putToUse(entry: Entry, reading: Reading, use: Use, { start, end }: Span, names: Parts['tags']): void {
  const { tags, requestHeaders, responseHeaders, grpc } = reading.parts
  const isResponse = names !== tags && names !== requestHeaders
  if (use === uses.contentType) entry.isGrpc ||= reading.startsWith('application/grpc', start, end)
  else if (use === uses.grpcStatus) {
    if (!isResponse) return
    const status = reading.known(grpc, start, Math.min(end, start + maxNumber))
    if (names === responseHeaders) entry.grpcHeader = status
    else entry.grpcTrailer = status
  } else if (isResponse || use === uses.nothing) return
  else if (use === uses.traceparent) entry.traceId.takeParent(reading.bytes, start, end, names === tags ? ranks.tag : ranks.traceparent)
  else entry.traceId.take(reading.bytes, start, end, names === tags ? ranks.tag : ranks.header)
}
