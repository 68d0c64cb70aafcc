import type { identityChecks, identitySources } from '../../schema/vocabulary.ts'
import { type Registered, idsOf } from './cluster-spiffe-id.ts'
import { type Entry, type Node, fits, lookedFor, mayBeOn } from './entry.ts'
import { type IdentityFacts, nameOf, noLabels } from './facts.ts'
import { type Demand, conventionalId, demandOf, isGateway, isInMesh } from './mesh.ts'
import { type Labels, type Pod, selectorsOf } from './pod.ts'
import { Stretch } from './stretch.ts'
import type { Version } from './versions.ts'

export type IdentitySource = (typeof identitySources)[number]
export type IdentityCheck = (typeof identityChecks)[number]

/** An identity a pod may have, or had. */
export interface Candidate {
  id: string
  source: IdentitySource
  /** Nothing that is not known to us decides whether the pod has it. */
  sure: boolean
  state: 'valid' | 'expired' | 'revoked'
  /** The trust domain is nothing but what Istio calls it by default. */
  anyDomain?: boolean
}

/** What is said of the identity of an end in a stretch of time. */
export interface Decision {
  stretch: Stretch
  /** Number of what the end is given where it has none; 0 for nothing. */
  given: number
  check: IdentityCheck
  expected: string
  standing?: Standing
}

/** What is known of the identity of a pod in a stretch of time. */
export interface Standing {
  stretch: Stretch
  /** Whether there was such a pod. */
  known: boolean
  /** Since when, microseconds. */
  since: number
  /** The one SPIFFE ID it has; '' where there are several, or none. */
  id: string
  source: IdentitySource
  candidates: readonly Candidate[]
  /** It may have others, given by what is not understood. */
  unsure: boolean
  meshed: boolean
  /** Passes on the connections of others, and with them their certificates. */
  relays: boolean
  /** What it demands of its clients. */
  demand?: Demand
  /** What is said of the pod where its source names no identity, and where it does without a certificate. */
  unnamed: Decision
  named: Decision
}

/** What is found out of a pod, before it is decided what that says of an end. */
export type Found = Omit<Standing, 'unnamed' | 'named'>

const defaultTrustDomain = 'cluster.local'

