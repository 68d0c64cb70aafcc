import { wideAt } from '../../runtime/block/block.ts'
import { type Decided, fillIn } from '../identity/decided.ts'
import { undemonstrated } from '../identity/demand.ts'
import { Stretch } from '../identity/stretch.ts'
import type { Draft, Step } from '../step.ts'
import { Combinations } from '../tables/combinations.ts'
import type { Decision, Standing } from '../identity/standing.ts'
import type { IdentityTable } from '../tables/identities.ts'
import type { ObjectTable } from '../tables/objects.ts'

/** What a row says of an end that decides about its identity. */
interface Said {
  /** Cluster of the reporter, and of the end where it is one that is known. */
  reporter: string
  cluster: string
  /** Number of the pod the record names, where there was one of that name. */
  pod: number | undefined
  id: string
  /** The identity is from a certificate. */
  shown: boolean
  /** The entity that has the address, of an end that showed a certificate. */
  entity: number
  /** Numeric identity. */
  number: number
  time: number
}

/** What is said of an end of which nothing is known. */
const nothing: Decision = { stretch: new Stretch(), given: 0, check: '', expected: '' }

/**
 * The SPIFFE ID of each end where its source does not name one, and whether the one a certificate showed is one the end may have. Runs after
 * the step `kubernetes`, which says which pod an end is; an end that showed a certificate is looked for by its address first, since what
 * sources say of it they often read in the certificate.
 */
export function identity(identities: IdentityTable, objects: ObjectTable): Step {
  const decide = decideBy(identities, objects)
  return {
    name: 'identity',
    enrich(draft) {
      if (identities.empty) return
      const [src, dst] = ['src', 'dst'].map(end => decide(draft, end))
      fillIn(draft, 'src', identities.given, src, undemonstrated(draft, src, dst))
      fillIn(draft, 'dst', identities.given, dst)
    },
  }
}

/** Decides for each row; rows that say the same in a stretch of time in which nothing changes share a decision. */
function decideBy(identities: IdentityTable, objects: ObjectTable) {
  const seen = new Combinations()
  const judge = judgeBy(identities, objects)
  /** The stretch of time of each decision. */
  let since = new Float64Array(8192)
  let until = new Float64Array(8192)
  return function decide(draft: Draft, end: string): Decided {
    const { block } = draft
    const ofEnd = (field: string) => draft.labels(`${end}_${field}`)
    const reporters = draft.labels('cluster')
    const [clusters, namespaces, pods, ids] = ['cluster', 'namespace', 'pod', 'spiffe_id'].map(ofEnd)
    const sources = ofEnd('spiffe_id_source')
    const certificate = sources.keys.indexOf('certificate')
    const addresses = certificate < 0 ? undefined : block.addressWords(`${end}_address`)
    const tables = reporters.keys.map(cluster => objects.addresses(cluster))
    const numbers = identities.hasNumbers ? block.numbers(`${end}_identity`) : undefined
    const times = block.words('time')
    const podsOf = places(identities)
    const knownSince = objects.knownSince
    const decisions: Decision[] = []
    if (since.length < block.rows) [since, until] = [new Float64Array(block.rows), new Float64Array(block.rows)]
    const codeOf: number[] = []
    const codes = new Uint16Array(block.rows)
    seen.clear()
    for (let row = 0; row < block.rows; row++) {
      const time = wideAt(times, row)
      const shown = addresses !== undefined && sources.codes[row] === certificate
      const entity = shown ? tables[reporters.codes[row]].find(addresses, row * 4, time) : -1
      const number = numbers?.[row] ?? 0
      const place = (reporters.codes[row] << 16) | clusters.codes[row]
      const who = (namespaces.codes[row] << 16) | pods.codes[row]
      const combination = seen.number(place, who, (ids.codes[row] << 1) | Number(shown), shown ? entity : number)
      let code = codeOf[combination]
      if (code === undefined || time < since[code] || time >= until[code]) {
        const [reporter, claimed] = [reporters.keys[reporters.codes[row]], clusters.keys[clusters.codes[row]]]
        const cluster = claimed && identities.knows(claimed) ? claimed : reporter
        const pod = podsOf(cluster, namespaces.keys[namespaces.codes[row]])?.get(pods.keys[pods.codes[row]])
        const id = ids.keys[ids.codes[row]]
        // Of what is forgotten nothing can be said.
        const isKnown = time >= knownSince
        const decision = isKnown ? judge({ reporter, cluster, pod, id, shown, entity, number, time }) : nothing
        code = codeOf[combination] = decisions.push(decision) - 1
        since[code] = isKnown ? Math.max(decision.stretch.from, knownSince) : -Infinity
        until[code] = isKnown ? decision.stretch.to : knownSince
      }
      codes[row] = code
    }
    return { decisions, codes }
  }
}

/** The pods of a namespace, remembered for a block: its rows are from few namespaces. */
function places(identities: IdentityTable) {
  const known = new Map<string, Map<string, ReadonlyMap<string, number> | undefined>>()
  return function podsOf(cluster: string, namespace: string): ReadonlyMap<string, number> | undefined {
    let namespaces = known.get(cluster)
    if (!namespaces) known.set(cluster, (namespaces = new Map()))
    if (!namespaces.has(namespace)) namespaces.set(namespace, identities.pods(cluster, namespace))
    return namespaces.get(namespace)
  }
}

function judgeBy(identities: IdentityTable, objects: ObjectTable) {
  /** Of the pod that had the address, else of the one the record names. */
  function standingOf({ reporter, pod, entity, time }: Said): Standing | undefined {
    const found = entity >= 0 ? objects.text('pod', entity) : ''
    if (found) return identities.standing(reporter, objects.text('namespace', entity), found, time)
    return pod === undefined ? undefined : identities.standingOf(pod, time)
  }

  function proven(said: Said, standing: Standing | undefined): Decision {
    const stretch = new Stretch()
    return { ...nothing, stretch, standing, ...identities.check(said.id, said.cluster, standing, said.time, stretch) }
  }

  function numbered({ cluster, number, time }: Said, standing: Standing | undefined): Decision {
    const stretch = new Stretch()
    if (standing) stretch.narrow(standing.stretch)
    const id = identities.ofNumber(cluster, number, time, stretch)
    return { ...nothing, stretch, standing, given: id ? identities.give({ id, source: 'cilium' }) : 0 }
  }

  return function judge(said: Said): Decision {
    const standing = standingOf(said)
    if (said.shown) return proven(said, standing)
    if (said.id) return standing?.named ?? nothing
    if (said.number && !standing?.candidates.length) return numbered(said, standing)
    return standing?.unnamed ?? nothing
  }
}
