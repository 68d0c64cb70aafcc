import type { Labels } from '../runtime/block/block.ts'
import { claimableFields } from '../schema/ends.ts'
import type { Claim } from './judge.ts'
import type { Draft } from './step.ts'

/** A field of an end as its source filled it, in some rows at least. */
export interface Given {
  labels: Labels
  /** The code of ''; -1 where there is none. */
  empty: number
  /** Whether some rows are empty. */
  hasEmpty: boolean
}

/** What of a claim says who the end is. */
const tellingFields = ['pod', 'workload', 'namespace', 'entity', 'service_account', 'spiffe_id'] as const

/** What the sources of a block's rows say of one of their ends. */
export interface Claims {
  given: ReadonlyMap<string, Given>
  /** For each row a bit for each of `claimableFields`. */
  bits: Uint16Array
  /** Whether some row says who the end is. */
  tells: boolean
  /** For each of `tellingFields` the code of each row. */
  codes: readonly Labels['codes'][]
  /** Who the end of a row is said to be. */
  claim(row: number): Claim
}

export function claimsOf(draft: Draft, end: string): Claims {
  const { given, bits } = givenOf(draft, end)
  const told = tellingFields.map(field => given.get(field)?.labels)
  const nothing = new Uint8Array(told.every(Boolean) ? 0 : draft.block.rows)
  const codes = told.map(labels => labels?.codes ?? nothing)
  const keys = told.map(labels => labels?.keys ?? [''])
  const claim = (row: number): Claim => {
    const [pod, workload, namespace, entity, serviceAccount, spiffeId] = keys.map((texts, field) => texts[codes[field][row]])
    return { pod, workload, namespace, entity, serviceAccount, spiffeId }
  }
  return { given, bits, tells: told.some(Boolean), codes, claim }
}

/** What the source itself filled, and for each row a bit for each of `claimableFields`. */
function givenOf(draft: Draft, end: string): Pick<Claims, 'given' | 'bits'> {
  const given = new Map<string, Given>()
  const bits = new Uint16Array(draft.block.rows)
  for (const [at, field] of claimableFields.entries()) {
    const name = `${end}_${field}`
    if (!draft.block.has(name)) continue
    const labels = draft.given(name)
    const { keys, codes } = labels
    const empty = keys.indexOf('')
    if (keys.length === 1 && empty === 0) continue
    const bit = 1 << at
    let count = 0
    for (let row = 0; row < codes.length; row++)
      if (codes[row] !== empty) {
        bits[row] |= bit
        count++
      }
    if (count) given.set(field, { labels, empty, hasEmpty: count < codes.length })
  }
  return { given, bits }
}
