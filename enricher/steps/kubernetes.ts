import { type Labels, wideAt } from '../../runtime/block/block.ts'
import { claimableFields } from '../../schema/ends.ts'
import { attributionReasons, attributions } from '../../schema/vocabulary.ts'
import type { Reachable } from '../ends/clusters.ts'
import { type Lent, type Where, firstFinding, resolverOf } from '../ends/resolver.ts'
import { markUntranslated } from '../ends/untranslated.ts'
import { type Gathered, append, gatherFrom, pick, valuesOf } from '../gather.ts'
import { type Verdict, judgeBy, nearby, noAddress } from '../judge.ts'
import type { Draft, Step } from '../step.ts'
import { isCrowd, notFound } from '../tables/address-table.ts'
import { Clocks, type Moments, mostHidden } from '../tables/clocks.ts'
import { Combinations } from '../tables/combinations.ts'
import type { Attribute, ObjectTable } from '../tables/objects.ts'

const completed: readonly Attribute[] = [
  'cluster',
  'namespace',
  'pod',
  'workload',
  'workload_kind',
  'service',
  'service_account',
  'node',
  'spiffe_id',
  'spiffe_id_source',
]
const filled: readonly Attribute[] = ['zone']

/** What of a claim says who the end is. */
const telling = ['pod', 'workload', 'namespace', 'entity', 'service_account', 'spiffe_id'] as const

/** What most blocks fit into. */
const scratchRows = 8_208

/** Who the ends of a block's rows were: for each row a code, for each code the entity and the verdict. */
interface Decision {
  codes: Uint16Array
  entities: number[]
  verdicts: Verdict[]
  /** Of some codes: who tells attributes in place of the entity, and who else it may have been. */
  lent: Lent[]
  candidates: string[]
  /** Whether some are a service itself. */
  hasService: boolean
}

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

/** What is known of the objects of a time: all, not yet all, or not all any more. */
const knowledge = { whole: 0, stale: 1, forgotten: 2 } as const

/**
 * Who the two ends were at the time of the record, by cluster and address. What the source claims of an end is first-hand and
 * stays; what it leaves out is completed from the object that had the address then; where both speak and differ, that is said.
 */
