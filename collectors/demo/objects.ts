import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import { type Lives, type Pod, never, uidOf } from './lives.ts'
import { type Policy, lastingPolicies, restrictFraud } from './policies.ts'
import { services } from './services.ts'
import { type Workload, clusterName, labelsOf, namespaces, nodes, trustDomain, workload, workloads } from './shop.ts'
import { chapter, chapterLength, chapters, hour } from './story.ts'

/** A version of an object with the end it will have; `valid_to` is `never` when it will have none. */
type Version = ObjectVersion & Required<Pick<ObjectVersion, 'kind' | 'name' | 'uid' | 'valid_from' | 'valid_to'>>

const since = ({ seed, anchor }: Origin) => anchor - (20 * 24 * hour + (seed % 1_000_000))

/** What the objects depend on; the anchor in microseconds. */
export interface Origin {
  seed: number
  anchor: number
}

const apiVersions = {
  NetworkPolicy: 'networking.k8s.io/v1',
  CiliumNetworkPolicy: 'cilium.io/v2',
  CiliumClusterwideNetworkPolicy: 'cilium.io/v2',
} as const

/** All versions of all objects that hold at some time of [from, to). */
export function versionsBetween(origin: Origin, lives: Lives, from: number, to: number): Version[] {
  const all = [...standing(origin), ...changing(origin, from, to), ...lives.between(from, to).map(podVersion)]
  return all.filter(version => version.valid_from < to && version.valid_to > from)
}

/** The version as it is known at a time, or nothing while it is still to come: what ends later has no end yet. */
export function asKnownAt(version: Version, time: number): ObjectVersion | undefined {
  if (version.valid_from > time) return undefined
  const ended = version.valid_to <= time
  const common = { source: 'demo', cluster: clusterName, time: ended ? version.valid_to : version.valid_from }
  return { ...version, ...common, valid_to: ended ? version.valid_to : openEnd }
}

/** What is told newly in the stretch [from, to): what begins in it, and what ends in it. In the order in which it happens. */
export function changesBetween(origin: Origin, lives: Lives, from: number, to: number): ObjectVersion[] {
  const within = (time: number) => time >= from && time < to
  return versionsBetween(origin, lives, from - 1, to)
    .filter(version => within(version.valid_from) || within(version.valid_to))
    .map(version => asKnownAt(version, to - 1) as ObjectVersion)
    .sort((a, b) => (a.time ?? 0) - (b.time ?? 0))
}

const selectedBy = (each: Workload) =>
  services.filter(service => service.workload === each).map(({ namespace, name }) => `${namespace}/${name}`)

function podVersion({ uid, name, workload: owner, version, node, address, from, to }: Pod): Version {
  return {
    kind: 'pod',
    namespace: owner.namespace,
    name,
    uid,
    valid_from: from,
    valid_to: to,
    addresses: [address],
    ports: owner.port ? [`${owner.speaks === 'dns' ? 'udp' : 'tcp'}/${owner.port}`] : [],
    host_network: owner.hostNetwork,
    node: node.name,
    zone: node.zone,
    workload: owner.name,
    workload_kind: owner.kind,
    services: selectedBy(owner),
    service_account: owner.name,
    spiffe_id: `spiffe://${trustDomain}/ns/${owner.namespace}/sa/${owner.name}`,
    labels: labelsOf(owner, version),
  }
}

/** What is there all the time. */
function standing(origin: Origin): Version[] {
  const lasting = (kind: Version['kind'], namespace: string, name: string, more: ObjectVersion): Version => ({
    kind,
    namespace,
    name,
    uid: uidOf(origin.seed, `${kind}/${namespace}/${name}`),
    valid_from: since(origin),
    valid_to: never,
    ...more,
  })
  return [
    ...nodes.map(({ name, address, zone }) =>
      lasting('node', '', name, {
        addresses: [address],
        zone,
        labels: [`kubernetes.io/hostname=${name}`, `topology.kubernetes.io/zone=${zone}`],
      }),
    ),
    ...namespaces.map(name => lasting('namespace', '', name, { labels: [`kubernetes.io/metadata.name=${name}`] })),
    ...workloads.map(({ namespace, name }) => lasting('service_account', namespace, name, {})),
    ...services.map(({ namespace, name, address, workload: { port, speaks } }) =>
      lasting('service', namespace, name, { addresses: [address], ports: [`${speaks === 'dns' ? 'udp' : 'tcp'}/${port}`] }),
    ),
    ...workloads
      .filter(({ name }) => name !== 'checkout')
      .map(each => lasting('workload', each.namespace, each.name, workloadFacts(each, 'v1'))),
    ...lastingPolicies.map(policy => lasting('network_policy', policy.namespace, policy.name, policyFacts(policy))),
  ]
}

const workloadFacts = (each: Workload, version: string): ObjectVersion => ({
  workload: each.name,
  workload_kind: each.kind,
  service_account: each.name,
  labels: labelsOf(each, version),
})

const policyFacts = ({ kind, spec }: Policy): ObjectVersion => ({ spec: JSON.stringify({ apiVersion: apiVersions[kind], kind, spec }) })

/** The story: checkout in its two versions, and the policy that comes and goes. */
function changing({ seed, anchor }: Origin, from: number, to: number): Version[] {
  const checkout = workload('checkout')
  const { namespace, name } = checkout
  const uid = uidOf(seed, `workload/${namespace}/${name}`)
  const version = (tag: string, valid_from: number, valid_to: number): Version => ({
    kind: 'workload',
    namespace,
    name,
    uid,
    valid_from,
    valid_to,
    ...workloadFacts(checkout, tag),
  })
  const policy = (number: number, valid_from: number, valid_to: number): Version => ({
    kind: 'network_policy',
    namespace: restrictFraud.namespace,
    name: restrictFraud.name,
    valid_from,
    valid_to,
    uid: uidOf(seed, `restrict-fraud/${number}`),
    ...policyFacts(restrictFraud),
  })
  return chapters(anchor, from, to + chapterLength).flatMap(({ number, deploy, rollback, deny, allow }) => [
    version('v1', chapter(anchor, number - 1).rollback, deploy),
    version('v2', deploy, rollback),
    policy(number, deny, allow),
  ])
}
