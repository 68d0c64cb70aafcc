import { ConfigError } from '../../runtime/error.ts'
import { type FieldName, type Fields, fieldOf } from './fields.ts'
import { type Operator, fieldOfOperator, isNumeric } from './operators.ts'
import { compileTime } from './start-time.ts'

const longestFormat = 16_384
const newline = 10

/** What to look for in a line: text as it is, or what an operator printed. */
type Piece = { literal: Buffer } | Capture

interface Capture {
  /** Number of its field; -1 for an attribute. */
  field: number
  /** Name of the attribute: the operator as it was written. */
  name: string
  isNumber: boolean
  readTime?: (text: string) => number
}

/** A format string of Envoy, ready to read lines. */
export interface Format {
  /** Finds the fields of a line. False when it has not the form. */
  scan(line: Buffer, fields: Fields): boolean
  /** The field it is made of alone, if it is. */
  readonly only?: Capture
}

/**
 * Compiles a format string of Envoy: text with command operators between percent signs. What operators print is found between the texts
 * around them, so two of them need some between them. Operators that tell no field become attributes. `where` is how errors call the format;
 * throws ConfigError with the place in it.
 */
export function compileFormat(text: string, where: string): Format {
  if (text.length > longestFormat) throw new ConfigError(`${where}: expected at most ${longestFormat} characters, got ${text.length}`)
  const pieces = piecesOf(text, where)
  const only = pieces.length === 1 && !('literal' in pieces[0]) ? pieces[0] : undefined
  return { scan: (line, fields) => scan(pieces, line, fields), only }
}

const operator = /%([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?(?::(\d+))?%/y

function piecesOf(text: string, where: string): Piece[] {
  const pieces: Piece[] = []
  let literal = ''
  const endLiteral = () => {
    if (literal) pieces.push({ literal: Buffer.from(literal) })
    literal = ''
  }
  for (let at = 0; at < text.length;) {
    if (text[at] !== '%' || text[at + 1] === '%') {
      literal += text[at]
      at += text[at] === '%' ? 2 : 1
      continue
    }
    operator.lastIndex = at
    const found = operator.exec(text)
    if (!found) throw new ConfigError(`${where}: expected %OPERATOR%, %OPERATOR(…)% or %% at position ${at}`)
    endLiteral()
    const last = pieces.at(-1)
    if (last && !('literal' in last)) throw new ConfigError(`${where}: expected text between two operators at position ${at}`)
    pieces.push(captureOf({ name: found[1], argument: found[2] ?? '' }, found[0], `${where}: position ${at}`))
    at += found[0].length
  }
  literal = literal.replace(/\n$/, '')
  endLiteral()
  if (!pieces.some(piece => !('literal' in piece))) throw new ConfigError(`${where}: expected at least one %OPERATOR%`)
  return pieces
}

function captureOf(wanted: Operator, written: string, where: string): Capture {
  const name: FieldName | undefined = fieldOfOperator(wanted)
  const isTime = name === 'start_time' && wanted.argument !== ''
  return {
    field: name ? fieldOf[name] : -1,
    name: written.slice(1, -1),
    isNumber: isNumeric(wanted),
    ...(isTime && { readTime: compileTime(wanted.argument, where) }),
  }
}

function scan(pieces: readonly Piece[], line: Buffer, fields: Fields): boolean {
  fields.begin(line)
  let at = 0
  for (let index = 0; index < pieces.length; index++) {
    const piece = pieces[index]
    if ('literal' in piece) {
      if (line.compare(piece.literal, 0, piece.literal.length, at, Math.min(line.length, at + piece.literal.length)) !== 0) return false
      at += piece.literal.length
      continue
    }
    const next = pieces[index + 1]
    const end = endOf(line, at, piece, next && 'literal' in next ? next.literal : undefined, index + 2 >= pieces.length)
    if (end < 0 || !give(fields, piece, line, at, end)) return false
    at = end
  }
  return at === line.length
}

/** Where what an operator printed ends: before the first text that follows it in the format and leaves what it may be. */
function endOf(line: Buffer, start: number, capture: Capture, next: Buffer | undefined, isLast: boolean): number {
  if (!next) return fits(line, start, line.length, capture) ? line.length : -1
  if (isLast) {
    const end = line.length - next.length
    return end >= start && line.compare(next, 0, next.length, end) === 0 && fits(line, start, end, capture) ? end : -1
  }
  for (let end = line.indexOf(next, start); end >= 0; end = line.indexOf(next, end + 1)) if (fits(line, start, end, capture)) return end
  return -1
}

function fits(line: Buffer, start: number, end: number, { isNumber }: Capture): boolean {
  if (!isNumber) return true
  if (end - start === 1 && line[start] === 45) return true
  for (let at = start; at < end; at++) if (line[at] < 48 || line[at] > 57) return false
  return end > start
}

/** Puts what an operator printed where it belongs. False for a time that is none. */
export function give(fields: Fields, { field, name, readTime }: Capture, line: Buffer, start: number, end: number): boolean {
  if (line.subarray(start, end).includes(newline)) return false
  if (readTime) {
    fields.time = readTime(line.toString('latin1', start, end))
    return !Number.isNaN(fields.time)
  }
  if (field >= 0) fields.set(field, start, end)
  else if (end > start && !(end - start === 1 && line[start] === 45)) fields.others.push([name, line.toString('utf8', start, end)])
  return true
}
