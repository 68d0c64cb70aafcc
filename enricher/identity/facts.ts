import type { ObjectVersion } from '../../schema/object.ts'
import { type ClusterSpiffeId, type ClusterSpiffeIdSpec, clusterSpiffeIdOf } from './cluster-spiffe-id.ts'
import type { ControllerManager } from './controller-manager.ts'
import { type Entry, type Node, entryOf, nodeOf, rarest } from './entry.ts'
import { type PeerAuthentication, type PeerAuthenticationSpec, dataplaneMode, isInMesh, peerAuthenticationOf } from './mesh.ts'
import { type Labels, type Pod, labelsOf, podOf } from './pod.ts'
import type { Stretch } from './stretch.ts'
import { UnsupportedTemplate } from './template/template.ts'
import { Versions } from './versions.ts'

interface Domain {
  cluster: string
  name: string
  own: boolean
}

export const noLabels: Labels = new Map()

export function nameOf(cluster: string, ...rest: readonly (string | number)[]): string {
  let name = cluster
  for (const part of rest) name += `|${part}`
  return name
}

/** Trust domains of the mesh of a cluster, the first for those it gives and the others trusted as well. */
export type TrustDomains = Readonly<Record<string, string | readonly string[]>>

/** What is configured of identities. */
export interface Configured {
  trustDomains: TrustDomains
  /** How spire-controller-manager is configured in a cluster. */
  managerOf(cluster: string): ControllerManager
}

/** All that decides which identities pods have, in time, out of `object` records in any order. */
export class IdentityFacts {
  readonly pods = new Versions<Pod>(({ cluster, namespace, name }) => [nameOf(cluster, namespace, name)])
  readonly namespaces = new Versions<{ cluster: string; name: string; labels: Labels }>(({ cluster, name }) => [nameOf(cluster, name)])
  readonly nodes = new Versions<Node>(({ cluster, name }) => [nameOf(cluster, name)])
  readonly entries = new Versions<Entry>(({ cluster, spiffeId, node, selectors, number }) => [
    nameOf(cluster, node ? 'alias' : 'id', spiffeId),
    ...(node || !selectors.length ? [] : [nameOf(cluster, rarest(selectors))]),
    ...(number === undefined ? [] : [nameOf(cluster, 'number', number)]),
  ])
  readonly domains = new Versions<Domain>(({ cluster }) => [cluster])
  readonly templates = new Versions<ClusterSpiffeId>(({ cluster }) => [cluster])
  readonly policies = new Versions<PeerAuthentication>(({ cluster, namespace }) => [nameOf(cluster, namespace)])
  readonly #trustDomains: TrustDomains
  readonly managerOf: Configured['managerOf']
  readonly #notUnderstood: (name: string, reason: string) => void
  readonly #unsupported = new Set<string>()
  /** Whether an identity could be told or checked by anything. */
  tells: boolean
  /** Whether there are entries for numeric identities. */
  numbers = false

  /** `notUnderstood` is told once of each object that cannot be used. */
  constructor({ trustDomains, managerOf }: Configured, notUnderstood: (name: string, reason: string) => void) {
    this.#trustDomains = trustDomains
    this.managerOf = managerOf
    this.tells = Object.keys(trustDomains).length > 0
    this.#notUnderstood = notUnderstood
  }

  /** How many objects say what is not understood. */
  get unsupported(): number {
    return this.#unsupported.size
  }

  addPod(version: ObjectVersion): Pod {
    const { value } = this.pods.put(version, () => podOf(version))
    this.tells ||= value.spiffeId !== '' || isInMesh(value, noLabels)
    return value
  }

  /** Whether it has to do with identities. */
  addOther(version: ObjectVersion): boolean {
    const { kind, cluster = '', name = '', uid = '' } = version
    if (kind === 'namespace') {
      const { value } = this.namespaces.put(version, () => ({ cluster, name, labels: labelsOf(version) }))
      this.tells ||= value.labels.has(dataplaneMode)
      return true
    }
    if (kind === 'node') this.nodes.put(version, () => nodeOf(version))
    else if (kind === 'trust_domain') this.domains.put(version, () => ({ cluster, name, own: uid === `${name}/${name}` }))
    else if (kind === 'identity' && version.spiffe_id) this.#addEntry(version)
    else return this.#addConfigured(version)
    if (kind !== 'node') this.tells = true
    return true
  }

  #addEntry(version: ObjectVersion): void {
    try {
      const { value } = this.entries.put(version, () => entryOf(version))
      this.numbers ||= value.number !== undefined
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
      this.tells ||= kind === 'ClusterSPIFFEID'
      if (kind === 'ClusterSPIFFEID') this.#addTemplates(version, (spec ?? {}) as ClusterSpiffeIdSpec)
      else if (kind === 'PeerAuthentication')
        this.policies.put(version, () => peerAuthenticationOf(version, (spec ?? {}) as PeerAuthenticationSpec))
      else return false
    } catch (error) {
      this.#refuse(version, error as Error)
    }
    return true
  }

  #addTemplates(version: ObjectVersion, spec: ClusterSpiffeIdSpec): void {
    const refuse = (reason: string) => this.#refuse(version, new UnsupportedTemplate(reason))
    const rule = clusterSpiffeIdOf(version, spec, this.managerOf(version.cluster ?? ''), refuse)
    if (rule) this.templates.put(version, () => rule)
  }

  #refuse({ cluster = '', kind, name = '', uid = '' }: ObjectVersion, { message }: Error): void {
    const object = nameOf(cluster, `${kind}`, uid)
    if (this.#unsupported.has(object)) return
    this.#unsupported.add(object)
    this.#notUnderstood(`${kind} ${name}`, message)
  }

  /** Forgets what ended before that, microseconds. */
  forget(before: number): void {
    for (const versions of [this.pods, this.namespaces, this.nodes, this.entries, this.domains, this.templates, this.policies])
      versions.forget(before)
  }

  /** Those that are configured for a cluster. */
  trustDomains(cluster: string): readonly string[] {
    return [this.#trustDomains[cluster] ?? []].flat()
  }

  /** Those that were told of. */
  domainsOf(cluster: string, time: number, stretch: Stretch): Domain[] {
    return this.domains.at(cluster, time, stretch)
  }
}
