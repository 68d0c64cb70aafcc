import type { Draft } from '../step.ts'
import type { Given } from '../tables/identities.ts'
import type { Decision } from './standing.ts'

/** The decisions on an end, and which row has which. */
export interface Decided {
  decisions: readonly Decision[]
  codes: Uint16Array
}

/**
 * Writes what was decided on an end; a column that stays as it was is left alone. `given` are what decisions give, by number, and `policies`
 * names for each row who demanded more.
 */
export function fillIn(
  draft: Draft,
  end: string,
  given: readonly Given[],
  { decisions, codes }: Decided,
  policies?: ReadonlyMap<number, string>,
): void {
  if (decisions.some(decision => decision.given)) {
    const { numbers, local } = distinct(decisions)
    const which = new Uint16Array(codes.length)
    for (let row = 0; row < which.length; row++) which[row] = local[codes[row]]
    const texts = (field: keyof Given) => numbers.map(number => given[number][field])
    complete(draft, `${end}_spiffe_id`, texts('id'), which)
    complete(draft, `${end}_spiffe_id_source`, texts('source'), which)
  }
  // Records that are judged again have a verdict, which may not hold any more.
  const judged = draft.block.has(`${end}_identity_check`)
  if (!judged && !policies && !decisions.some(({ check }) => check)) return
  const checks = new Dictionary(decisions.map(({ check }) => check))
  const expected = new Dictionary(decisions.map(({ expected }) => expected))
  draft.setLabels(
    `${end}_identity_check`,
    checks.column(codes, row => policies?.has(row) && 'missing'),
  )
  draft.setLabels(
    `${end}_identity_expected`,
    expected.column(codes, row => policies?.get(row)),
  )
}

/** What decisions give, each once, and for each decision which of it. */
function distinct(decisions: readonly Decision[]): { numbers: number[]; local: Uint16Array } {
  const numbers: number[] = []
  const known = new Map<number, number>()
  const local = new Uint16Array(decisions.length)
  for (let i = 0; i < local.length; i++) {
    const { given } = decisions[i]
    let at = known.get(given)
    if (at === undefined) known.set(given, (at = numbers.push(given) - 1))
    local[i] = at
  }
  return { numbers, local }
}

/** Fills the rows of a column that are empty. */
function complete(draft: Draft, name: string, texts: readonly string[], which: Uint16Array): void {
  const told = draft.labels(name)
  const empty = told.keys.indexOf('')
  const { keys, codeOf } = new Dictionary(texts, told.keys)
  const merged = new Uint16Array(which.length)
  for (let row = 0; row < merged.length; row++) merged[row] = told.codes[row] === empty ? codeOf[which[row]] : told.codes[row]
  draft.setLabels(name, { keys, codes: merged })
}

/** Texts, each once, and the code of each of some. */
class Dictionary {
  readonly keys: string[]
  readonly codeOf: Uint16Array
  readonly #known: Map<string, number>

  constructor(texts: readonly string[], keys: readonly string[] = ['']) {
    this.keys = [...keys]
    this.#known = new Map(keys.map((key, code) => [key, code]))
    this.codeOf = new Uint16Array(texts.length)
    for (let i = 0; i < texts.length; i++) this.codeOf[i] = this.code(texts[i])
  }

  code(text: string): number {
    let code = this.#known.get(text)
    if (code === undefined) this.#known.set(text, (code = this.keys.push(text) - 1))
    return code
  }

  /** The text of each row: `other` where it has one, else that of its code. */
  column(codes: Uint16Array, other: (row: number) => string | false | undefined): { keys: string[]; codes: Uint16Array } {
    const merged = new Uint16Array(codes.length)
    for (let row = 0; row < merged.length; row++) {
      const text = other(row)
      merged[row] = text ? this.code(text) : this.codeOf[codes[row]]
    }
    return { keys: this.keys, codes: merged }
  }
}
