import { type Field, overflow } from '../../schema/field.ts'
import { type RecordKind, collectedFields } from '../../schema/record.ts'
import type { Labels } from './block.ts'

/** Milliseconds after which other texts have their turn. */
const renewedAfterMs = 3_600_000

/**
 * How many distinct texts a field may have in an hour; those that come beyond them become `overflow`. So who makes up texts fills neither
 * dictionaries nor rollups.
 */
export class LabelBudget {
  readonly #most: number
  readonly #known = new Set<string>()
  #since = 0
  #overflowed = 0

  constructor(most: number) {
    this.#most = most
  }

  /** How many rows lost their text since this was asked last. */
  take(): number {
    const count = this.#overflowed
    this.#overflowed = 0
    return count
  }

  /** The same labels, without the texts that are too many. */
  within(labels: Labels, rows: number, now = Date.now()): Labels {
    if (now - this.#since >= renewedAfterMs) {
      this.#known.clear()
      this.#since = now
    }
    return labels.keys.every(key => this.#takes(key)) ? labels : this.#folded(labels, rows)
  }

  #takes(text: string): boolean {
    if (text === '' || this.#known.has(text)) return true
    if (text === overflow || this.#known.size >= this.#most) return false
    this.#known.add(text)
    return true
  }

  #folded(labels: Labels, rows: number): Labels {
    const keys: string[] = []
    const kept = labels.keys.map(key => (this.#takes(key) ? keys.push(key) - 1 : -1))
    const other = keys.push(overflow) - 1
    const codes = new Uint16Array(rows)
    for (let row = 0; row < rows; row++) {
      const code = kept[labels.codes[row]]
      codes[row] = code < 0 ? other : code
      if (code < 0) this.#overflowed++
    }
    return { keys, codes }
  }
}

/** The budgets of a kind's fields by their names. */
export function labelBudgets(kind: RecordKind): ReadonlyMap<string, LabelBudget> {
  const limited = collectedFields(kind).filter((entry): entry is [string, Field & { distinct: number }] => entry[1].distinct !== undefined)
  return new Map(limited.map(([name, { distinct }]) => [name, new LabelBudget(distinct)]))
}
