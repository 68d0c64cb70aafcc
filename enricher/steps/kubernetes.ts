import type { Labels } from '../../runtime/block/block.ts'
import { claimableFields } from '../../schema/ends.ts'
import { attributionReasons, attributions } from '../../schema/vocabulary.ts'
import type { Draft, Step } from '../step.ts'
import { type AddressTable, notFound } from '../tables/address-table.ts'
import { Combinations } from '../tables/combinations.ts'
import { type Attribute, type ObjectTable, nobody } from '../tables/objects.ts'

type Reason = (typeof attributionReasons)[number]
type Attribution = (typeof attributions)[number]

/** Who an end was, decided once for each distinct pair of claim and object in a block. */
interface Judgement {
  entity: number
  attribution: Attribution
  reason: Reason
}

const completed: readonly Attribute[] = [
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
export function kubernetes(objects: ObjectTable): Step {
  const seen = new Combinations()
  const judge = judgeBy(objects)
  const gather = gatherFrom(objects.texts)

  function attribute(draft: Draft, end: string) {
    const { judgements, codes } = decide(draft, end)
    const entities = Int32Array.from(judgements.map(({ entity }) => entity))
    for (const name of completed) complete(draft, `${end}_${name}`, objects.attribute[name], entities, codes)
    for (const name of filled) draft.setLabels(`${end}_${name}`, gather(objects.attribute[name], entities, codes))
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
  }

  /** For each row the number of its judgement. Rows with the same claim and the same object share one. */
  function decide(draft: Draft, end: string): { judgements: Judgement[]; codes: Uint16Array } {
    const { block } = draft
    const clusters = block.labels('cluster')
    const tables = clusters.keys.map(cluster => objects.addresses(cluster))
    const addresses = block.addressWords(`${end}_address`)
    const times = block.words('time')
    const [pods, namespaces, workloads, entities] = ['pod', 'namespace', 'workload', 'entity'].map(field => draft.labels(`${end}_${field}`))
    const crowds = new Crowds()
    const judgements: Judgement[] = []
    const codes = new Uint16Array(block.rows)
    seen.clear()
    for (let row = 0; row < block.rows; row++) {
      const table = tables[clusters.codes[row]]
      const time = times[row * 2] + times[row * 2 + 1] * 4294967296
      let found = table.find(addresses, row * 4, time)
      if (found === notFound.unknown && isEmpty(addresses, row)) found = noAddress
      else if (found === notFound.several) found = crowds.number(table, addresses, row, time)
      const who = (workloads.codes[row] << 16) | pods.codes[row]
      const code = seen.number(who, namespaces.codes[row], entities.codes[row], found)
      if (code === judgements.length) {
        const claim = {
          pod: pods.keys[pods.codes[row]],
          namespace: namespaces.keys[namespaces.codes[row]],
          workload: workloads.keys[workloads.codes[row]],
          entity: entities.keys[entities.codes[row]],
        }
        judgements.push(judge(claim, found, crowds))
      }
      codes[row] = code
    }
    return { judgements, codes }
  }

  /** Fills the rows of a column that are empty; a column with nothing to fill is left as it came. */
  function complete(draft: Draft, name: string, numbers: readonly number[], entities: Int32Array, codes: Uint16Array) {
    const claimed = draft.labels(name)
    if (claimed.keys.length === 1) return draft.setLabels(name, gather(numbers, entities, codes))
    const empty = claimed.keys.indexOf('')
    const first = codes.findIndex((code, row) => claimed.codes[row] === empty && numbers[entities[code]] !== 0)
    if (empty < 0 || first < 0) return
    const keys = [...claimed.keys]
    const codeOf = append(keys, own(numbers, entities))
    const merged = Uint16Array.from(claimed.codes)
    for (let row = first; row < merged.length; row++) if (merged[row] === empty) merged[row] = codeOf[codes[row]]
    draft.setLabels(name, { keys, codes: merged })
  }

  const own = (numbers: readonly number[], entities: Int32Array) => Array.from(entities, entity => objects.texts[numbers[entity]])

  return {
    name: 'kubernetes',
    enrich(draft) {
      for (const end of ['src', 'dst']) {
        draft.setNumbers(`${end}_claimed`, claimedBy(draft, end))
        attribute(draft, end)
      }
    },
  }
}

/** Which fields of the end the source itself filled, a bit for each of `claimableFields`. */
function claimedBy(draft: Draft, end: string): Uint16Array {
  const bits = new Uint16Array(draft.block.rows)
  for (const [at, field] of claimableFields.entries()) {
    const name = `${end}_${field}`
    if (!draft.block.has(name)) continue
    const { keys, codes } = draft.given(name)
    const empty = keys.indexOf('')
    for (let row = 0; row < codes.length; row++) if (codes[row] !== empty) bits[row] |= 1 << at
  }
  return bits
}

function isEmpty(addresses: Int32Array, row: number): boolean {
  const at = row * 4
  return (addresses[at] | addresses[at + 1] | addresses[at + 2] | addresses[at + 3]) === 0
}

/** Sets of entities that had one address at one time. */
class Crowds {
  readonly #numbers = new Map<string, number>()
  readonly #members: number[][] = []

  number(table: AddressTable, addresses: Int32Array, row: number, time: number): number {
    const members: number[] = []
    table.find(addresses, row * 4, time, members)
    const name = members.join()
    let number = this.#numbers.get(name)
    if (number === undefined) this.#numbers.set(name, (number = firstCrowd + 1 - this.#members.push(members)))
    return number
  }

  members(number: number): number[] {
    return this.#members[firstCrowd - number]
  }
}

interface Claim {
  pod: string
  namespace: string
  workload: string
  entity: string
}

function judgeBy(objects: ObjectTable) {
  /** A source names the pod, or, as the metrics of a mesh do, the workload alone. */
  function one({ pod, namespace, workload }: Claim, entity: number): Judgement {
    if (!pod && !workload) return { entity, attribution: 'exact', reason: 'object' }
    const isNamed = pod ? objects.text('pod', entity) === pod : objects.text('workload', entity) === workload
    const agrees = isNamed && objects.text('namespace', entity) === namespace
    return agrees
      ? { entity, attribution: 'exact', reason: 'claim_agrees' }
      : { entity: nobody, attribution: 'ambiguous', reason: 'claim_differs' }
  }

  /** Pods on the host network share the address of their node: the node is sure, the pod is not. */
  function several(members: number[]): Judgement {
    const node = members.find(member => objects.isNode(member))
    return { entity: node ?? nobody, attribution: 'ambiguous', reason: node === undefined ? 'several_objects' : 'host_network' }
  }

  function none(claim: Claim, found: number): Judgement {
    if (claim.pod || claim.workload) return { entity: nobody, attribution: 'exact', reason: 'claim' }
    const outside = claim.entity === 'world'
    const reason =
      found === noAddress ? 'no_address' : outside ? 'outside' : found === notFound.notThen ? 'no_object_at_that_time' : 'no_object'
    return { entity: nobody, attribution: 'none', reason }
  }

  return function judge(claim: Claim, found: number, crowds: Crowds): Judgement {
    if (found <= firstCrowd) return several(crowds.members(found))
    return found >= 0 ? one(claim, found) : none(claim, found)
  }
}

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
  for (const [at, text] of texts.entries()) {
    const code = known.get(text) ?? keys.push(text) - 1
    known.set(text, code)
    codes[at] = code
  }
  return codes
}