/** Finds out what identity pods have, by all that is known: the pod of a name at a time. `root` is the namespace whose policies are for the whole mesh. */
export function standingBy(facts: IdentityFacts, root: string): (name: string, time: number) => Found {
  function stand(name: string, time: number): Found {
    const stretch = new Stretch()
    const found = facts.pods.named(name).filter(({ from, to }) => stretch.within(time, from, to))
    if (!found.length)
      return { stretch, known: false, since: 0, id: '', source: '', candidates: [], unsure: false, meshed: false, relays: false }
    const { value: pod, from } = found[0]
    const namespace = namespaceOf(pod, time, stretch)
    const meshed = isInMesh(pod, namespace)
    const entries = entriesOf(pod, time, stretch)
    const registered = templatesOf(pod, namespace, time, stretch)
    // Entries are what became of templates.
    const unsure = registered.unsure && !entries.some(({ state }) => state === 'valid')
    const candidates = [
      ...(pod.spiffeId ? [valid(pod.spiffeId, 'object')] : []),
      ...entries,
      ...registered.ids.map(({ id, sure }) => ({ ...valid(id, 'template'), sure: sure && !unsure })),
      ...(meshed && !unsure ? [conventionOf(pod)] : []),
    ]
    return {
      stretch,
      known: true,
      since: from,
      ...decide(candidates),
      candidates,
      unsure,
      meshed,
      relays: isGateway(pod),
      demand: meshed ? demands(pod, time, stretch) : undefined,
    }
  }

  function namespaceOf({ cluster, namespace }: Pod, time: number, stretch: Stretch): Labels {
    const [found] = facts.namespaces.at(nameOf(cluster, namespace), time, stretch)
    return new Map([...(found?.labels ?? noLabels), ['kubernetes.io/metadata.name', namespace]])
  }

  /** Entries of SPIRE whose selectors the pod has, also those that have ended by then. */
  function entriesOf(pod: Pod, time: number, stretch: Stretch): Candidate[] {
    const own = selectorsOf(pod)
    const [node] = facts.nodes.at(nameOf(pod.cluster, pod.node), time, stretch)
    const fitting = lookedFor(pod, own).flatMap(name =>
      facts.entries.named(name).flatMap(version => {
        const fit = fits(version.value, own)
        return fit === 'no' || !isOnNode(version.value, node, time, stretch) ? [] : [{ version, sure: fit === 'yes' }]
      }),
    )
    return fitting.flatMap(({ version, sure }) => {
      const state = stateOf(version, time, stretch)
      return state ? [{ id: version.value.spiffeId, source: 'spire' as const, sure, state }] : []
    })
  }

  function isOnNode({ cluster, parent }: Entry, node: Node | undefined, time: number, stretch: Stretch): boolean {
    return mayBeOn(parent, node, facts.entries.at(nameOf(cluster, 'alias', parent), time, stretch))
  }

  function templatesOf(pod: Pod, namespace: Labels, time: number, stretch: Stretch): Registered {
    const all = facts.templates.at(pod.cluster, time, stretch)
    const manager = facts.managerOf(pod.cluster)
    if (!all.length || !pod.node || manager.ignores(pod.namespace)) return { ids: [], unsure: false }
    const [node] = facts.nodes.at(nameOf(pod.cluster, pod.node), time, stretch)
    const own = facts.domainsOf(pod.cluster, time, stretch).filter(each => each.own)
    const trusted = [...facts.trustDomains(pod.cluster), ...own.map(({ name }) => name)]
    const { clusterName, clusterDomain } = manager
    return idsOf(all, namespace, { trustDomain: trusted[0], clusterName, clusterDomain, pod, node }, trusted)
  }

  function conventionOf(pod: Pod): Candidate {
    const [trustDomain] = facts.trustDomains(pod.cluster)
    return { ...valid(conventionalId(trustDomain ?? defaultTrustDomain, pod), 'convention'), anyDomain: trustDomain === undefined }
  }

  function demands(pod: Pod, time: number, stretch: Stretch): Demand | undefined {
    const alive = [...new Set([pod.namespace, root])].flatMap(namespace =>
      facts.policies.named(nameOf(pod.cluster, namespace)).filter(({ from, to }) => stretch.within(time, from, to)),
    )
    const byAge = alive.sort((a, b) => a.from - b.from || (a.value.name < b.value.name ? -1 : 1))
    return demandOf(
      byAge.map(({ value }) => value),
      pod,
      root,
    )
  }

  return stand
}

const valid = (id: string, source: IdentitySource): Candidate => ({ id, source, sure: true, state: 'valid' })

/** How an entry stands at a time; nothing while it is still to come. */
export function stateOf({ from, to, value: { expires } }: Version<Entry>, time: number, stretch: Stretch): Candidate['state'] | undefined {
  const alive = stretch.within(time, from, to)
  if (!alive && time < from) return undefined
  if (!stretch.within(time, -Infinity, expires)) return alive || expires <= to ? 'expired' : 'revoked'
  return alive ? 'valid' : 'revoked'
}

/** Of the surest source that gives a pod an identity, the only one it gives. */
function decide(candidates: readonly Candidate[]): Pick<Standing, 'id' | 'source'> {
  const alive = candidates.filter(({ state }) => state === 'valid')
  const source = alive[0]?.source ?? ''
  const first = alive.filter(candidate => candidate.source === source)
  const [id = '', ...others] = new Set(first.map(({ id }) => id))
  return !others.length && first.some(({ sure }) => sure) ? { id, source } : { id: '', source: '' }
}
