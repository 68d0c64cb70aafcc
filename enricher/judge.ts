import type { attributionReasons, attributions } from '../schema/vocabulary.ts'
import { type Finding, type Lent, candidatesOf } from './ends/resolver.ts'
import { type Crowd, doubts, entityOf, nearby, noAddress, notFound } from './tables/address-table.ts'
import { nobody } from './tables/entities.ts'
import type { ObjectTable } from './tables/objects.ts'

/** What the source says of an end. */
export interface Claim {
  pod: string
  workload: string
  namespace: string
  entity: string
  serviceAccount: string
  spiffeId: string
}

export interface Verdict {
  attribution: (typeof attributions)[number]
  reason: (typeof attributionReasons)[number]
  /** Whether it may become known better. */
  provisional: boolean
}

/** Who an end was, decided once for each distinct pair of claim and object in a block. */
export interface Judgement {
  entity: number
  verdict: Verdict
  /** Attributes that others tell. */
  lent?: Lent
  /** Who else it may have been. */
  candidates?: string
}

export interface Evidence {
  claim: Claim
  /** What the table answered for address and time. */
  found: number
  /** Present when that stands for one. */
  crowd?: Crowd
  /** Present when the port, or another cluster, told more than the address. */
  finding?: Finding
  /** Whether it was later than all that is known of the cluster's objects. */
  stale: boolean
  /** Whether it was before all that is still known of them. */
  forgotten?: boolean
  /** Whether anybody says up to when that is complete. */
  watched: boolean
}

const verdict = (attribution: Verdict['attribution'], reason: Verdict['reason'], provisional = false): Verdict => ({
  attribution,
  reason,
  provisional,
})
const exactly = {
  object: verdict('exact', 'object'),
  service: verdict('exact', 'service'),
  claim: verdict('exact', 'claim'),
  agrees: verdict('exact', 'claim_agrees'),
}
/** Others may have had the address as well, of which nothing is known any more. */
const beforeHistory = verdict('ambiguous', 'before_history')
const differs = verdict('ambiguous', 'claim_differs')

