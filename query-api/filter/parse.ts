import type { Field, Fields } from '../../schema/field.ts'
import { type Filter, type Operator, type Value, comparisons } from './ast.ts'
import { FilterError } from './error.ts'
import { isLikePattern } from './like.ts'
import { nearest } from './nearest.ts'
import { type Token, tokens } from './token.ts'
import { readValue } from './value.ts'

export const limits = { bytes: 8192, depth: 50, list: 1000, conditions: 500 } as const

/** What may stand where the filter ended too early; completion offers it. */
export interface Expecting {
  what: 'field' | 'operator' | 'value' | 'word'
  field?: string
  words: readonly string[]
}

/** The filter ended where something was missing. */
export class UnfinishedFilter extends FilterError {
  readonly expecting: Expecting

  constructor(expecting: Expecting, offset: number) {
    const what = expecting.words.length > 0 && expecting.what !== 'field' ? expecting.words.join(', ') : `a ${expecting.what}`
    super(`the filter ends where ${what} is expected`, { offset, length: 0 }, expecting.words)
    this.expecting = expecting
  }
}

/** What stands under a key of a map. */
const valueOfMap: Field = { type: 'text', about: '' }

const negatable = ['IN', 'LIKE', 'ILIKE', 'BETWEEN']

/** Operators that make sense for a field, as they are written. */
export function operatorsOf({ type, values }: Field): string[] {
  const empty = ['IS EMPTY', 'IS NOT EMPTY']
  const equal = ['=', '!=', 'IN', 'NOT IN']
  const like = ['LIKE', 'NOT LIKE', 'ILIKE', 'NOT ILIKE']
  if (type === 'bool') return ['=', '!=']
  if (type === 'numbers' || type === 'attributes') return empty
  if (type === 'address') return [...equal, ...empty]
  if (type === 'texts' || values) return [...equal, ...like, ...empty]
  const ordered = ['<', '<=', '>', '>=', 'BETWEEN', 'NOT BETWEEN']
  return type === 'text' || type === 'label' ? [...equal, ...ordered, ...like, ...empty] : [...equal, ...ordered, ...empty]
}

/**
 * Fields a name stands for: itself, or the field of either end when only the ends have it (`namespace` for `src_namespace` and
 * `dst_namespace`).
 */
export function fieldsNamed(name: string, fields: Fields): string[] {
  if (Object.hasOwn(fields, name)) return [name]
  return [`src_${name}`, `dst_${name}`].every(end => Object.hasOwn(fields, end)) ? [`src_${name}`, `dst_${name}`] : []
}

/** Every name a filter over these fields may use. */
export function namesIn(fields: Fields): string[] {
  const names = Object.keys(fields)
  const either = names.filter(name => name.startsWith('src_')).map(name => name.slice(4))
  return [...names, ...either.filter(name => !Object.hasOwn(fields, name) && fieldsNamed(name, fields).length === 2)]
}

/** Reads a filter over the fields; nothing for an empty one. Throws FilterError. `now` (milliseconds) is what times count from. */
export function parseFilter(text: string, fields: Fields, now = Date.now()): Filter | undefined {
  if (Buffer.byteLength(text) > limits.bytes)
    throw new FilterError(`the filter has ${Buffer.byteLength(text)} bytes, at most ${limits.bytes} expected`, {
      offset: limits.bytes,
      length: 0,
    })
  const list = tokens(text)
  return list[0].type === 'end' ? undefined : new Parser(list, fields, now).filter()
}

class Parser {
  readonly #tokens: Token[]
  readonly #fields: Fields
  readonly #now: number
  #at = 0
  #depth = 0
  #conditions = 0

  constructor(tokens: Token[], fields: Fields, now: number) {
    this.#tokens = tokens
    this.#fields = fields
    this.#now = now
  }

  filter(): Filter {
    const filter = this.#or()
    if (this.#next.type !== 'end') this.#fail(['AND', 'OR', 'the end'])
    return filter
  }

  get #next(): Token {
    return this.#tokens[this.#at]
  }

