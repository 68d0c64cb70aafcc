import { FilterError, type Position } from './error.ts'

/** `word` is whatever stands unquoted: a name, a number, an address, a time. */
export interface Token extends Position {
  type: 'word' | 'text' | 'symbol' | 'end'
  /** Without quotes. */
  text: string
  /** Of a word such as `attributes['key']`, what stands in the brackets, without quotes. */
  key?: string
}

export const symbols = ['!=', '<=', '>=', '=', '<', '>', '(', ')', ','] as const

const quoted = `'(?:[^']|'')*'|"(?:[^"]|"")*"`
const pattern = new RegExp(
  String.raw`\s+|(?<symbol>!=|<=|>=|[=<>(),])|(?<text>${quoted})|(?<map>\w+)\[(?<key>${quoted})\]|(?<word>[^\s'"=<>!(),]+)`,
  'y',
)

/** The tokens of a filter and an end. In quoted text the quote itself is written twice; a backslash is nothing special. */
export function tokens(text: string): Token[] {
  const scanner = new RegExp(pattern)
  const found: Token[] = []
  for (let offset = 0; offset < text.length; offset = scanner.lastIndex) {
    scanner.lastIndex = offset
    const match = scanner.exec(text)
    if (!match) throw unreadable(text, offset)
    const token = readToken(match)
    if (token) found.push({ ...token, offset, length: match[0].length })
  }
  return [...found, { type: 'end', text: '', offset: text.length, length: 0 }]
}

function readToken({ groups = {} }: RegExpExecArray): Pick<Token, 'type' | 'text' | 'key'> | undefined {
  if (groups.symbol) return { type: 'symbol', text: groups.symbol }
  if (groups.word) return { type: 'word', text: groups.word }
  if (groups.map) return { type: 'word', text: groups.map, key: unquote(groups.key) }
  return groups.text ? { type: 'text', text: unquote(groups.text) } : undefined
}

function unquote(text: string): string {
  const quote = text[0]
  return text.slice(1, -1).replaceAll(quote + quote, quote)
}

function unreadable(text: string, offset: number): FilterError {
  const quote = text[offset]
  if (quote === '!') return new FilterError('! alone means nothing', { offset, length: 1 }, ['!=', 'NOT'])
  return new FilterError(`the text that begins here has no closing ${quote}`, { offset, length: text.length - offset }, [quote])
}
