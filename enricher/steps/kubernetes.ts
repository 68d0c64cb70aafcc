import type { Labels } from '../../runtime/block/block.ts'
import type { Reachable } from '../ends/clusters.ts'
import { type Judgement, candidatesOf, firstFinding, resolverOf } from '../ends/resolver.ts'
import { type Judged, markUntranslated, note } from '../ends/untranslated.ts'
import type { Draft, Step } from '../step.ts'
import { type AddressTable, notFound } from '../tables/address-table.ts'
import { Combinations } from '../tables/combinations.ts'
import { type Attribute, type ObjectTable, nobody } from '../tables/objects.ts'

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

/** What `find` did not find: a record without an address. */
const noAddress = -4
/** Numbers of crowds, from here down. */
const firstCrowd = -5

/**
 * Who the two ends were at the time of the record, by cluster and address. What the source claims of an end is first-hand and
 * stays; what it leaves out is completed from the object that had the address then; where both speak and differ, that is said.
 */
export function kubernetes(objects: ObjectTable, reachable: Reachable = {}): Step {
  const seen = new Combinations()
  const resolver = resolverOf(objects, reachable)
  const judge = judgeBy(objects, resolver.finding)
  const gather = gatherFrom(objects.texts)

  function attribute(draft: Draft, end: 'src' | 'dst') {
    const judged = decide(draft, end)
    const { judgements, codes } = judged
    const of = tellers(judged)
    for (const name of completed) complete(draft, `${end}_${name}`, objects.attribute[name], of(name), codes)
    for (const name of filled) draft.setLabels(`${end}_${name}`, gather(objects.attribute[name], of(name), codes))
    if (judged.isUnsure) {
      const candidates = judgements.map(({ candidates = '' }) => candidates)
      draft.setLabels(`${end}_candidates`, gatherTexts(candidates, codes))
    }
    draft.setLabels(
      `${end}_attribution`,
      gatherTexts(
        judgements.map(({ attribution }) => attribution),
        codes,
      ),
    )
    draft.setLabels(
      `${end}_attribution_reason`,
      gatherTexts(
        judgements.map(({ reason }) => reason),
        codes,
      ),
    )
    return judged
  }

  /** For each row the number of its judgement. Rows with the same claim and the same object share one. */
  function decide(draft: Draft, end: 'src' | 'dst'): Judged {
    const { block } = draft
    const clusters = clustersOf(draft, end)
    const tables = clusters.keys.map(cluster => objects.addresses(cluster))
    const depends = objects.listening.dependsOnPort
    const reaches = clusters.keys.map(cluster => resolver.reaches(cluster))
    const addresses = block.addressWords(`${end}_address`)
    const times = block.words('time')
    const [pods, namespaces, workloads, entities] = ['pod', 'namespace', 'workload', 'entity'].map(field => draft.labels(`${end}_${field}`))
    const crowds = new Crowds()
    const resolve = resolver.open(draft, end, crowds)
    const judgements: Judgement[] = []
    const codes = new Uint16Array(block.rows)
    const judged = { judgements, codes, isUnsure: false, isLent: false, hasService: false }
    seen.clear()
    for (let row = 0; row < block.rows; row++) {
      const table = tables[clusters.codes[row]]
      const time = times[row * 2] + times[row * 2 + 1] * 4294967296
      let found = table.find(addresses, row * 4, time)
      if (found === notFound.unknown && isEmpty(addresses, row)) found = noAddress
      else if (found === notFound.several) found = crowds.number(table, addresses, row, time)
      if (found >= 0 ? depends[found] : found <= firstCrowd || (found === notFound.unknown && reaches[clusters.codes[row]]))
        found = resolve(found, row, { cluster: clusters.keys[clusters.codes[row]], time, addresses })
      const who = (workloads.codes[row] << 16) | pods.codes[row]
      const code = seen.number(who, namespaces.codes[row], entities.codes[row], found)
      if (code === judgements.length) {
        const claim = {
          pod: pods.keys[pods.codes[row]],
          namespace: namespaces.keys[namespaces.codes[row]],
          workload: workloads.keys[workloads.codes[row]],
          entity: entities.keys[entities.codes[row]],
        }
        note(judged, judge(claim, found, crowds))
      }
      codes[row] = code
    }
    return judged
  }

  /** Fills the rows of a column that are empty; a column with nothing to fill is left as it came. */
  function complete(draft: Draft, name: string, numbers: readonly number[], entities: Int32Array, codes: Uint16Array) {
    const claimed = draft.labels(name)
    if (claimed.keys.length === 1) return draft.setLabels(name, gather(numbers, entities, codes))
    const empty = claimed.keys.indexOf('')
    if (empty < 0) return
    let first = 0
    while (first < codes.length && (claimed.codes[first] !== empty || numbers[entities[codes[first]]] === 0)) first++
    if (first === codes.length) return
    const keys = [...claimed.keys]
    const codeOf = append(keys, own(numbers, entities))
    const merged = new Uint16Array(claimed.codes)
    for (let row = first; row < merged.length; row++) if (merged[row] === empty) merged[row] = codeOf[codes[row]]
    draft.setLabels(name, { keys, codes: merged })
  }

  const own = (numbers: readonly number[], entities: Int32Array) => Array.from(entities, entity => objects.texts[numbers[entity]])

  /** For each attribute the entities that tell it. */
  function tellers({ judgements, isLent }: Judged): (name: Attribute) => Int32Array {
    const entities = new Int32Array(judgements.map(({ entity }) => entity))
    if (!isLent) return () => entities
    return name => new Int32Array(judgements.map(({ entity, lent }) => lent?.[name] ?? entity))
  }

  return {
    name: 'kubernetes',
    enrich(draft) {
      const ends = [attribute(draft, 'src'), attribute(draft, 'dst')]
      if (draft.kind.name === 'flow') markUntranslated(draft, ends)
    },
  }
}

