import { type Fields, fieldOf } from './fields.ts'

const [space, quote, hyphen, backslash, openBrace, closeBrace, openBracket, closeBracket] = [32, 34, 45, 92, 123, 125, 91, 93]
const letterT = 84

/** Whether a line begins as an access log does: [2026-11-21T… Envoy's own log has a space where the T is. */
export const looksLikeText = (bytes: Buffer, start: number, end: number): boolean =>
  end - start > 12 && bytes[start] === openBracket && bytes[start + 11] === letterT

/**
 * Finds the fields of Istio's default text format, which ends with the route. False when the line has not the form; text that quotes hold
 * may have quotes in it, escaped or not, as far as what follows tells them apart.
 */
export function scanIstioText(bytes: Buffer, start: number, end: number, fields: Fields): boolean {
  const timeEnd = indexWithin(bytes, closeBracket, start, end)
  if (timeEnd < 0 || timeEnd + 3 > end || bytes[timeEnd + 2] !== quote) return false
  fields.begin(bytes)
  fields.set(fieldOf.start_time, start + 1, timeEnd)
  let at = scanRequest(bytes, timeEnd + 3, end, fields)
  for (let field = fieldOf.response_code; field <= fieldOf.connection_termination_details; field++)
    at = at < 0 ? -1 : scanWord(bytes, at, end, fields, field)
  at = scanQuoted(bytes, at, end, fields, fieldOf.upstream_transport_failure_reason)
  for (let field = fieldOf.bytes_received; field <= fieldOf.upstream_service_time; field++)
    at = at < 0 ? -1 : scanWord(bytes, at, end, fields, field)
  for (let field = fieldOf.x_forwarded_for; field <= fieldOf.upstream_host; field++) at = scanQuoted(bytes, at, end, fields, field)
  for (let field = fieldOf.upstream_cluster; field < fieldOf.route_name; field++) at = at < 0 ? -1 : scanWord(bytes, at, end, fields, field)
  return at >= 0 && scanLast(at, end, fields)
}

/** Not beyond the line, as a search in the whole buffer would. */
function indexWithin(bytes: Buffer, byte: number, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at] !== byte) at++
  return at < end ? at : -1
}

const isNumber = (byte: number) => (byte >= 48 && byte <= 57) || byte === hyphen

/** method path protocol, to the quote that a response code follows. Returns where that begins, or -1. */
function scanRequest(bytes: Buffer, start: number, end: number, fields: Fields): number {
  let at = start
  while (at + 2 < end && !(bytes[at] === quote && bytes[at + 1] === space && isNumber(bytes[at + 2]))) at += bytes[at] === backslash ? 2 : 1
  if (at + 2 >= end) return -1
  let method = start
  while (method < at && bytes[method] !== space) method++
  let protocol = at
  while (protocol > method && bytes[protocol - 1] !== space) protocol--
  if (protocol <= method + 1) return -1
  fields.set(fieldOf.method, start, method)
  fields.set(fieldOf.path, method + 1, protocol - 1)
  fields.set(fieldOf.protocol, protocol, at)
  return at + 2
}

/** What goes to the next space; one between braces does not count. Returns where the next begins, or -1. */
function scanWord(bytes: Buffer, start: number, end: number, fields: Fields, field: number): number {
  let at = start
  while (at < end && bytes[at] !== space) {
    if (bytes[at] === openBrace) {
      const close = indexWithin(bytes, closeBrace, at, end)
      if (close > at) at = close
    }
    at++
  }
  if (at === start || at + 1 >= end) return -1
  fields.set(field, start, at)
  return at + 1
}

/** "what is between quotes", of which the last is followed by a space, and by another quote where quoted text follows. */
function scanQuoted(bytes: Buffer, start: number, end: number, fields: Fields, field: number): number {
  if (start < 0 || bytes[start] !== quote) return -1
  const isBeforeQuoted = field >= fieldOf.x_forwarded_for && field < fieldOf.upstream_host
  for (let at = start + 1; at + 1 < end; at++) {
    if (bytes[at] === backslash) at++
    else if (bytes[at] === quote && bytes[at + 1] === space && (!isBeforeQuoted || bytes[at + 2] === quote)) {
      fields.set(field, start + 1, at)
      return at + 2
    }
  }
  return -1
}

/** The route may have spaces in its name. */
function scanLast(start: number, end: number, fields: Fields): boolean {
  if (start >= end) return false
  fields.set(fieldOf.route_name, start, end)
  return true
}
