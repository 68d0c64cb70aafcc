import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import type { Seen } from './versions.ts'

interface Known {
  version: ObjectVersion
  /** What it says, to notice that it says something else. */
  said: string
  /** When it was surely so. */
  seen: number
  /** When it was first not there any more. */
  missing?: number
}

/** What one poll cost in time: all it told was so at some moment between, microseconds. */
export interface Polled {
  began: number
  ended: number
}

/**
 * What is known to be on a server, and what a poll changes of it. Pages of a poll are not of one moment, and what is missing from one may be
 * there after all: only what two polls in a row do not tell has ended.
 */
export class Ledger {
  readonly #known = new Map<string, Known>()

  /** `standing` are the versions that were left open by whoever told of the server before. */
  constructor(standing: readonly ObjectVersion[]) {
    for (const version of standing) this.#known.set(keyOf(version), { version, said: whatItSays(version), seen: version.time ?? 0 })
  }

  get size(): number {
    return this.#known.size
  }

  /** The versions a complete poll begins and ends, and how many objects it told of that are as they were. */
  take(all: readonly Seen[], polled: Polled): { versions: ObjectVersion[]; unchanged: number } {
    const versions: ObjectVersion[] = []
    const present = new Set<string>()
    let unchanged = 0
    for (const seen of all) {
      const key = keyOf(seen.version)
      if (present.has(key)) continue
      present.add(key)
      const before = versions.length
      versions.push(...this.#takeOne(key, seen, polled))
      if (versions.length === before) unchanged++
    }
    for (const [key, known] of this.#known) if (!present.has(key)) versions.push(...this.#miss(key, known, polled))
    return { versions, unchanged }
  }

  #takeOne(key: string, { version, since }: Seen, { began, ended }: Polled): ObjectVersion[] {
    const known = this.#known.get(key)
    const said = whatItSays(version)
    if (known?.said === said) {
      known.seen = began
      known.missing = undefined
      return []
    }
    const changed = known && { ...known.version, time: ended, valid_to: ended, ended_after: known.seen }
    const added = { ...version, time: ended, valid_from: known ? ended : Math.min(since ?? ended, ended), valid_to: openEnd }
    this.#known.set(key, { version: added, said, seen: began })
    return changed ? [changed, added] : [added]
  }

  #miss(key: string, known: Known, { ended }: Polled): ObjectVersion[] {
    if (known.missing === undefined) {
      known.missing = ended
      return []
    }
    this.#known.delete(key)
    return [{ ...known.version, time: ended, valid_to: known.missing, ended_after: known.seen }]
  }
}

const keyOf = ({ kind, uid }: ObjectVersion) => `${kind}/${uid}`

const whatItSays = ({ name, spiffe_id, labels = [], spec }: ObjectVersion) => JSON.stringify([name, spiffe_id ?? '', labels, spec])
