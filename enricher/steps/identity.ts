import { wideAt } from '../../runtime/block/block.ts'
import { type Decided, type Decision, fillIn } from '../identity/decided.ts'
import { undemonstrated } from '../identity/demand.ts'
import { Stretch } from '../identity/stretch.ts'
import type { Draft, Step } from '../step.ts'
import { Combinations } from '../tables/combinations.ts'
import type { IdentityTable, Standing } from '../tables/identities.ts'
import type { ObjectTable } from '../tables/objects.ts'

/** What a row says of an end that decides about its identity. */
interface Said {
  /** Cluster of the reporter, and of the end where it is one that is known. */
  reporter: string
  cluster: string
  namespace: string
  pod: string
  id: string
  /** The identity is from a certificate. */
  shown: boolean
  /** The entity that has the address, of an end that showed a certificate. */
  entity: number
  /** Numeric identity. */
  number: number
  time: number
}

/**
 * The SPIFFE ID of each end where its source does not name one, and whether the one a certificate showed is one the end may have. Runs after
 * the step `kubernetes`, which says which pod an end is; an end that showed a certificate is looked for by its address first, since what
 * sources say of it they often read in the certificate.
 */
export function identity(identities: IdentityTable, objects: ObjectTable): Step {
  const judge = judgeBy(identities, objects)
  const decide = decideBy(identities, objects, judge)
  return {
    name: 'identity',
    enrich(draft) {
      if (identities.empty) return
      const [src, dst] = ['src', 'dst'].map(end => decide(draft, end))
      fillIn(draft, 'src', src, undemonstrated(draft, src, dst))
      fillIn(draft, 'dst', dst)
    },
  }
}

/** Decides for each row; rows that say the same in a stretch of time in which nothing changes share a decision. */
function decideBy(identities: IdentityTable, objects: ObjectTable, judge: (said: Said) => Omit<Decision, 'code'>) {
  const seen = new Combinations()
  return function decide(draft: Draft, end: string): Decided {
    const { block } = draft
    const labels = (name: string) => draft.labels(name)
    const ofEnd = (field: string) => labels(`${end}_${field}`)
    const [reporters, clusters, namespaces, pods] = [labels('cluster'), ofEnd('cluster'), ofEnd('namespace'), ofEnd('pod')]
    const [ids, sources] = [ofEnd('spiffe_id'), ofEnd('spiffe_id_source')]
    const certificate = sources.keys.indexOf('certificate')
    const addresses = certificate < 0 ? undefined : block.addressWords(`${end}_address`)
    const tables = reporters.keys.map(cluster => objects.addresses(cluster))
    const numbers = identities.hasNumbers ? block.numbers(`${end}_identity`) : undefined
    const times = block.words('time')
    const chains: Decision[][] = []
    const decisions: Decision[] = []
    const codes = new Uint16Array(block.rows)
    seen.clear()
    for (let row = 0; row < block.rows; row++) {
      const time = wideAt(times, row)
      const shown = addresses !== undefined && sources.codes[row] === certificate
      const entity = shown ? tables[reporters.codes[row]].find(addresses, row * 4, time) : -1
      const number = numbers?.[row] ?? 0
      const place = (reporters.codes[row] << 16) | clusters.codes[row]
      const who = (namespaces.codes[row] << 16) | pods.codes[row]
      const chain = (chains[seen.number(place, who, (ids.codes[row] << 1) | Number(shown), shown ? entity : number)] ??= [])
      let decision = chain.find(({ stretch }) => stretch.includes(time))
      if (!decision) {
        const [reporter, claimed] = [reporters.keys[reporters.codes[row]], clusters.keys[clusters.codes[row]]]
        const cluster = claimed && identities.knows(claimed) ? claimed : reporter
        const [namespace, pod, id] = [namespaces.keys[namespaces.codes[row]], pods.keys[pods.codes[row]], ids.keys[ids.codes[row]]]
        const judged = judge({ reporter, cluster, namespace, pod, id, shown, entity, number, time })
        decision = { ...judged, code: decisions.length }
        decisions.push(decision)
        chain.push(decision)
      }
      codes[row] = decision.code
    }
    return { decisions, codes }
  }
}

function judgeBy(identities: IdentityTable, objects: ObjectTable) {
  /** Of the pod that had the address, else of the one the record names. */
  function standingOf({ reporter, cluster, namespace, pod, entity, time }: Said): Standing | undefined {
    const found = entity >= 0 ? objects.text('pod', entity) : ''
    if (found) return identities.standing(reporter, objects.text('namespace', entity), found, time)
    return pod ? identities.standing(cluster, namespace, pod, time) : undefined
  }

  return function judge(said: Said): Omit<Decision, 'code'> {
    const { cluster, id, shown, number, time } = said
    const stretch = new Stretch()
    const standing = standingOf(said)
    if (standing) stretch.narrow(standing.stretch)
    const nothing = { stretch, standing, id: '', source: '', check: '', expected: '' } as const
    if (shown) return { ...nothing, ...identities.check(id, cluster, standing, time, stretch) }
    if (id) return nothing
    if (standing?.candidates.length) return { ...nothing, id: standing.id, source: standing.source }
    const numbered = number ? identities.ofNumber(cluster, number, time, stretch) : ''
    return { ...nothing, id: numbered, source: numbered && 'cilium' }
  }
}
