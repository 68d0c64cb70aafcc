import { type Labels, wideAt } from '../runtime/block/block.ts'
import type { Claims, Given } from './claims.ts'
import { type Lent, type Resolver, type Where, firstFinding } from './ends/resolver.ts'
import { append } from './gather.ts'
import { type Judgement, type Verdict, judgeBy } from './judge.ts'
import type { Draft } from './step.ts'
import { isCrowd, nearby, noAddress, notFound } from './tables/address-table.ts'
import type { Moments } from './tables/clocks.ts'
import { Combinations } from './tables/combinations.ts'
import type { ObjectTable } from './tables/objects.ts'

/** Who the ends of a block's rows were: for each row a code, for each code the entity and the verdict. */
export interface Decision {
  codes: Uint16Array
  entities: number[]
  verdicts: Verdict[]
  /** Of some codes: who tells attributes in place of the entity, and who else it may have been. */
  lent: Lent[]
  candidates: string[]
  /** Whether some are a service itself. */
  hasService: boolean
}

/** What is known of the records of a block when the ends of one side are decided. */
export interface Testimony {
  claims: Claims
  moments: Moments
  /** Whether some are of a time before all that is still known of objects. */
  isOld: boolean
}

/** What most blocks fit into. */
const scratchRows = 8_208

/** What is known of the objects of a time: all, not yet all, or not all any more. */
const knowledge = { whole: 0, stale: 1, forgotten: 2 } as const

/** Decides who the ends of records were. Rows with the same claim and the same object share one judgement. */
export function deciderOf(objects: ObjectTable, resolver: Resolver) {
  const { heartbeats, neighbourhoods } = objects
  const judge = judgeBy(objects)
  const seen = new Combinations()
  const situations = new Combinations()
  const scratch = new Int32Array(scratchRows * 4)
  /** The code of an entity that no source and nothing else says anything of, in this block. */
  let codeOfEntity = new Uint16Array(0)

  return function decide(draft: Draft, end: 'src' | 'dst', { claims, moments, isOld }: Testimony): Decision {
    const { times, reporters, earliest, latest } = moments
    const clusters = clustersOf(draft, claims.given.get('cluster'))
    const reaches = clusters.keys.map(cluster => resolver.reaches(cluster))
    const dependsOnPort = objects.listening.dependsOnPort
    const resolve = resolver.open(draft, end)
    const tables = clusters.keys.map(cluster => objects.addresses(cluster))
    // Of one cluster, and of none that has objects: dictionaries begin with ''.
    const isMixed = tables.filter(({ addresses }) => addresses > 0).length > 1
    const complete = clusters.keys.map(cluster => heartbeats.upTo(cluster))
    const since = isOld ? objects.knownSince : -Infinity
    const addresses = draft.block.addressWords(`${end}_address`, scratch)
    const [pods, workloads, namespaces, labels, accounts, ids] = claims.codes
    const codes = new Uint16Array(draft.block.rows)
    const decision: Decision = { codes, entities: [], verdicts: [], lent: [], candidates: [], hasService: false }
    const codeOfCombination: number[] = []
    if (codeOfEntity.length < objects.entities) codeOfEntity = new Uint16Array(objects.entities * 2)
    for (const table of tables) table.tidy()
    seen.clear()
    situations.clear()

    for (let row = 0; row < codes.length; row++) {
      const cluster = clusters.codes[row]
      const reporter = reporters[row]
      const time = wideAt(times, row)
      const from = time + earliest[reporter]
      const to = time + latest[reporter]
      let found = tables[cluster].look(addresses, row * 4, from, to)
      if (found >= 0 ? dependsOnPort[found] : isCrowd(found)) found = resolve(found, row, whereOf(row))
      const known = to > complete[cluster] ? knowledge.stale : from < since ? knowledge.forgotten : knowledge.whole
      if (!claims.tells && known === knowledge.whole && found >= 0 && found < codeOfEntity.length) {
        if (codeOfEntity[found] === 0) codeOfEntity[found] = decided({ entity: found, verdict: judge.alone(found) }) + 1
        codes[row] = codeOfEntity[found] - 1
        continue
      }
      if (found === notFound.unknown) found = lookFurther(row)
      const combination = seen.number(
        pods[row] | (workloads[row] << 16),
        namespaces[row] | (labels[row] << 16),
        accounts[row] | (ids[row] << 16),
        // What an address table answers means something to that table only.
        isMixed || isOld ? situations.number(found, known, cluster, 0) : (found << 1) | known,
      )
      if (combination === codeOfCombination.length) codeOfCombination.push(decided(judgeRow(row, found, known)))
      codes[row] = codeOfCombination[combination]
    }
    for (const entity of decision.entities) codeOfEntity[entity] = 0
    return decision

    /** For the few rows whose end is not told by the address. */
    function whereOf(row: number): Where {
      const cluster = clusters.codes[row]
      const time = wideAt(times, row)
      const [from, to] = [time + earliest[reporters[row]], time + latest[reporters[row]]]
      return { cluster: clusters.keys[cluster], table: tables[cluster], time, from, to, addresses }
    }

    /** Of an address that is unknown in its cluster. */
    function lookFurther(row: number): number {
      const cluster = clusters.codes[row]
      if (isEmpty(addresses, row)) return noAddress
      const found = reaches[cluster] ? resolve(notFound.unknown, row, whereOf(row)) : notFound.unknown
      if (found !== notFound.unknown || complete[cluster] === Infinity) return found
      return neighbourhoods.has(clusters.keys[cluster], addresses, row * 4) ? nearby : found
    }

    function judgeRow(row: number, found: number, known: number): Judgement {
      const cluster = clusters.codes[row]
      return judge({
        claim: claims.claim(row),
        found,
        crowd: isCrowd(found) ? tables[cluster].crowd(found) : undefined,
        finding: found >= firstFinding ? resolver.finding(found) : undefined,
        stale: known === knowledge.stale,
        forgotten: known === knowledge.forgotten,
        watched: complete[cluster] !== Infinity,
      })
    }

    function decided({ entity, verdict, lent, candidates }: Judgement): number {
      const code = decision.entities.push(entity) - 1
      decision.verdicts.push(verdict)
      decision.hasService ||= verdict.reason === 'service'
      if (lent) decision.lent[code] = lent
      if (candidates) decision.candidates[code] = candidates
      return code
    }
  }
}

/** The cluster among whose objects the end of each row is looked for: the one the source names, else its own. */
function clustersOf(draft: Draft, claimed: Given | undefined): Labels {
  const reporters = draft.given('cluster')
  if (!claimed) return reporters
  const own = isUniform(reporters.codes) ? reporters.keys[reporters.codes[0]] : undefined
  if (claimed.labels.keys.every(key => key === '' || key === own)) return reporters
  const keys = [...reporters.keys]
  const codeOf = append(keys, claimed.labels.keys)
  const codes = new Uint16Array(claimed.labels.codes.length)
  for (let row = 0; row < codes.length; row++) {
    const code = claimed.labels.codes[row]
    codes[row] = code === claimed.empty ? reporters.codes[row] : codeOf[code]
  }
  return { keys, codes }
}

function isUniform(codes: Labels['codes']): boolean {
  let row = 1
  while (row < codes.length && codes[row] === codes[0]) row++
  return row >= codes.length
}

function isEmpty(addresses: Int32Array, row: number): boolean {
  const at = row * 4
  return (addresses[at] | addresses[at + 1] | addresses[at + 2] | addresses[at + 3]) === 0
}
