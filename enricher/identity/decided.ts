import type { Labels } from '../../runtime/block/block.ts'
import type { Draft } from '../step.ts'
import type { IdentityCheck, IdentitySource, Standing } from '../tables/identities.ts'
import type { Stretch } from './stretch.ts'

/** What is said of the identity of an end, for all rows that say the same of it in a stretch of time. */
export interface Decision {
  stretch: Stretch
  code: number
  /** What the end is given where it has none. */
  id: string
  source: IdentitySource
  check: IdentityCheck
  expected: string
  standing?: Standing
}

/** The decisions on an end, and which row has which. */
export interface Decided {
  decisions: readonly Decision[]
  codes: Uint16Array
}

/** Writes what was decided on an end; a column that stays as it was is left alone. `policies` names for each row who demanded more. */
export function fillIn(draft: Draft, end: string, { decisions, codes }: Decided, policies?: readonly string[]): void {
  const column = (field: string, texts: readonly string[]) => complete(draft, `${end}_${field}`, texts, codes)
  const ids = decisions.map(({ id }) => id)
  if (ids.some(Boolean)) {
    // First: whether a row has an identity of its own is seen by it.
    const sources = decisions.map(({ source }) => source)
    column('spiffe_id_source', sources)
    column('spiffe_id', ids)
  }
  const rows = policies?.some(Boolean) ? policies : undefined
  const checks = decisions.map(({ check }) => check)
  if (!rows && !checks.some(Boolean)) return
  const of = (texts: readonly string[], missing: (policy: string) => string) => (row: number) =>
    rows?.[row] ? missing(rows[row]) : texts[codes[row]]
  draft.setLabels(
    `${end}_identity_check`,
    gathered(
      codes.length,
      of(checks, () => 'missing'),
    ),
  )
  const expected = decisions.map(({ expected }) => expected)
  draft.setLabels(
    `${end}_identity_expected`,
    gathered(
      codes.length,
      of(expected, policy => policy),
    ),
  )
}

/** Fills the rows of a column that are empty. */
function complete(draft: Draft, name: string, texts: readonly string[], codes: Uint16Array): void {
  const told = draft.labels(name)
  draft.setLabels(
    name,
    gathered(codes.length, row => told.keys[told.codes[row]] || texts[codes[row]]),
  )
}

/** A column with the text of each row. */
function gathered(rows: number, textOf: (row: number) => string): Labels {
  const keys = ['']
  const known = new Map([['', 0]])
  const codes = new Uint16Array(rows)
  for (let row = 0; row < rows; row++) {
    const text = textOf(row)
    let code = known.get(text)
    if (code === undefined) known.set(text, (code = keys.push(text) - 1))
    codes[row] = code
  }
  return { keys, codes }
}