/** The cluster among whose objects the end of each row is looked for: the one the source names, else its own. */
function clustersOf(draft: Draft, end: 'src' | 'dst'): Labels {
  const reporters = draft.block.labels('cluster')
  const claimed = draft.labels(`${end}_cluster`)
  if (claimed.keys.every(key => key === '')) return reporters
  const keys = [...reporters.keys]
  const codeOf = append(keys, claimed.keys)
  const unclaimed = claimed.keys.indexOf('')
  const codes = new Uint16Array(claimed.codes.length)
  for (let row = 0; row < codes.length; row++) {
    const code = claimed.codes[row]
    codes[row] = code === unclaimed ? reporters.codes[row] : codeOf[code]
  }
  return { keys, codes }
}

function isEmpty(addresses: Int32Array, row: number): boolean {
  const at = row * 4
  return (addresses[at] | addresses[at + 1] | addresses[at + 2] | addresses[at + 3]) === 0
}

/** Sets of entities that had one address at one time. */
class Crowds {
  readonly #numbers = new Map<string, number>()
  readonly #members: (readonly number[])[] = []

  number(table: AddressTable, addresses: Int32Array, row: number, time: number): number {
    const members: number[] = []
    table.find(addresses, row * 4, time, members)
    return this.numberOf(members)
  }

  numberOf(members: readonly number[]): number {
    const name = members.join()
    let number = this.#numbers.get(name)
    if (number === undefined) this.#numbers.set(name, (number = firstCrowd + 1 - this.#members.push(members)))
    return number
  }

  members(number: number): readonly number[] {
    return this.#members[firstCrowd - number]
  }
}

interface Claim {
  pod: string
  namespace: string
  workload: string
  entity: string
}