export function kubernetes(
  objects: ObjectTable,
  { clocks = new Clocks(), provisional: counted, forgotten: countForgotten, reachable }: KubernetesOptions = {},
): Step {
  const seen = new Combinations()
  const situations = new Combinations()
  const resolver = resolverOf(objects, reachable)
  const judge = judgeBy(objects)
  const gather = gatherFrom(objects)
  const prepared = new WeakMap<Draft, Moments>()
  const scratch = new Int32Array(scratchRows * 4)
  /** The code of an entity that no source and nothing else says anything of, in this block. */
  let codeOfEntity = new Uint16Array(0)

  function momentsOf(draft: Draft): Moments {
    let moments = prepared.get(draft)
    if (!moments) prepared.set(draft, (moments = clocks.moments(draft)))
    return moments
  }

  function attribute(draft: Draft, end: 'src' | 'dst', { provisional, isOld }: { provisional: Uint8Array; isOld: boolean }): Decision {
    const { given, bits } = claimsOf(draft, end)
    const decision = decide(draft, end, given, isOld)
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

  /** For each row the number of its judgement. Rows with the same claim and the same object share one. */
  function decide(draft: Draft, end: 'src' | 'dst', given: ReadonlyMap<string, Given>, isOld: boolean): Decision {
    const { block } = draft
    const { times, reporters, earliest, latest } = momentsOf(draft)
    const clusters = clustersOf(draft, given.get('cluster'))
    const reaches = clusters.keys.map(cluster => resolver.reaches(cluster))
    const dependsOnPort = objects.listening.dependsOnPort
    const resolve = resolver.open(draft, end)
    const tables = clusters.keys.map(cluster => objects.addresses(cluster))
    // Of one cluster, and of none that has objects: dictionaries begin with ''.
    const isMixed = tables.filter(({ addresses }) => addresses > 0).length > 1
    const complete = clusters.keys.map(cluster => objects.heartbeats.upTo(cluster))
    const since = isOld ? objects.knownSince : -Infinity
    const addresses = block.addressWords(`${end}_address`, scratch)
    const claims = telling.map(field => given.get(field)?.labels)
    const nothing = new Uint8Array(claims.every(Boolean) ? 0 : block.rows)
    const [pods, workloads, namespaces, labels, accounts, ids] = claims.map(claim => claim?.codes ?? nothing)
    const [podKeys, workloadKeys, namespaceKeys, labelKeys, accountKeys, idKeys] = claims.map(claim => claim?.keys ?? [''])
    const claimed = claims.some(Boolean)
    const decision: Decision = {
      codes: new Uint16Array(block.rows),
      entities: [],
      verdicts: [],
      lent: [],
      candidates: [],
      hasService: false,
    }
    const { codes, entities, verdicts } = decision
    const codeOfCombination: number[] = []
    if (codeOfEntity.length < objects.entities) codeOfEntity = new Uint16Array(objects.entities * 2)
    for (const table of tables) table.tidy()

    /** For the few rows whose end is not told by the address. */
    function whereOf(row: number): Where {
      const time = wideAt(times, row)
      const [from, to] = [time + earliest[reporters[row]], time + latest[reporters[row]]]
      return { cluster: clusters.keys[clusters.codes[row]], table: tables[clusters.codes[row]], time, from, to, addresses }
    }

    seen.clear()
    situations.clear()
    for (let row = 0; row < codes.length; row++) {
      const cluster = clusters.codes[row]
      const table = tables[cluster]
      const reporter = reporters[row]
      const time = wideAt(times, row)
      const from = time + earliest[reporter]
      const to = time + latest[reporter]
      let found = table.look(addresses, row * 4, from, to)
      if (found >= 0 ? dependsOnPort[found] : isCrowd(found)) found = resolve(found, row, whereOf(row))
      const known = to > complete[cluster] ? knowledge.stale : from < since ? knowledge.forgotten : knowledge.whole
      if (!claimed && known === knowledge.whole && found >= 0 && found < codeOfEntity.length) {
        let code = codeOfEntity[found]
        if (code === 0) {
          entities.push(found)
          const verdict = judge.alone(found)
          decision.hasService ||= verdict.reason === 'service'
          code = codeOfEntity[found] = verdicts.push(verdict)
        }
        codes[row] = code - 1
        continue
      }
      if (found === notFound.unknown) {
        if (isEmpty(addresses, row)) found = noAddress
        else if (reaches[cluster]) found = resolve(found, row, whereOf(row))
        if (
          found === notFound.unknown &&
          complete[cluster] !== Infinity &&
          objects.neighbourhoods.has(clusters.keys[cluster], addresses, row * 4)
        )
          found = nearby
      }
      // What an address table answers means something to that table only.
      const key = isMixed || isOld ? situations.number(found, known, cluster, 0) : (found << 1) | known
      const combination = seen.number(
        pods[row] | (workloads[row] << 16),
        namespaces[row] | (labels[row] << 16),
        accounts[row] | (ids[row] << 16),
        key,
      )
      if (combination === codeOfCombination.length) {
        const claim = {
          pod: podKeys[pods[row]],
          workload: workloadKeys[workloads[row]],
          namespace: namespaceKeys[namespaces[row]],
          entity: labelKeys[labels[row]],
          serviceAccount: accountKeys[accounts[row]],
          spiffeId: idKeys[ids[row]],
        }
        const judgement = judge({
          claim,
          found,
          crowd: isCrowd(found) ? table.crowd(found) : undefined,
          finding: found >= firstFinding ? resolver.finding(found) : undefined,
          stale: known === knowledge.stale,
          forgotten: known === knowledge.forgotten,
          watched: complete[cluster] !== Infinity,
        })
        const code = entities.push(judgement.entity) - 1
        codeOfCombination.push(code)
        verdicts.push(judgement.verdict)
        decision.hasService ||= judgement.verdict.reason === 'service'
        if (judgement.lent) decision.lent[code] = judgement.lent
        if (judgement.candidates) decision.candidates[code] = judgement.candidates
      }
      codes[row] = codeOfCombination[combination]
    }
    for (const entity of entities) codeOfEntity[entity] = 0
    return decision
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

/** A field of an end as its source filled it, in some rows at least. */
interface Given {
  labels: Labels
  /** The code of ''; -1 where there is none. */
  empty: number
  /** Whether some rows are empty. */
  hasEmpty: boolean
}

/** What the source itself filled, and for each row a bit for each of `claimableFields`. */
function claimsOf(draft: Draft, end: string): { given: Map<string, Given>; bits: Uint16Array } {
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

/** Who else the end of each row may have been. */
function candidatesOf({ candidates, verdicts, codes }: Decision): Labels {
  const texts = verdicts.map((_, code) => candidates[code] ?? '')
  const keys = ['']
  return { keys, codes: pick(append(keys, texts), codes) }
}

function isEmpty(addresses: Int32Array, row: number): boolean {
  const at = row * 4
  return (addresses[at] | addresses[at + 1] | addresses[at + 2] | addresses[at + 3]) === 0
}
