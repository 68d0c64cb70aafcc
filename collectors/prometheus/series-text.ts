import type { Labels } from '../samples/point.ts'
import { viewOf } from '../protobuf/bytes.ts'
import { textAt } from '../protobuf/cursor.ts'
import { ExpositionError, type Limits } from './reading.ts'
import { SeriesTable } from './series-table.ts'
import { type Label, hasTwice, sorted } from './series.ts'

const [quote, backslash, newline, open, close, comma, equals] = [34, 92, 10, 123, 125, 44, 61]
const plainName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const plainLabel = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const escapes: Readonly<Record<string, string>> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' }

const isBlank = (byte: number) => byte === 32 || byte === 9

/** Where the name and labels end that begin at `start`: at their `}`, or at the space behind a name alone. */
export function seriesEnd(bytes: Buffer, start: number, limit: number): number {
  let at = start
  while (at < limit && bytes[at] > 32 && bytes[at] !== open) at++
  let brace = at
  while (brace < limit && isBlank(bytes[brace])) brace++
  if (bytes[brace] !== open || brace >= limit) return at
  for (at = brace + 1; at < limit; at++) {
    if (bytes[at] === close) return at + 1
    if (bytes[at] === quote) at = quoteEnd(bytes, at, limit)
    if (bytes[at] === newline) break
  }
  return Math.min(at, limit)
}

/** Where the closing quote stands, or the end of the line. */
function quoteEnd(bytes: Buffer, start: number, limit: number): number {
  let at = start + 1
  for (; at < limit && bytes[at] !== quote && bytes[at] !== newline; at++)
    if (bytes[at] === backslash && at + 1 < limit && bytes[at + 1] !== newline) at++
  return at
}

/** Where name="value" ends that stands at `start` without blanks or quotes around the name; 0 elsewhere. */
function labelEnd(bytes: Buffer, start: number, limit: number): number {
  let at = start
  while (at < limit && bytes[at] > quote && bytes[at] !== equals && bytes[at] !== comma) at++
  if (at + 1 >= limit || bytes[at] !== equals || bytes[at + 1] !== quote) return 0
  const end = quoteEnd(bytes, at + 1, limit)
  return bytes[end] === quote && end < limit ? end + 1 : 0
}

/** Reads a name and labels; where it stopped is `at`. */
export class SeriesText {
  at = 0
  /** Labels by their bytes: series of a target have most of theirs in common. */
  readonly #known = new SeriesTable<Label>()
  #view = viewOf(Buffer.alloc(0))
  #bytes: Buffer = Buffer.alloc(0)
  #limit = 0

  /** Forgets labels that are not seen any more. */
  turn(): void {
    this.#known.turn()
  }

  /** Throws ExpositionError for what is none, with `at` where it is wrong. */
  read(bytes: Buffer, start: number, end: number, limits: Limits): { name: string; labels: Labels } {
    if (bytes !== this.#bytes) this.#view = viewOf(bytes)
    this.#bytes = bytes
    this.#limit = end
    this.at = start
    if (end - start > limits.seriesBytes) throw new ExpositionError(`a series of more than ${limits.seriesBytes} bytes`, 'over_limit')
    let name = this.#token(open)
    if (name && !plainName.test(name)) throw this.#wrong(start, 'expected the name of a metric')
    const labels: Label[] = []
    this.#skipBlanks()
    if (this.at < end) name = this.#labels(name, labels, limits)
    if (!name) throw this.#wrong(start, 'expected the name of a metric')
    const inOrder = sorted(labels)
    if (hasTwice(inOrder)) throw this.#wrong(start, 'a label twice')
    return { name, labels: inOrder }
  }

  /** What stands between the braces: labels, and the name if it did not stand before them. */
  #labels(given: string, labels: Label[], limits: Limits): string {
    let name = given
    this.#take(open, '{')
    for (;;) {
      this.#skipBlanks()
      if (this.#bytes[this.at] === close) break
      const start = this.at
      const usual = labelEnd(this.#bytes, start, this.#limit)
      const known = usual ? this.#known.find(this.#view, start, usual) : undefined
      if (known) {
        labels.push(known)
        this.at = usual
        this.#next(labels, limits)
        continue
      }
      const isQuoted = this.#bytes[this.at] === quote
      const label = isQuoted ? this.#quoted() : this.#token(equals)
      this.#skipBlanks()
      if (isQuoted && this.#bytes[this.at] !== equals) {
        if (name || !label) throw this.#wrong(start, 'expected a label')
        name = label
      } else {
        if (isQuoted ? !label : !plainLabel.test(label)) throw this.#wrong(start, 'expected the name of a label')
        this.#take(equals, '=')
        this.#skipBlanks()
        const value = this.#quoted()
        if (value) labels.push([label, value])
        if (value && this.at === usual) this.#known.add(this.#bytes, this.#view, start, usual, labels[labels.length - 1])
      }
      this.#next(labels, limits)
    }
    this.at++
    if (this.at !== this.#limit) throw this.#wrong(this.at, 'expected a value after }')
    return name
  }

  #next(labels: readonly Label[], limits: Limits): void {
    if (labels.length > limits.labels) throw new ExpositionError(`more than ${limits.labels} labels`, 'over_limit')
    this.#skipBlanks()
    if (this.#bytes[this.at] !== close) this.#take(comma, ', or }')
  }

  #token(ends: number): string {
    const start = this.at
    while (this.at < this.#limit && this.#bytes[this.at] > 32 && this.#bytes[this.at] !== ends) this.at++
    return textAt(this.#bytes, start, this.at)
  }

  #quoted(): string {
    const start = this.at
    if (this.#bytes[start] !== quote || start >= this.#limit) throw this.#wrong(start, 'expected "')
    const end = quoteEnd(this.#bytes, start, this.#limit)
    if (end >= this.#limit || this.#bytes[end] !== quote) throw this.#wrong(end, 'expected a closing "')
    this.at = end + 1
    const text = textAt(this.#bytes, start + 1, end)
    return text.includes('\\') ? text.replace(/\\["\\n]/g, escape => escapes[escape]) : text
  }

  #take(byte: number, name: string): void {
    if (this.at >= this.#limit || this.#bytes[this.at] !== byte) throw this.#wrong(this.at, `expected ${name}`)
    this.at++
  }

  #skipBlanks(): void {
    while (this.at < this.#limit && isBlank(this.#bytes[this.at])) this.at++
  }

  #wrong(at: number, message: string): ExpositionError {
    this.at = at
    return new ExpositionError(message)
  }
}
