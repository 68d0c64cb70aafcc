import { addressBytes } from '../../runtime/block/address.ts'
import type { Labels } from '../../runtime/block/block.ts'
import { attributionReasons, attributions } from '../../schema/vocabulary.ts'
import type { Draft, Step } from '../step.ts'
import { type AddressTable, notFound } from '../tables/address-table.ts'
import { Combinations } from '../tables/combinations.ts'
import type { Entity, ObjectTable } from '../tables/objects.ts'

type Reason = (typeof attributionReasons)[number]
type Attribution = (typeof attributions)[number]

const completed = ['namespace', 'pod', 'workload', 'workload_kind', 'service', 'service_account'] as const
const filled = ['node', 'zone', 'spiffe_id'] as const
const nobody: Entity = {
  kind: 'pod',
  namespace: '',
  pod: '',
  workload: '',
  workload_kind: '',
  service: '',
  service_account: '',
  node: '',
  zone: '',
  spiffe_id: '',
  hostNetwork: false,
}

/** Who an end was, decided once for each distinct combination of claim and object in a block. */
interface Verdict {
  entity: Entity
  attribution: Attribution
  reason: Reason
}

/**
 * Who the two ends were at the time of the record, by cluster and address. What the source claims of an end is first-hand and
 * stays; what it leaves out is completed from the object that had the address then; where both speak and differ, that is said.
 */
export function kubernetes(objects: ObjectTable): Step {
  return {
    name: 'kubernetes',
    enrich(draft) {
      for (const end of ['src', 'dst']) attribute(draft, end, objects)
    },
  }
}

function attribute(draft: Draft, end: string, objects: ObjectTable): void {
  const { verdicts, codes } = decide(draft, end, objects)
  for (const field of completed)
    complete(
      draft,
      `${end}_${field}`,
      verdicts.map(({ entity }) => entity[field]),
      codes,
    )
  for (const field of filled)
    draft.setLabels(
      `${end}_${field}`,
      gather(
        verdicts.map(({ entity }) => entity[field]),
        codes,
      ),
    )
  const spiffeSources = verdicts.map(({ entity }) => (entity.spiffe_id ? 'object' : ''))
  draft.setLabels(`${end}_spiffe_id_source`, gather(spiffeSources, codes))
  draft.setLabels(
    `${end}_attribution`,
    gather(
      verdicts.map(({ attribution }) => attribution),
      codes,
    ),
  )
  draft.setLabels(
    `${end}_attribution_reason`,
    gather(
      verdicts.map(({ reason }) => reason),
      codes,
    ),
  )
}

/** For each row the number of its verdict. Rows with the same claim and the same object share one. */
function decide(draft: Draft, end: string, objects: ObjectTable): { verdicts: Verdict[]; codes: Uint16Array } {
  const { block } = draft
  const clusters = block.labels('cluster')
  const tables = clusters.keys.map(cluster => objects.addresses(cluster))
  const addresses = block.addresses(`${end}_address`)
  const times = block.words('time')
  const [pods, namespaces, entities] = ['pod', 'namespace', 'entity'].map(field => draft.labels(`${end}_${field}`))
  const seen = new Combinations()
  const crowds = new Crowds()
  const verdicts: Verdict[] = []
  const codes = new Uint16Array(block.rows)
  for (let row = 0; row < block.rows; row++) {
    const time = times[row * 2] + times[row * 2 + 1] * 4294967296
    const cluster = clusters.codes[row]
    let found = tables[cluster].find(addresses, row * addressBytes, time)
    if (found === notFound.unknown && !addressGiven(addresses, row)) found = noAddress
    else if (found === notFound.several) found = crowds.number(tables[cluster], addresses, row, time)
    const code = seen.number(pods.codes[row], namespaces.codes[row], entities.codes[row], found)
    if (code === verdicts.length) {
      const claim = {
        pod: pods.keys[pods.codes[row]],
        namespace: namespaces.keys[namespaces.codes[row]],
        entity: entities.keys[entities.codes[row]],
      }
      const verdict =
        found <= firstCrowd ? severalObjects(crowds.members(found).map(member => objects.entities[member])) : judge(claim, found, objects)
      verdicts.push(withZone(verdict, clusters.keys[cluster], objects))
    }
    codes[row] = code
  }
  return { verdicts: verdicts.length ? verdicts : [{ entity: nobody, attribution: 'none', reason: '' }], codes }
}