  #takes(text: string): boolean {
    const { type, text: found } = this.#next
    const taken = type === 'symbol' ? found === text : type === 'word' && found.toUpperCase() === text
    if (taken) this.#at++
    return taken
  }

  #fail(expected: readonly string[]): never {
    const token = this.#next
    if (token.type === 'end') throw new UnfinishedFilter({ what: 'word', words: expected }, token.offset)
    throw new FilterError(`${JSON.stringify(token.text)} is not expected here`, token, expected)
  }

  #or(): Filter {
    return this.#joined('OR', () => this.#joined('AND', () => this.#unary()))
  }

  #joined(op: 'AND' | 'OR', read: () => Filter): Filter {
    const parts = [read()]
    while (this.#takes(op)) parts.push(read())
    return parts.length === 1 ? parts[0] : { op, parts }
  }

  #unary(): Filter {
    if (++this.#depth > limits.depth) throw new FilterError(`nested deeper than ${limits.depth}`, this.#next)
    const filter = this.#takes('NOT') ? ({ op: 'NOT', part: this.#unary() } as const) : this.#takes('(') ? this.#group() : this.#condition()
    this.#depth--
    return filter
  }

  #group(): Filter {
    const filter = this.#or()
    if (!this.#takes(')')) this.#fail([')', 'AND', 'OR'])
    return filter
  }

  #condition(): Filter {
    if (++this.#conditions > limits.conditions) throw new FilterError(`more than ${limits.conditions} conditions`, this.#next)
    const { name, names, key } = this.#field()
    const field = key === undefined ? this.#fields[names[0]] : valueOfMap
    const { op, negated } = this.#operator(name, field)
    const values = this.#values(op, name, field)
    const each = names.map(name => ({ op, field: name, ...(key !== undefined && { key }), type: field.type, values }))
    const filter: Filter = each.length === 1 ? each[0] : { op: 'OR', parts: each }
    return negated ? { op: 'NOT', part: filter } : filter
  }

  #field(): { name: string; names: string[]; key?: string } {
    const token = this.#next
    if (token.type === 'end') throw new UnfinishedFilter({ what: 'field', words: namesIn(this.#fields) }, token.offset)
    if (token.type !== 'word') this.#fail(['a field', 'NOT', '('])
    const names = fieldsNamed(token.text, this.#fields)
    if (names.length === 0) this.#unknownField(token)
    if (token.key !== undefined && this.#fields[names[0]].type !== 'attributes')
      throw new FilterError(`${token.text} has no keys`, token, [token.text])
    this.#at++
    return { name: token.key === undefined ? token.text : `${token.text}['${token.key}']`, names, key: token.key }
  }

  #unknownField(token: Token): never {
    const all = namesIn(this.#fields)
    const map = token.text.split('[')[0]
    if (map !== token.text && this.#fields[map]?.type === 'attributes')
      throw new FilterError(`a key is quoted text in brackets`, token, [`${map}['key']`])
    const near = nearest(token.text, all)
    throw new FilterError(`there is no field ${token.text}${near ? `; did you mean ${near}?` : ''}`, token, near ? [near] : all)
  }

  #operator(name: string, field: Field): { op: Operator; negated: boolean } {
    const start = this.#at
    const allowed = operatorsOf(field)
    const found = this.#readOperator(name, allowed)
    const written = this.#tokens.slice(start, this.#at)
    const spelled = written.map(token => token.text.toUpperCase()).join(' ')
    if (allowed.includes(spelled)) return found
    const [first, last] = [written[0], written.at(-1) ?? written[0]]
    const position = { offset: first.offset, length: last.offset + last.length - first.offset }
    throw new FilterError(
      `${spelled} makes no sense for ${name}, which is ${field.values ? 'a closed set' : `of type ${field.type}`}`,
      position,
      allowed,
    )
  }

  #readOperator(name: string, allowed: string[]): { op: Operator; negated: boolean } {
    if (this.#next.type === 'end') throw new UnfinishedFilter({ what: 'operator', field: name, words: allowed }, this.#next.offset)
    if (this.#takes('IS')) return this.#readEmpty()
    if (this.#takes('!=')) return { op: '=', negated: true }
    const comparison = comparisons.find(op => this.#takes(op))
    if (comparison) return { op: comparison, negated: false }
    const negated = this.#takes('NOT')
    const word = negatable.find(op => this.#takes(op))
    return word ? { op: word as Operator, negated } : this.#fail(negated ? negatable : allowed)
  }

  #readEmpty(): { op: Operator; negated: boolean } {
    const negated = this.#takes('NOT')
    return this.#takes('EMPTY') ? { op: 'EMPTY', negated } : this.#fail(negated ? ['EMPTY'] : ['EMPTY', 'NOT EMPTY'])
  }

  #values(op: Operator, name: string, field: Field): Value[] {
    if (op === 'EMPTY') return []
    if (op === 'IN') return this.#list(name, field)
    if (op === 'LIKE' || op === 'ILIKE') return [this.#pattern(name)]
    const first = this.#value(name, field)
    if (op !== 'BETWEEN') return [first]
    return this.#takes('AND') ? [first, this.#value(name, field)] : this.#fail(['AND'])
  }

  /** `(a, b)`; a single value needs no parentheses, as in `src_address IN 10.0.0.0/8`. */
  #list(name: string, field: Field): Value[] {
    if (!this.#takes('(')) return [this.#value(name, field)]
    const values = [this.#value(name, field)]
    while (this.#takes(',')) values.push(this.#value(name, field))
    if (values.length > limits.list) throw new FilterError(`a list of ${values.length} values, at most ${limits.list} expected`, this.#next)
    if (!this.#takes(')')) this.#fail([',', ')'])
    return values
  }

  #token(name: string): Token {
    const token = this.#next
    if (token.type === 'end') throw new UnfinishedFilter({ what: 'value', field: name, words: [] }, token.offset)
    if (token.type === 'symbol' || token.key !== undefined) this.#fail(['a value'])
    this.#at++
    return token
  }

  #value(name: string, field: Field): Value {
    return readValue(name, field, this.#token(name), this.#now)
  }

  #pattern(name: string): string {
    const token = this.#token(name)
    if (!isLikePattern(token.text))
      throw new FilterError('a pattern ends in a backslash that escapes nothing', token, ['\\\\', '\\%', '\\_'])
    return token.text
  }
}
