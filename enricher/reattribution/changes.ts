import type { Labels } from '../../runtime/block/block.ts'
import type { Draft } from '../step.ts'
import { namedBy, stored } from './sql.ts'

/** Ends that changed, by why they were known as they were and why as they are now: `no_object → object`. */
export type Changes = Record<string, number>

/** Adds the ends of a block that are known otherwise than they were. Resolves to how many. */
export function countChanges(draft: Draft, into: Changes): void {
  for (const end of ['src', 'dst']) {
    const reason = pairOf(draft, `${end}_attribution_reason`)
    const pairs = [reason, ...namedBy.map(name => pairOf(draft, `${end}_${name}`))].filter(({ same }) => !same)
    const counts = new Uint32Array(reason.before.keys.length * reason.after.keys.length)
    for (let row = 0; pairs.length > 0 && row < draft.block.rows; row++) {
      if (!pairs.some(pair => pair.differs(row))) continue
      counts[reason.before.codes[row] * reason.after.keys.length + reason.after.codes[row]]++
    }
    counts.forEach((count, at) => {
      if (count === 0) return
      const from = reason.before.keys[Math.floor(at / reason.after.keys.length)]
      const name = `${from || 'none'} → ${reason.after.keys[at % reason.after.keys.length] || 'none'}`
      into[name] = (into[name] ?? 0) + count
    })
  }
}

interface Pair {
  before: Labels
  after: Labels
  /** Whether no row can differ. */
  same: boolean
  differs(row: number): boolean
}

/** What nobody filled is not read. */
const nothing = (rows: number): Labels => ({ keys: [''], codes: new Uint8Array(rows) })

function pairOf(draft: Draft, name: string): Pair {
  const before = draft.block.has(stored(name)) ? draft.labels(stored(name)) : nothing(draft.block.rows)
  const after = draft.labels(name)
  const expected = before.keys.map(key => after.keys.indexOf(key))
  return {
    before,
    after,
    same: before.keys.length === 1 && after.keys.length === 1 && expected[0] === 0,
    differs: row => expected[before.codes[row]] !== after.codes[row],
  }
}

/** How many ends changed. */
export const sumOf = (changes: Changes) => Object.values(changes).reduce((sum, count) => sum + count, 0)

export function addTo(all: Changes, more: Changes): void {
  for (const [change, count] of Object.entries(more)) all[change] = (all[change] ?? 0) + count
}
