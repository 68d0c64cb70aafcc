import { type Labels, wideAt } from '../../runtime/block/block.ts'
import { objectEndFields } from '../../schema/ends.ts'
import { attributionReasons, attributions } from '../../schema/vocabulary.ts'
import { type Given, claimsOf } from '../claims.ts'
import { type Decision, deciderOf } from '../decide.ts'
import type { Reachable } from '../ends/clusters.ts'
import { resolverOf } from '../ends/resolver.ts'
import { markUntranslated } from '../ends/untranslated.ts'
import { type Gathered, append, gatherFrom, pick, valuesOf } from '../gather.ts'
import type { Draft, Step } from '../step.ts'
import { Clocks, type Moments, mostHidden } from '../tables/clocks.ts'
import type { Attribute } from '../tables/entities.ts'
import type { ObjectTable } from '../tables/objects.ts'

const completed: readonly Attribute[] = ['cluster', ...objectEndFields]
const filled: readonly Attribute[] = ['zone']

export interface KubernetesOptions {
  /** What is known of the clocks of reporters. */
  clocks?: Clocks
  /** Told how many records of a kind may become known better. */
  provisional?(count: number, kind: string): void
  /** Told how many records of a kind were made before all that is still known of objects. */
  forgotten?(count: number, kind: string): void
  /** Which clusters reach each other's addresses. */
  reachable?: Reachable
}

/**
 * Who the two ends were at the time of the record, by cluster and address. What the source claims of an end is first-hand and
 * stays; what it leaves out is completed from the object that had the address then; where both speak and differ, that is said.
 */
export function kubernetes(
  objects: ObjectTable,
  { clocks = new Clocks(), provisional: counted, forgotten: countForgotten, reachable }: KubernetesOptions = {},
): Step {
  const decide = deciderOf(objects, resolverOf(objects, reachable))
  const gather = gatherFrom(objects)
  const prepared = new WeakMap<Draft, Moments>()

  function momentsOf(draft: Draft): Moments {
    let moments = prepared.get(draft)
    if (!moments) prepared.set(draft, (moments = clocks.moments(draft)))
    return moments
  }

  function attribute(draft: Draft, end: 'src' | 'dst', { provisional, isOld }: { provisional: Uint8Array; isOld: boolean }): Decision {
    const claims = claimsOf(draft, end)
    const { given, bits } = claims
    const decision = decide(draft, end, { claims, moments: momentsOf(draft), isOld })
    const { codes, entities, verdicts } = decision
    const columns = withLent(gather(entities, codes), decision)
    for (const name of completed) complete(draft, `${end}_${name}`, given.get(name), columns(name))
    for (const name of filled) draft.setLabels(`${end}_${name}`, columns(name).labels())
    draft.setLabels(`${end}_attribution`, valuesOf(attributions, verdicts, 'attribution', codes))
    draft.setLabels(`${end}_attribution_reason`, valuesOf(attributionReasons, verdicts, 'reason', codes))
    if (decision.candidates.length) draft.setLabels(`${end}_candidates`, candidatesOf(decision))
    if (given.size) draft.setNumbers(`${end}_claimed`, bits)
    if (verdicts.some(verdict => verdict.provisional))
      for (let row = 0; row < codes.length; row++) if (verdicts[codes[row]].provisional) provisional[row] = 1
    return decision
  }

  /** The same with what others tell, where they do. */
  function withLent(columns: (name: Attribute) => Gathered, { entities, codes, lent }: Decision): (name: Attribute) => Gathered {
    if (!lent.length) return columns
    const names = new Set(lent.flatMap(each => (each ? Object.keys(each) : [])))
    const tellers = (name: Attribute) => entities.map((entity, code) => lent[code]?.[name] ?? entity)
    return name => (names.has(name) ? gather(tellers(name), codes)(name) : columns(name))
  }

  /** Fills the rows of a column that are empty; a column with nothing to fill is left as it came. */
  function complete(draft: Draft, name: string, given: Given | undefined, column: Gathered) {
    if (!given) return draft.setLabels(name, column.labels())
    if (!given.hasEmpty) return
    const { keys, codes } = given.labels
    const merged = column.into({ keys: [...keys], codes }, given.empty)
    if (merged) draft.setLabels(name, merged)
  }

  return {
    name: 'kubernetes',
    until: draft => momentsOf(draft).until,
    enrich(draft) {
      const provisional = new Uint8Array(draft.block.rows)
      const old = countOld(momentsOf(draft), objects.knownSince)
      if (old) countForgotten?.(old, draft.kind.name)
      const of = { provisional, isOld: old > 0 }
      const ends = [attribute(draft, 'src', of), attribute(draft, 'dst', of)]
      if (draft.kind.name === 'flow' && ends.some(({ hasService }) => hasService)) markUntranslated(draft, ends)
      if (!('provisional' in draft.kind.fields)) return
      draft.setNumbers('provisional', provisional)
      if (draft.written.has('provisional'))
        counted?.(
          provisional.reduce((sum, one) => sum + one, 0),
          draft.kind.name,
        )
    },
  }
}

/** How many records were made before a time, perhaps. */
function countOld({ times, reporters, earliest }: Moments, before: number): number {
  let count = 0
  if (leastOf(times) - mostHidden >= before) return count
  for (let row = 0; row < reporters.length; row++) if (wideAt(times, row) + earliest[reporters[row]] < before) count++
  return count
}

/** A time before all of them, by an hour and a quarter at most: it tells nearly always that none is as long ago as is asked. */
function leastOf(times: Uint32Array): number {
  let high = 2 ** 32
  for (let i = 1; i < times.length; i += 2) if (times[i] < high) high = times[i]
  return high * 2 ** 32
}

/** Who else the end of each row may have been. */
function candidatesOf({ candidates, verdicts, codes }: Decision): Labels {
  const texts = verdicts.map((_, code) => candidates[code] ?? '')
  const keys = ['']
  return { keys, codes: pick(append(keys, texts), codes) }
}