function judgeBy(objects: ObjectTable, findingOf: (number: number) => Judgement) {
  const { listening } = objects

  /** A source names the pod, or, as the metrics of a mesh do, the workload alone. */
  const isNamed = ({ pod, namespace, workload }: Claim, entity: number) =>
    (pod ? objects.text('pod', entity) === pod : objects.text('workload', entity) === workload) &&
    objects.text('namespace', entity) === namespace

  function one(claim: Claim, entity: number): Judgement {
    if (isSilent(claim)) return { entity, attribution: 'exact', reason: listening.isService(entity) ? 'service' : 'object' }
    if (listening.isService(entity)) return backendOf(entity)
    return isNamed(claim, entity)
      ? { entity, attribution: 'exact', reason: 'claim_agrees' }
      : { entity: nobody, attribution: 'ambiguous', reason: 'claim_differs', candidates: candidatesOf(objects, [entity]) }
  }

  /** Who calls the address of a service has its backend; a source that names the backend saw where the packet went. */
  const backendOf = (service: number): Judgement => ({ entity: nobody, attribution: 'exact', reason: 'claim', lent: { service } })

  /** Pods on the host network share the address of their node: the node is sure, the pod is not, unless the source names it. */
  function several(claim: Claim, members: readonly number[], otherwise?: Judgement): Judgement {
    const named = isSilent(claim) ? [] : members.filter(member => isNamed(claim, member))
    if (named.length === 1) return one(claim, named[0])
    if (otherwise) return otherwise
    const node = members.find(member => objects.isNode(member))
    const reason = node === undefined ? 'several_objects' : 'host_network'
    return { entity: node ?? nobody, attribution: 'ambiguous', reason, candidates: candidatesOf(objects, members) }
  }

  /** What the port told, or another cluster. */
  function found(claim: Claim, finding: Judgement): Judgement {
    if (isSilent(claim)) return finding
    if (finding.attribution !== 'exact') return several(claim, Object.values(finding.lent ?? {}).slice(0, 1), finding)
    if (finding.reason === 'service') return backendOf(finding.lent?.service ?? finding.entity)
    const judgement = one(claim, finding.entity)
    return judgement.entity === nobody ? judgement : { ...judgement, lent: finding.lent }
  }

  function none(claim: Claim, found: number): Judgement {
    if (!isSilent(claim)) return { entity: nobody, attribution: 'exact', reason: 'claim' }
    const outside = claim.entity === 'world'
    const reason =
      found === noAddress ? 'no_address' : outside ? 'outside' : found === notFound.notThen ? 'no_object_at_that_time' : 'no_object'
    return { entity: nobody, attribution: 'none', reason }
  }

  return function judge(claim: Claim, number: number, crowds: Crowds): Judgement {
    if (number >= firstFinding) return found(claim, findingOf(number))
    if (number <= firstCrowd) return several(claim, crowds.members(number))
    return number >= 0 ? one(claim, number) : none(claim, number)
  }
}

/** Whether the source names neither pod nor workload. */
const isSilent = ({ pod, workload }: Claim) => !pod && !workload

/** Makes columns with the text of `entities[codes[row]]` in each row, given the number of each entity's text. */
function gatherFrom(texts: readonly string[]) {
  let codeOf = new Uint16Array(0)
  return function gather(numbers: readonly number[], entities: Int32Array, codes: Uint16Array): Labels {
    if (codeOf.length < texts.length) codeOf = new Uint16Array(texts.length * 2)
    const keys = ['']
    const local = new Uint16Array(entities.length)
    for (let i = 0; i < entities.length; i++) {
      const number = numbers[entities[i]]
      if (number && !codeOf[number]) codeOf[number] = keys.push(texts[number]) - 1
      local[i] = codeOf[number]
    }
    for (const entity of entities) codeOf[numbers[entity]] = 0
    return { keys, codes: pick(local, codes) }
  }
}

/** The same of a few texts. */
function gatherTexts(texts: readonly string[], codes: Uint16Array): Labels {
  const keys = ['']
  return { keys, codes: pick(append(keys, texts), codes) }
}

function pick(from: Uint16Array, codes: Uint16Array): Uint16Array {
  const picked = new Uint16Array(codes.length)
  for (let row = 0; row < codes.length; row++) picked[row] = from[codes[row]]
  return picked
}

/** The code of each text in `keys`, which grows by those that are new. */
function append(keys: string[], texts: readonly string[]): Uint16Array {
  const known = new Map(keys.map((key, code) => [key, code]))
  const codes = new Uint16Array(texts.length)
  for (let at = 0; at < texts.length; at++) {
    const text = texts[at]
    let code = at && text === texts[at - 1] ? codes[at - 1] : known.get(text)
    if (code === undefined) known.set(text, (code = keys.push(text) - 1))
    codes[at] = code
  }
  return codes
}
