import { viewOf } from '../protobuf/bytes.ts'
import { type Fields, fieldOf } from './fields.ts'

const [space, quote, hyphen, backslash, openBracket, openBrace, letterT] = [32, 34, 45, 92, 91, 123, 84]
/** A byte four times, to look for it in four at once. */
const four = (byte: number) => Math.imul(byte, 0x01010101)
const spaces = four(space)
const quotes = four(quote)
const closeBraces = four(125)
const closeBrackets = four(93)

/** Whether a line begins as an access log does: [2026-11-21T… Envoy's own log has a space where the T is. */
export const looksLikeText = (bytes: Buffer, start: number, end: number): boolean =>
  end - start > 12 && bytes[start] === openBracket && bytes[start + 11] === letterT

/**
 * Finds the fields of Istio's default text format, which ends with the route. Text between quotes may have quotes in it, escaped or not, as
 * far as what follows tells them apart.
 */
export class IstioText {
  readonly #fields: Fields
  #bytes: Buffer = Buffer.alloc(0)
  #view = viewOf(this.#bytes)
  #end = 0

  constructor(fields: Fields) {
    this.#fields = fields
  }

  /** False when the line has not the form. */
  scan(bytes: Buffer, start: number, end: number): boolean {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#view = viewOf(bytes)
    }
    this.#end = end
    const timeEnd = this.#find(closeBrackets, start)
    if (timeEnd + 3 > end || bytes[timeEnd + 2] !== quote) return false
    this.#fields.begin(bytes)
    this.#fields.set(fieldOf.start_time, start + 1, timeEnd)
    let at = this.#request(timeEnd + 3)
    at = this.#words(at, fieldOf.response_code, fieldOf.response_flags)
    at = this.#details(this.#details(at, fieldOf.response_code_details), fieldOf.connection_termination_details)
    at = this.#quoted(at, fieldOf.upstream_transport_failure_reason, false)
    at = this.#words(at, fieldOf.bytes_received, fieldOf.upstream_service_time)
    for (let field = fieldOf.x_forwarded_for; field < fieldOf.upstream_host; field++) at = this.#quoted(at, field, true)
    at = this.#quoted(at, fieldOf.upstream_host, false)
    at = this.#words(at, fieldOf.upstream_cluster, fieldOf.requested_server_name)
    if (at < 0 || at >= end) return false
    // The route may have spaces in its name.
    this.#fields.set(fieldOf.route_name, at, end)
    return true
  }

  /** Where the byte that `pattern` repeats comes next; the end of the line when it does not. */
  #find(pattern: number, start: number): number {
    const end = this.#end
    const view = this.#view
    let at = start
    for (; at + 4 <= end; at += 4) {
      const word = view.getInt32(at, true) ^ pattern
      // A byte that has become 0 borrows from its highest bit; the lowest such bit is exact.
      const hit = (word - 0x01010101) & ~word & 0x80808080
      if (hit !== 0) return at + ((31 - Math.clz32(hit & -hit)) >> 3)
    }
    const bytes = this.#bytes
    const wanted = pattern & 255
    while (at < end && bytes[at] !== wanted) at++
    return at
  }

  /** method path protocol, to the quote that a response code follows. Returns where that begins, or -1. */
  #request(start: number): number {
    const bytes = this.#bytes
    let at = this.#find(quotes, start)
    while (at + 2 < this.#end && !(bytes[at + 1] === space && isNumber(bytes[at + 2]) && !this.#isEscaped(at, start)))
      at = this.#find(quotes, at + 1)
    if (at + 2 >= this.#end) return -1
    const method = this.#find(spaces, start)
    let protocol = at
    while (protocol > method && bytes[protocol - 1] !== space) protocol--
    if (protocol <= method + 1) return -1
    this.#fields.set(fieldOf.method, start, method)
    this.#fields.set(fieldOf.path, method + 1, protocol - 1)
    this.#fields.set(fieldOf.protocol, protocol, at)
    return at + 2
  }

  /** Fields from one to another, each up to the next space. Returns where the next begins, or -1. */
  #words(start: number, first: number, last: number): number {
    let at = start
    for (let field = first; field <= last && at >= 0; field++) {
      const to = this.#find(spaces, at)
      if (to === at || to + 1 >= this.#end) return -1
      this.#fields.set(field, at, to)
      at = to + 1
    }
    return at
  }

  /** The same of one that may have spaces between braces. */
  #details(start: number, field: number): number {
    if (start < 0) return -1
    let to = this.#find(spaces, start)
    for (let at = start; at < to; at++) {
      if (this.#bytes[at] !== openBrace) continue
      const close = this.#find(closeBraces, at)
      if (close >= this.#end) break
      if (close > to) to = this.#find(spaces, close)
      at = close
    }
    if (to === start || to + 1 >= this.#end) return -1
    this.#fields.set(field, start, to)
    return to + 1
  }

  /** "what is between quotes", of which the last is followed by a space, and by another quote where quoted text follows. */
  #quoted(start: number, field: number, isBeforeQuoted: boolean): number {
    const bytes = this.#bytes
    if (start < 0 || bytes[start] !== quote) return -1
    for (let at = this.#find(quotes, start + 1); at + 1 < this.#end; at = this.#find(quotes, at + 1)) {
      if (bytes[at + 1] !== space || (isBeforeQuoted && bytes[at + 2] !== quote) || this.#isEscaped(at, start + 1)) continue
      this.#fields.set(field, start + 1, at)
      return at + 2
    }
    return -1
  }

  /** Whether an odd number of backslashes stands before. */
  #isEscaped(at: number, start: number): boolean {
    let first = at
    while (first > start && this.#bytes[first - 1] === backslash) first--
    return ((at - first) & 1) === 1
  }
}

const isNumber = (byte: number) => (byte >= 48 && byte <= 57) || byte === hyphen
