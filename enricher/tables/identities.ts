import type { ObjectVersion } from '../../schema/object.ts'
import type { identityChecks, identitySources } from '../../schema/vocabulary.ts'
import { type ClusterSpiffeId, type ClusterSpiffeIdSpec, clusterSpiffeIdOf, idsOf } from '../identity/cluster-spiffe-id.ts'
import { type Entry, type Node, entryOf, fits, lookedFor, mayBeOn, rarest } from '../identity/entry.ts'
import {
  type Demand,
  type PeerAuthentication,
  type PeerAuthenticationSpec,
  conventionalId,
  dataplaneMode,
  demandOf,
  isGateway,
  isInMesh,
  peerAuthenticationOf,
} from '../identity/mesh.ts'
import { type Labels, type Pod, labelsOf, podOf, selectorsOf } from '../identity/pod.ts'
import { readSpiffeId } from '../identity/spiffe-id.ts'
import { Stretch } from '../identity/stretch.ts'
import { type Version, Versions } from '../identity/versions.ts'

export interface IdentityOptions {
  /** Trust domains of the mesh of a cluster, the first for those it gives and the others trusted as well. */
  trust_domains?: Readonly<Record<string, string | readonly string[]>>
  /** Namespace whose PeerAuthentications are for the whole mesh. */
  root_namespace?: string
}

export type IdentitySource = (typeof identitySources)[number]
export type IdentityCheck = (typeof identityChecks)[number]

/** An identity a pod may have, or had. */
interface Candidate {
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
  meshed: boolean
  /** Passes on the connections of others, and with them their certificates. */
  relays: boolean
  /** What it demands of its clients. */
  demand?: Demand
  /** What is said of the pod where its source names no identity, and where it does without a certificate. */
  unnamed: Decision
  named: Decision
}

export interface Verdict {
  check: IdentityCheck
  /** What would have been right, where it was not. */
  expected: string
}

/** A SPIFFE ID and how it is known. */
export interface Given {
  id: string
  source: IdentitySource
}

interface Domain {
  cluster: string
  name: string
  own: boolean
}

const defaultTrustDomain = 'cluster.local'
/** So long after a pod began its entry may not be known here: it is read every few seconds, and made after the pod. */
const settlingMicros = 60e6
const leastForgetting = 4096
const mostGiven = 50_000
const mostStandings = 8
const mostExpected = 8
const fine: Verdict = { check: '', expected: '' }
const agrees: Verdict = { check: 'agrees', expected: '' }
const noLabels: Labels = new Map()

const nameOf = (cluster: string, ...rest: readonly (string | number)[]) => [cluster, ...rest].join('|')

/**
 * Which SPIFFE IDs pods may have, in time: by entries of SPIRE, by templates of spire-controller-manager, by what Istio calls those in its
 * mesh; which trust domains are trusted; and who demands certificates of whom. From `object` records in any order.
 */
