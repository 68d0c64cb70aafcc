import { bytesType } from '../protobuf/cursor.ts'
import type { Entry } from './entry.ts'
import { readPair } from './headers.ts'
import type { Reading } from './reading.ts'

const maxPath = 8192
const maxId = 256
const maxForwarded = 1024

/** HTTPRequestProperties, from where the cursor is. */
export function readRequest(entry: Entry, reading: Reading, end: number): void {
  const { cursor, parts } = reading
  let headers = 0
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 8) entry.method = cursor.varint()
    else if (tag === 88) headers = reading.wide()
    else if (tag === 96) entry.requestBytes = reading.wide()
    else if ((tag & 7) === bytesType) {
      cursor.span()
      const { start, end: after } = cursor
      if (tag === 26) entry.host = reading.words(start, after, parts.hosts)
      else if (tag === 42) reading.setSpan(entry.path, start, after, maxPath)
      else if (tag === 50) entry.userAgent = reading.words(start, after)
      else if (tag === 66) reading.setSpan(entry.forwardedFor, start, after, maxForwarded)
      else if (tag === 74) reading.setSpan(entry.requestId, start, after, maxId)
      else if (tag === 82) reading.setSpan(entry.originalPath, start, after, maxPath)
      else if (tag === 106) readPair(entry, reading, parts.requestHeaders, start, after)
      cursor.at = after
    } else cursor.skip(tag)
  }
  cursor.close(end)
  entry.requestBytes += headers
}

/** HTTPResponseProperties, from where the cursor is. */
export function readResponse(entry: Entry, reading: Reading, end: number): void {
  const { cursor, parts } = reading
  let headers = 0
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 16) headers = reading.wide()
    else if (tag === 24) entry.responseBytes = reading.wide()
    else if ((tag & 7) === bytesType) {
      cursor.span()
      const { start, end: after } = cursor
      if (tag === 10) entry.status = reading.wrapped(start, after)
      else if (tag === 34) readPair(entry, reading, parts.responseHeaders, start, after)
      else if (tag === 42) readPair(entry, reading, parts.responseTrailers, start, after)
      else if (tag === 50) entry.details = reading.details(start, after)
      cursor.at = after
    } else cursor.skip(tag)
  }
  cursor.close(end)
  entry.responseBytes += headers
}
