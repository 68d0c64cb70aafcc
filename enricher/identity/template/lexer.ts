import { unsupported } from './unsupported.ts'

/** A word of an action: what it is and how it is written. */
export interface Token {
  type: 'field' | 'word' | 'text' | 'number' | 'open' | 'close' | 'pipe'
  value: string
  /** Nothing but white space, a bracket or a pipe may follow a value. */
  spaced: boolean
}

export type Piece = { text: string } | { tokens: Token[] }

const space = ' \\t\\r\\n'
/** A comment goes up to its own end, and an action up to the first }} that is in no text. */
const action = new RegExp(
  `\\{\\{(?<trimBefore>-[${space}])?(?:/\\*(?:[^*]|\\*(?!/))*\\*/|(?<words>(?:[^"\`}]|"(?:[^"\\\\\\n]|\\\\[^\\n])*"|\`[^\`]*\`|\\}(?!\\}))*?))(?<trimAfter>[${space}]-)?\\}\\}`,
  'gy',
)
const after = new RegExp(`^[${space}]+`)
const gap = new RegExp(`[${space}]*`, 'y')
const forms: readonly (readonly [Token['type'], RegExp])[] = [
  ['field', /\$?(?:\.[A-Za-z_]\w*)+/y],
  ['text', /"(?:[^"\\]|\\.)*"|`[^`]*`/y],
  ['number', /-?\d+/y],
  ['word', /[A-Za-z_]\w*/y],
  ['open', /\(/y],
  ['close', /\)/y],
  ['pipe', /\|/y],
]

/** Takes a template of Go (text/template) apart. Throws UnsupportedTemplate where an action has no end, or has what is not read. */
export function lex(template: string): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  let trims = false
  for (;;) {
    const begin = template.indexOf('{{', at)
    const text = template.slice(at, begin < 0 ? undefined : begin)
    const trimmed = trims ? text.replace(after, '') : text
    if (begin < 0) return [...pieces, { text: trimmed }]
    action.lastIndex = begin
    const found = action.exec(template) ?? unsupported(`an action that does not end: ${template.slice(begin)}`)
    const { trimBefore, words, trimAfter } = found.groups!
    pieces.push({ text: trimBefore ? withoutEnd(trimmed) : trimmed })
    if (words !== undefined) pieces.push({ tokens: tokensOf(words) })
    trims = trimAfter !== undefined
    at = action.lastIndex
  }
}

/** A regular expression would look for the end from every space. */
function withoutEnd(text: string): string {
  let end = text.length
  while (end > 0 && ' \t\r\n'.includes(text[end - 1])) end--
  return text.slice(0, end)
}

function tokensOf(words: string): Token[] {
  const tokens: Token[] = []
  let at = skip(words, 0)
  while (at < words.length) {
    const token = tokenAt(words, at) ?? unsupported(words.slice(at).trim())
    const end = at + token.value.length
    at = skip(words, end)
    tokens.push({ ...token, spaced: at > end || at === words.length })
  }
  return tokens
}

function tokenAt(words: string, at: number): Token | undefined {
  for (const [type, form] of forms) {
    form.lastIndex = at
    const [value] = form.exec(words) ?? []
    if (value !== undefined) return { type, value, spaced: false }
  }
  return undefined
}

function skip(words: string, at: number): number {
  gap.lastIndex = at
  gap.exec(words)
  return gap.lastIndex
}