export class IdentityTable {
  readonly #pods = new Versions<Pod>(({ cluster, namespace, name }) => [nameOf(cluster, namespace, name)])
  readonly #namespaces = new Versions<{ cluster: string; name: string; labels: Labels }>(({ cluster, name }) => [nameOf(cluster, name)])
  readonly #nodes = new Versions<Node & { cluster: string }>(({ cluster, name }) => [nameOf(cluster, name)])
  readonly #entries = new Versions<Entry>(({ cluster, spiffeId, node, selectors, number }) => [
    nameOf(cluster, node ? 'alias' : 'id', spiffeId),
    ...(node || !selectors.length ? [] : [nameOf(cluster, rarest(selectors))]),
    ...(number === undefined ? [] : [nameOf(cluster, 'number', number)]),
  ])
  readonly #domains = new Versions<Domain>(({ cluster }) => [cluster])
  readonly #templates = new Versions<ClusterSpiffeId>(({ cluster }) => [cluster])
  readonly #policies = new Versions<PeerAuthentication>(({ cluster, namespace }) => [nameOf(cluster, namespace)])
  readonly #clusters = new Set<string>()
  /** Numbers of all pods of a name, by cluster and namespace, then by name. */
  readonly #numbersOf = new Map<string, Map<string, number>>()
  /** By such a number: the name, and what was found out. */
  readonly #names: string[] = []
  readonly #standings: Standing[][] = []
  readonly #unused: number[] = []
  /** The stretch of time for which there is an answer at hand, and that answer: it is asked for with nearly every row. */
  #since = new Float64Array(1024).fill(Infinity)
  #until = new Float64Array(1024)
  readonly #atHand: Standing[] = []
  /** What ends are given, each once. */
  readonly given: Given[] = [{ id: '', source: '' }]
  readonly #givenNumbers = new Map([['|', 0]])
  readonly #options: IdentityOptions
  readonly #notUnderstood: (name: string, reason: string) => void
  readonly #unsupported = new Set<string>()
  /** Whether something is known that the answers at hand do not take into account. */
  #outdated = false
  #numbers = false
  #tells = false
  #taken = 0
  #forgetAt = leastForgetting
  #knownSince = -Infinity

  /** `notUnderstood` is told once of each object that cannot be used. */
  constructor(options: IdentityOptions = {}, notUnderstood: (name: string, reason: string) => void = () => {}) {
    this.#options = options
    this.#tells = Object.keys(options.trust_domains ?? {}).length > 0
    this.#notUnderstood = notUnderstood
  }

  /** How many versions of pods are remembered. */
  get size(): number {
    return this.#pods.size
  }

  /** How many objects say what is not understood. */
  get unsupported(): number {
    return this.#unsupported.size
  }

  /** Whether nothing is known by which an identity could be told or checked. */
  get empty(): boolean {
    return !this.#tells
  }

  /** Whether there are entries for numeric identities. */
  get hasNumbers(): boolean {
    return this.#numbers
  }

  /** Whether pods of a cluster are known by this name. */
  knows(cluster: string): boolean {
    return this.#clusters.has(cluster)
  }

  add(version: ObjectVersion): void {
    if (version.kind === 'history') return this.forget(version.time ?? 0)
    if (version.kind === 'pod') this.#addPod(version)
    else if (this.#addOther(version)) this.#outdated = true
    if (++this.#taken >= this.#forgetAt) this.#forget()
  }

  #addPod(version: ObjectVersion): void {
    const { value } = this.#pods.put(version, () => podOf(version))
    const { cluster, namespace, name } = value
    this.#clusters.add(cluster)
    this.#tells ||= value.spiffeId !== '' || isInMesh(value, noLabels)
    const place = nameOf(cluster, namespace)
    const pods = this.#numbersOf.get(place) ?? new Map<string, number>()
    this.#numbersOf.set(place, pods)
    const number = pods.get(name) ?? this.#unused.pop() ?? this.#names.length
    this.#names[number] = nameOf(cluster, namespace, name)
    pods.set(name, number)
    this.#clear(number)
  }

  #clear(pod: number): void {
    if (pod >= this.#since.length) [this.#since, this.#until] = [grown(this.#since), grown(this.#until)]
    this.#since[pod] = Infinity
    this.#standings[pod] = []
  }

  /** Whether it has to do with identities. */
  #addOther(version: ObjectVersion): boolean {
    const { kind, cluster = '', name = '', uid = '' } = version
    if (kind === 'namespace') {
      const { value } = this.#namespaces.put(version, () => ({ cluster, name, labels: labelsOf(version) }))
      this.#tells ||= value.labels.has(dataplaneMode)
      return true
    }
    if (kind === 'node') this.#nodes.put(version, () => ({ cluster, name, uid, labels: labelsOf(version) }))
    else if (kind === 'trust_domain') this.#domains.put(version, () => ({ cluster, name, own: uid === `${name}/${name}` }))
    else if (kind === 'identity' && version.spiffe_id) this.#addEntry(version)
    else return this.#addConfigured(version)
    if (kind !== 'node') this.#tells = true
    return true
  }

  #addEntry(version: ObjectVersion): void {
    try {
      const { value } = this.#entries.put(version, () => entryOf(version))
      this.#numbers ||= value.number !== undefined
    } catch (error) {
      this.#refuse(version, error as Error)
    }
  }

  /** What is configured in Kubernetes, by the kind it has there. */
  #addConfigured(version: ObjectVersion): boolean {
    const { spec: text = '' } = version
    // Most objects are none of these.
    if (!/"(?:ClusterSPIFFEID|PeerAuthentication)"/.test(text)) return false
    try {
      const { kind, spec } = JSON.parse(text) as { kind?: string; spec?: unknown }
      this.#tells ||= kind === 'ClusterSPIFFEID'
      if (kind === 'ClusterSPIFFEID') this.#templates.put(version, () => clusterSpiffeIdOf(version, spec as ClusterSpiffeIdSpec))
      else if (kind === 'PeerAuthentication')
        this.#policies.put(version, () => peerAuthenticationOf(version, (spec ?? {}) as PeerAuthenticationSpec))
      else return false
    } catch (error) {
      this.#refuse(version, error as Error)
    }
    return true
  }

  #refuse({ cluster = '', kind, name = '', uid = '' }: ObjectVersion, { message }: Error): void {
    const object = nameOf(cluster, `${kind}`, uid)
    if (this.#unsupported.has(object)) return
    this.#unsupported.add(object)
    this.#notUnderstood(`${kind} ${name}`, message)
  }

  /** From now on what ended before that time may be forgotten. */
  forget(before: number): void {
    this.#knownSince = Math.max(this.#knownSince, before)
  }

  /** Looks through all there is, so not again before as much has come. */
  #forget(): void {
    this.#forgetAt = this.#taken + Math.max(leastForgetting, this.#pods.size)
    const before = this.#knownSince
    if (this.given.length > mostGiven) this.#forgetGiven()
    for (const versions of [this.#pods, this.#namespaces, this.#nodes, this.#entries, this.#domains, this.#templates, this.#policies])
      versions.forget(before)
    for (const pods of this.#numbersOf.values())
      for (const [name, pod] of pods)
        if (!this.#pods.named(this.#names[pod]).length) {
          pods.delete(name)
          this.#clear(pod)
          this.#unused.push(pod)
        }
  }

  #forgetGiven(): void {
    this.given.length = 1
    this.#givenNumbers.clear()
    this.#givenNumbers.set('|', 0)
    this.#startOver()
  }

  /** Numbers of the pods of a namespace by their names; nothing for one of which no pod is known. */
  pods(cluster: string, namespace: string): ReadonlyMap<string, number> | undefined {
    return this.#numbersOf.get(nameOf(cluster, namespace))
  }

  /** What is known of the identity of a pod at a time, or nothing where there never was one of that name. */
  standing(cluster: string, namespace: string, pod: string, time: number): Standing | undefined {
    const number = this.pods(cluster, namespace)?.get(pod)
    return number === undefined ? undefined : this.standingOf(number, time)
  }

  /** The number of a SPIFFE ID with how it is known. */
  give({ id, source }: Given): number {
    const name = `${source}|${id}`
    let number = this.#givenNumbers.get(name)
    if (number === undefined) this.#givenNumbers.set(name, (number = this.given.push({ id, source }) - 1))
    return number
  }

  /** The same of the pods of a number, kept until something it depends on changes. */
  standingOf(pod: number, time: number): Standing {
    if (this.#outdated) this.#startOver()
    if (time >= this.#since[pod] && time < this.#until[pod]) return this.#atHand[pod]
    const known = this.#standings[pod]
    let standing = known.find(({ stretch }) => stretch.includes(time))
    if (!standing) {
      if (known.length === mostStandings) known.length = 0
      known.push((standing = this.#withDecisions(this.#stand(this.#names[pod], time))))
    }
    this.#since[pod] = standing.stretch.from
    this.#until[pod] = standing.stretch.to
    return (this.#atHand[pod] = standing)
  }

  #startOver(): void {
    this.#since.fill(Infinity)
    for (const known of this.#standings) known.length = 0
    this.#outdated = false
  }

  #withDecisions(standing: Omit<Standing, 'unnamed' | 'named'>): Standing {
    const { stretch } = standing
    const whole = standing as Standing
    whole.named = { stretch, given: 0, check: '', expected: '', standing: whole }
    whole.unnamed = { ...whole.named, given: this.give(standing) }
    return whole
  }

  #stand(name: string, time: number): Omit<Standing, 'unnamed' | 'named'> {
    const stretch = new Stretch()
    const found = this.#pods.named(name).filter(({ from, to }) => stretch.within(time, from, to))
    if (!found.length) return { stretch, known: false, since: 0, id: '', source: '', candidates: [], meshed: false, relays: false }
    const { value: pod, from } = found[0]
    const namespace = this.#namespaceOf(pod, time, stretch)
    const meshed = isInMesh(pod, namespace)
    const candidates = [
      ...(pod.spiffeId ? [valid(pod.spiffeId, 'object')] : []),
      ...this.#entriesOf(pod, time, stretch),
      ...this.#templatesOf(pod, namespace, time, stretch).map(id => valid(id, 'template')),
      ...(meshed ? [this.#conventionOf(pod)] : []),
    ]
    return {
      stretch,
      known: true,
      since: from,
      ...decide(candidates),
      candidates,
      meshed,
      relays: isGateway(pod),
      demand: meshed ? this.#demandOf(pod, time, stretch) : undefined,
    }
  }

  #namespaceOf({ cluster, namespace }: Pod, time: number, stretch: Stretch): Labels {
    const [found] = this.#namespaces.at(nameOf(cluster, namespace), time, stretch)
    return new Map([...(found?.labels ?? noLabels), ['kubernetes.io/metadata.name', namespace]])
  }

  /** Entries of SPIRE whose selectors the pod has, also those that have ended by then. */
  #entriesOf(pod: Pod, time: number, stretch: Stretch): Candidate[] {
    const own = selectorsOf(pod)
    const [node] = this.#nodes.at(nameOf(pod.cluster, pod.node), time, stretch)
    const fitting = lookedFor(pod, own).flatMap(name =>
      this.#entries.named(name).flatMap(version => {
        const fit = fits(version.value, own)
        return fit === 'no' || !this.#isOnNode(version.value, node, time, stretch) ? [] : [{ version, sure: fit === 'yes' }]
      }),
    )
    return fitting.flatMap(({ version, sure }) => {
      const state = stateOf(version, time, stretch)
      return state ? [{ id: version.value.spiffeId, source: 'spire' as const, sure, state }] : []
    })
  }

  #isOnNode({ cluster, parent }: Entry, node: Node | undefined, time: number, stretch: Stretch): boolean {
    return mayBeOn(parent, node, this.#entries.at(nameOf(cluster, 'alias', parent), time, stretch))
  }

  #templatesOf(pod: Pod, namespace: Labels, time: number, stretch: Stretch): string[] {
    const all = this.#templates.at(pod.cluster, time, stretch)
    if (!all.length) return []
    const [node] = this.#nodes.at(nameOf(pod.cluster, pod.node), time, stretch)
    const [trustDomain] = [
      ...this.#configured(pod.cluster),
      ...this.#domainsOf(pod.cluster, time, stretch)
        .filter(({ own }) => own)
        .map(({ name }) => name),
    ]
    return idsOf(all, namespace, { trustDomain, pod, node })
  }

  #conventionOf(pod: Pod): Candidate {
    const [trustDomain] = this.#configured(pod.cluster)
    return { ...valid(conventionalId(trustDomain ?? defaultTrustDomain, pod), 'convention'), anyDomain: trustDomain === undefined }
  }

  #demandOf(pod: Pod, time: number, stretch: Stretch): Demand | undefined {
    const { root_namespace: root = 'istio-system' } = this.#options
    const alive = [...new Set([pod.namespace, root])].flatMap(namespace =>
      this.#policies.named(nameOf(pod.cluster, namespace)).filter(({ from, to }) => stretch.within(time, from, to)),
    )
    const byAge = alive.sort((a, b) => a.from - b.from || (a.value.name < b.value.name ? -1 : 1))
    return demandOf(
      byAge.map(({ value }) => value),
      pod,
      root,
    )
  }

  #configured(cluster: string): readonly string[] {
    return [this.#options.trust_domains?.[cluster] ?? []].flat()
  }

  #domainsOf(cluster: string, time: number, stretch: Stretch): Domain[] {
    return this.#domains.at(cluster, time, stretch)
  }

  /** The SPIFFE ID of SPIRE for a numeric identity of Cilium, or ''. */
  ofNumber(cluster: string, number: number, time: number, stretch: Stretch): string {
    const found = this.#entries.at(nameOf(cluster, 'number', number), time, stretch).map(({ spiffeId }) => spiffeId)
    return new Set(found).size === 1 ? found[0] : ''
  }

  /** What is to be said of an SPIFFE ID that the certificate of a pod showed. `standing` is the pod's, where it is known which that is. */
  check(shown: string, cluster: string, standing: Standing | undefined, time: number, stretch: Stretch): Verdict {
    const id = readSpiffeId(shown)
    if (!id) return fine
    if (standing) stretch.narrow(standing.stretch)
    const candidates = standing?.candidates ?? []
    const ofSpire = candidates.filter(({ id, source }) => id === shown && (source === 'spire' || source === 'object'))
    if (ofSpire.some(({ state }) => state === 'valid')) return agrees
    if (!this.#trusts(cluster, id.trustDomain, time, stretch)) return { check: 'unknown_trust_domain', expected: expectedOf(candidates) }
    const elsewhere = this.#statesOf(cluster, shown, time, stretch)
    const ended = [...ofSpire.map(({ state }) => state), ...(elsewhere.includes('valid') ? [] : elsewhere)]
    if (ended.length) return { check: ended.includes('revoked') ? 'revoked' : 'expired', expected: expectedOf(candidates) }
    const allowed = candidates.filter(({ state }) => state === 'valid')
    if (allowed.some(candidate => isSame(candidate, shown, id.path))) return agrees
    if (standing?.relays) return fine
    if (allowed.length) return { check: 'differs', expected: expectedOf(allowed) }
    return standing?.known && elsewhere.length ? othersId(standing, time, stretch) : fine
  }

  /** How entries of SPIRE with a SPIFFE ID stand, whomever they are for. */
  #statesOf(cluster: string, id: string, time: number, stretch: Stretch): Candidate['state'][] {
    return this.#entries.named(nameOf(cluster, 'id', id)).flatMap(version => stateOf(version, time, stretch) ?? [])
  }

  /** Whether a trust domain is ours or one ours is federated with; so it is where it is not known which is ours. */
  #trusts(cluster: string, name: string, time: number, stretch: Stretch): boolean {
    const domains = this.#domainsOf(cluster, time, stretch)
    const configured = this.#configured(cluster)
    const knowsOurs = configured.length > 0 || domains.some(({ own }) => own)
    return !knowsOurs || configured.includes(name) || domains.some(domain => domain.name === name)
  }
}

const valid = (id: string, source: IdentitySource): Candidate => ({ id, source, sure: true, state: 'valid' })

/** How an entry stands at a time; nothing while it is still to come. */
function stateOf({ from, to, value: { expires } }: Version<Entry>, time: number, stretch: Stretch): Candidate['state'] | undefined {
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

function isSame({ id, anyDomain }: Candidate, shown: string, path: string): boolean {
  return id === shown || (anyDomain === true && readSpiffeId(id)?.path === path)
}

/** A pod without an entry that shows what belongs to others. Of a young one the entry may not be known yet. */
function othersId({ since }: Standing, time: number, stretch: Stretch): Verdict {
  return stretch.within(time, since + settlingMicros, Infinity) ? { check: 'differs', expected: '' } : fine
}

const expectedOf = (candidates: readonly Candidate[]) =>
  [...new Set(candidates.filter(({ state }) => state === 'valid').map(({ id }) => id))].slice(0, mostExpected).join(',')

function grown(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2)
  larger.set(array)
  return larger
}
