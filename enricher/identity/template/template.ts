import type { TemplateFacts } from './fields.ts'
import { type Piece, type Token, lex } from './lexer.ts'
import { type Expression, pipelineOf } from './parser.ts'
import { UnsupportedTemplate, unsupported } from './unsupported.ts'
import { failed, isTrue, written } from './value.ts'

export type { TemplateFacts, TemplateNode } from './fields.ts'
export { UnsupportedTemplate } from './unsupported.ts'

/** Fills in a template: '' where that fails, as it does for spire-controller-manager; undefined where it has what weir does not know. */
export type Template = (facts: TemplateFacts) => string | undefined

/** A text, or undefined or `failed` as of a value. */
type Part = (facts: TemplateFacts) => string | typeof failed | undefined

const longest = 16_384
const deepest = 16

/**
 * Reads a template of Go (text/template) as far as templates of ClusterSPIFFEIDs use it: text, comments, the marks that trim spaces, `if`,
 * pipelines of Go's own functions, and the fields of the pod, its node and its cluster. Throws UnsupportedTemplate for all else: what is not
 * understood is not guessed.
 */
export function readTemplate(text: string): Template {
  if (text.length > longest) throw new UnsupportedTemplate(`more than ${longest} characters`)
  const pieces = new Pieces(lex(text))
  const part = pieces.block(0)
  const end = pieces.take()
  if (end) unsupported(wordsOf(end))
  return facts => {
    const filled = part(facts)
    return filled === failed ? '' : filled
  }
}

/** Actions that end a part of a block: {{ else }}, {{ else if … }} and {{ end }}. */
const isEnd = ([first]: readonly Token[]) => first?.value === 'end' || first?.value === 'else'
const wordsOf = (tokens: readonly Token[]) => tokens.map(({ value }) => value).join(' ')

class Pieces {
  readonly #pieces: readonly Piece[]
  #at = 0

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces
  }

  /** The action that ended the last block, if any did. */
  take(): readonly Token[] | undefined {
    const piece = this.#pieces[this.#at++]
    return piece && 'tokens' in piece ? piece.tokens : undefined
  }

  /** All up to an action that ends it, or to the end of the template. */
  block(depth: number): Part {
    if (depth > deepest) unsupported(`ifs more than ${deepest} deep`)
    const parts: Part[] = []
    for (; this.#at < this.#pieces.length; this.#at++) {
      const piece = this.#pieces[this.#at]
      if ('text' in piece) parts.push(() => piece.text)
      else if (isEnd(piece.tokens)) break
      else if (piece.tokens[0]?.value === 'if') parts.push(this.#if(piece.tokens.slice(1), depth))
      else parts.push(outputOf(pipelineOf(piece.tokens)))
    }
    return facts => joined(parts, facts)
  }

  /** From {{ if … }} on; stays at its {{ end }}. */
  #if(condition: readonly Token[], depth: number): Part {
    const test = pipelineOf(condition)
    this.#at++
    const then = this.block(depth + 1)
    const [end, ...more] = this.take() ?? unsupported('an if that does not end')
    let otherwise: Part = () => ''
    if (end.value === 'else' && more[0]?.value === 'if') {
      this.#at--
      otherwise = this.#if(more.slice(1), depth + 1)
      this.#at++
    } else if (end.value === 'else') {
      if (more.length) unsupported(wordsOf([end, ...more]))
      otherwise = this.block(depth + 1)
      const last = this.take() ?? unsupported('an else that does not end')
      if (wordsOf(last) !== 'end') unsupported(wordsOf(last))
    } else if (more.length) unsupported(wordsOf([end, ...more]))
    this.#at--
    return facts => {
      const value = test(facts)
      return value === undefined || value === failed ? value : isTrue(value) ? then(facts) : otherwise(facts)
    }
  }
}

const outputOf =
  (value: Expression): Part =>
  facts =>
    written(value(facts))

function joined(parts: readonly Part[], facts: TemplateFacts): ReturnType<Part> {
  let text = ''
  for (const part of parts) {
    const next = part(facts)
    if (next === undefined || next === failed) return next
    text += next
  }
  return text
}