/** Judges who an end was by what its source says and what the objects say. `alone` is the verdict on an end of which only they speak, and surely. */
export function judgeBy(objects: ObjectTable) {
  const { listening } = objects
  const alone = (entity: number) => (listening.isService(entity) ? exactly.service : exactly.object)

  /** Why the one that had the address is that only probably, if so. */
  function doubtOf({ found, stale, forgotten, watched }: Evidence): Verdict | undefined {
    if (forgotten) return beforeHistory
    if (found & doubts.perhapsEnded) return verdict('ambiguous', 'perhaps_ended', watched)
    if (found & doubts.clock) return verdict('ambiguous', 'clock_skew')
    return stale ? verdict('ambiguous', 'stale_objects', true) : undefined
  }

  /** What is probable is shown as ambiguous. Against it a claim is no disagreement. */
  function one(evidence: Evidence): Judgement {
    const { claim } = evidence
    const entity = entityOf(evidence.found)
    const doubt = doubtOf(evidence)
    if (!isTelling(claim)) return { entity, verdict: doubt ?? alone(entity) }
    const agrees = objects.isPod(entity) ? agreesWith(claim, entity) : undefined
    if (agrees === undefined) return notComparable(evidence, entity, doubt)
    if (!agrees && doubt) return { entity: nobody, verdict: claimAlone(claim, doubt) }
    // A certificate says which identity was shown, not which pod it was: that is still who has the address, probably.
    if (!agrees && !namesPlace(claim)) return { entity, verdict: differs }
    if (!agrees) return { entity: nobody, verdict: differs, candidates: candidatesOf(objects, [entity]) }
    // A pod that is named is that pod whatever else is doubtful; of a workload it may be another.
    return { entity, verdict: doubt && !claim.pod ? doubt : exactly.agrees }
  }

  const claimAlone = (claim: Claim, doubt: Verdict) => (namesSomebody(claim) ? exactly.claim : doubt)

  /** The address is that of a service or a node, which says nothing of a pod that is named; or an identity of another form than the pod's is. */
  function notComparable({ claim }: Evidence, entity: number, doubt?: Verdict): Judgement {
    if (!namesSomebody(claim)) return { entity, verdict: doubt ?? alone(entity) }
    if (objects.isPod(entity)) return { entity, verdict: doubt ?? exactly.claim }
    return { entity: doubt || (objects.isNode(entity) && claim.pod) ? nobody : entity, verdict: exactly.claim }
  }

  /** Pods on the host network share the address of their node: the node is sure, the pod is not, unless the source names it. */
  function several(evidence: Evidence, { entities, clock, perhapsEnded }: Crowd): Judgement {
    const { claim, stale, forgotten, watched } = evidence
    const meant = isTelling(claim) ? entities.filter(entity => objects.isPod(entity) && agreesWith(claim, entity)) : []
    if (meant.length === 1) return { entity: meant[0], verdict: exactly.agrees }
    if (namesSomebody(claim)) return { entity: nobody, verdict: exactly.claim }
    const node = entities.find(entity => objects.isNode(entity))
    const onNode = entities.find(entity => listening.sharesNode(entity))
    const reason = forgotten
      ? 'before_history'
      : clock
        ? 'clock_skew'
        : node === undefined && onNode === undefined
          ? 'several_objects'
          : 'host_network'
    const candidates = candidatesOf(objects, entities)
    // A node nobody told of is known by the pods that share its network.
    const lent = node === undefined && reason === 'host_network' ? { cluster: onNode, node: onNode, zone: onNode } : undefined
    return { entity: node ?? nobody, verdict: verdict('ambiguous', reason, watched && (stale || perhapsEnded)), lent, candidates }
  }

  /** What the port told, or another cluster. A source that names a backend of a service saw where the packet went. */
  function found(evidence: Evidence, { entities, reason, lent, doubt, stale: unknown }: Finding): Judgement {
    const { claim } = evidence
    const stale = evidence.stale || unknown
    if (entities.length > 1 || reason === 'host_network')
      return several(
        { ...evidence, stale },
        { entities, clock: (doubt & doubts.clock) !== 0, perhapsEnded: (doubt & doubts.perhapsEnded) !== 0 },
      )
    const [entity] = entities
    if (reason === 'service' && namesSomebody(claim))
      return { entity: nobody, verdict: exactly.claim, lent: { service: lent?.service ?? entity } }
    const judgement = one({ ...evidence, found: entity | doubt, stale })
    if (judgement.entity === nobody) return judgement
    return { ...judgement, lent, verdict: isPlain(judgement.verdict) ? verdict('exact', reason) : judgement.verdict }
  }

  const isPlain = (verdict: Verdict) => verdict === exactly.object || verdict === exactly.service

  function none({ claim, found, forgotten, watched }: Evidence): Judgement {
    if (namesSomebody(claim)) return { entity: nobody, verdict: exactly.claim }
    if (forgotten && found !== noAddress && claim.entity !== 'world') return { entity: nobody, verdict: verdict('none', 'before_history') }
    const outside = claim.entity === 'world'
    const mayBecomeKnown = watched && !outside && (found === notFound.notThen || found === nearby)
    const reason =
      found === noAddress ? 'no_address' : outside ? 'outside' : found === notFound.notThen ? 'no_object_at_that_time' : 'no_object'
    return { entity: nobody, verdict: verdict('none', reason, mayBecomeKnown) }
  }

  /** By the most precise name the source has; a name without a namespace may be of any. Undefined when they name nothing in common. */
  function agreesWith({ pod, workload, namespace, serviceAccount, spiffeId }: Claim, entity: number): boolean | undefined {
    const is = (attribute: Parameters<ObjectTable['text']>[0], text: string) => objects.text(attribute, entity) === text
    const within = !namespace || is('namespace', namespace)
    if (pod) return within && is('pod', pod)
    if (workload) return within && is('workload', workload)
    if (serviceAccount) return within && is('service_account', serviceAccount)
    return spiffeId && within ? hasIdentity(spiffeId, entity) : within
  }

  /** By the object's own identity, else by the namespace and service account that identities of Kubernetes are made of. */
  function hasIdentity(spiffeId: string, entity: number): boolean | undefined {
    const own = objects.text('spiffe_id', entity)
    if (own) return own === spiffeId
    const [, namespace, account] = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(spiffeId) ?? []
    if (namespace === undefined) return undefined
    return namespace === objects.text('namespace', entity) && account === objects.text('service_account', entity)
  }

  function judge(evidence: Evidence): Judgement {
    if (evidence.finding) return found(evidence, evidence.finding)
    if (evidence.crowd) return several(evidence, evidence.crowd)
    return evidence.found >= 0 ? one(evidence) : none(evidence)
  }

  return Object.assign(judge, { alone })
}

/** Whether the source says who it was, and not only where. */
const namesSomebody = ({ pod, workload, serviceAccount, spiffeId }: Claim) => Boolean(pod || workload || serviceAccount || spiffeId)
const namesPlace = ({ pod, workload, serviceAccount, namespace }: Claim) => Boolean(pod || workload || serviceAccount || namespace)
const isTelling = (claim: Claim) => namesSomebody(claim) || claim.namespace !== ''
