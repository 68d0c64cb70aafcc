import { type TemplateFacts, fieldAt } from './fields.ts'
import { functionOf } from './functions.ts'
import type { Token } from './lexer.ts'
import { unsupported } from './unsupported.ts'
import { type Value, failed } from './value.ts'

export type Expression = (facts: TemplateFacts) => Value

/** One value within a command; `literal` where it is a text as it is written down. */
interface Operand {
  value: Expression
  literal?: string
}

const deepest = 16
const reserved = new Set(['if', 'else', 'end', 'with', 'range', 'define', 'template', 'block', 'break', 'continue', 'nil'])

/** Reads a pipeline of Go (text/template, Pipelines). Throws UnsupportedTemplate. */
export function pipelineOf(tokens: readonly Token[]): Expression {
  const parser = new Parser(tokens)
  const expression = parser.pipeline(0)
  if (!parser.isAtEnd) unsupported(parser.rest)
  return expression
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  get isAtEnd(): boolean {
    return this.#at === this.#tokens.length
  }

  get rest(): string {
    return this.#tokens
      .slice(this.#at)
      .map(({ value }) => value)
      .join(' ')
  }

  get #next(): Token['type'] | undefined {
    return this.#tokens[this.#at]?.type
  }

  /** Each command gets what the one before it gave as its last argument. */
  pipeline(depth: number): Expression {
    if (depth > deepest) unsupported(`brackets more than ${deepest} deep`)
    let value: Operand | undefined
    do {
      if (value) this.#at++
      value = { value: this.#command(depth, value) }
    } while (this.#next === 'pipe')
    return value.value
  }

  #command(depth: number, piped: Operand | undefined): Expression {
    if (this.#next === 'word' && !/^(?:true|false)$/.test(this.#tokens[this.#at].value)) return this.#call(depth, piped)
    const { value } = this.#operand(depth)
    if (piped || this.#begins) unsupported(`a value that is called like a function: ${this.rest}`)
    return value
  }

  #call(depth: number, piped: Operand | undefined): Expression {
    const { value: name, spaced } = this.#take()
    if (reserved.has(name)) unsupported(name)
    if (!spaced && this.#begins) unsupported(`${name}${this.rest}`)
    const given: Operand[] = []
    while (this.#begins) given.push(this.#operand(depth))
    if (piped) given.push(piped)
    const apply = functionOf(
      name,
      given.map(({ literal }) => literal),
    )
    return facts => {
      const last = piped?.value(facts)
      // It was there before the function was called.
      if (piped && (last === undefined || last === failed)) return last
      return apply(given.map(({ value }) => value(facts)))
    }
  }

  get #begins(): boolean {
    return this.#next !== undefined && this.#next !== 'close' && this.#next !== 'pipe'
  }

  #operand(depth: number): Operand {
    const token = this.#take()
    const operand = token.type === 'open' ? this.#bracket(depth) : operandOf(token)
    if (!this.#tokens[this.#at - 1].spaced && this.#begins) unsupported(`${token.value}${this.rest}`)
    return operand
  }

  #bracket(depth: number): Operand {
    const value = this.pipeline(depth + 1)
    if (this.#next !== 'close') unsupported('a bracket that is not closed')
    this.#at++
    return { value }
  }

  #take(): Token {
    return this.#tokens[this.#at++] ?? unsupported('an action without a value')
  }
}

function operandOf({ type, value }: Token): Operand {
  if (type === 'field') return { value: fieldAt(value) }
  if (type === 'text') return literal(unquoted(value))
  if (type === 'number') return { value: constant(numberOf(value)) }
  if (value === 'true' || value === 'false') return { value: constant(value === 'true') }
  return unsupported(type === 'word' ? `the function ${value} without brackets` : value)
}

const constant = (value: Value) => () => value
const literal = (text: string): Operand => ({ value: constant(text), literal: text })

/** Other ways to write a number mean something else in Go. */
const numberOf = (text: string) => (/^-?(?:0|[1-9]\d{0,8})$/.test(text) && text !== '-0' ? Number(text) : unsupported(`the number ${text}`))

/** Go's escapes are JSON's but for a few that no label has. */
function unquoted(text: string): string {
  if (text.startsWith('`')) return text.slice(1, -1).replaceAll('\r', '')
  if (/\\(?:\/|u[dD][89a-fA-F])/.test(text)) unsupported(`the text ${text}`)
  try {
    return JSON.parse(text) as string
  } catch {
    return unsupported(`the text ${text}`)
  }
}