const noAddress = -4
const firstCrowd = -5

/** Sets of entities that had one address at one time, by a number from `firstCrowd` down. */
class Crowds {
  readonly #numbers = new Map<string, number>()
  readonly #members: number[][] = []

  number(table: AddressTable, addresses: Uint8Array, row: number, time: number): number {
    const members: number[] = []
    table.find(addresses, row * addressBytes, time, members)
    const name = members.join()
    let number = this.#numbers.get(name)
    if (number === undefined) this.#numbers.set(name, (number = firstCrowd + 1 - this.#members.push(members)))
    return number
  }

  members(number: number): number[] {
    return this.#members[firstCrowd - number]
  }
}

function addressGiven(addresses: Uint8Array, row: number): boolean {
  for (let i = row * addressBytes + addressBytes - 1; i >= row * addressBytes; i--) if (addresses[i]) return true
  return false
}

interface Claim {
  pod: string
  namespace: string
  entity: string
}

function judge(claim: Claim, found: number, objects: ObjectTable): Verdict {
  if (found >= 0) return oneObject(claim, objects.entities[found])
  if (claim.pod) return { entity: nobody, attribution: 'exact', reason: 'claim' }
  return { entity: nobody, attribution: 'none', reason: whyNobody(claim, found) }
}

function whyNobody({ entity }: Claim, found: number): Reason {
  if (found === noAddress) return 'no_address'
  if (entity === 'world') return 'outside'
  return found === notFound.notThen ? 'no_object_at_that_time' : 'no_object'
}

function oneObject({ pod, namespace }: Claim, entity: Entity): Verdict {
  if (!pod) return { entity, attribution: 'exact', reason: 'object' }
  if (entity.pod === pod && entity.namespace === namespace) return { entity, attribution: 'exact', reason: 'claim_agrees' }
  return { entity: nobody, attribution: 'ambiguous', reason: 'claim_differs' }
}

/** Pods on the host network share the address of their node: the node is sure, the pod is not. */
function severalObjects(candidates: Entity[]): Verdict {
  const node = candidates.find(({ kind }) => kind === 'node')
  if (node) return { entity: node, attribution: 'ambiguous', reason: 'host_network' }
  return { entity: nobody, attribution: 'ambiguous', reason: 'several_objects' }
}

function withZone(verdict: Verdict, cluster: string, objects: ObjectTable): Verdict {
  const { entity } = verdict
  if (entity.zone || !entity.node) return verdict
  return { ...verdict, entity: { ...entity, zone: objects.zoneOf(cluster, entity.node) } }
}

/** A column with `texts[codes[row]]` in each row. */
function gather(texts: readonly string[], codes: Uint16Array): Labels {
  const keys = ['']
  const codeOf = dictionary(keys, texts)
  const gathered = new Uint16Array(codes.length)
  for (let row = 0; row < codes.length; row++) gathered[row] = codeOf[codes[row]]
  return { keys, codes: gathered }
}

/** Fills the rows of a column that are empty; a column with nothing to fill is left as it came. */
function complete(draft: Draft, name: string, texts: readonly string[], codes: Uint16Array): void {
  const claimed = draft.labels(name)
  const empty = claimed.keys.indexOf('')
  if (!claimed.codes.includes(empty)) return
  const keys = [...claimed.keys]
  const codeOf = dictionary(keys, texts)
  const merged = Uint16Array.from(claimed.codes)
  for (let row = 0; row < merged.length; row++) if (merged[row] === empty) merged[row] = codeOf[codes[row]]
  draft.setLabels(name, { keys, codes: merged })
}

/** The code of each text in `keys`, which grows by those that are new. */
function dictionary(keys: string[], texts: readonly string[]): Uint16Array {
  const known = new Map(keys.map((key, code) => [key, code]))
  return Uint16Array.from(texts, text => {
    const code = known.get(text)
    if (code !== undefined) return code
    known.set(text, keys.length)
    return keys.push(text) - 1
  })
}
