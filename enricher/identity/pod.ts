import { Shared, remembered } from '../../runtime/shared.ts'
import type { ObjectVersion } from '../../schema/object.ts'

/** What of a pod decides which identities it may have. */
export interface Pod {
  cluster: string
  namespace: string
  name: string
  uid: string
  node: string
  serviceAccount: string
  labels: Labels
  hostNetwork: boolean
  /** Kind:name of the top owner. */
  owner: string
  /** SPIFFE ID the object itself names. */
  spiffeId: string
}

export type Labels = ReadonlyMap<string, string>

export function podOf(version: ObjectVersion): Pod {
  const { cluster = '', namespace = '', name = '', uid = '', node = '', service_account = '', host_network = false } = version
  return {
    cluster: shared.text(cluster),
    namespace: shared.text(namespace),
    name,
    uid,
    node: shared.text(node),
    serviceAccount: shared.text(service_account || 'default'),
    labels: labelsOf(version),
    hostNetwork: host_network,
    owner: shared.text(`${version.workload_kind ?? ''}:${version.workload ?? ''}`),
    spiffeId: shared.text(version.spiffe_id ?? ''),
  }
}

/** So many texts and sets of labels are kept for others that are the same. */
const mostShared = 20_000
const shared = new Shared(mostShared)
const labelSets = new Map<string, Labels>()

/** Labels of an object, which has them as key=value. Those of the pods of a workload are one. */
export const labelsOf = ({ labels = [] }: ObjectVersion): Labels =>
  remembered(labelSets, labels.join('\0'), mostShared, () => new Map(labels.map(readLabel)))

function readLabel(label: string): [key: string, value: string] {
  const at = label.indexOf('=')
  return at < 0 ? [label, ''] : [label.slice(0, at), label.slice(at + 1)]
}

/** The selectors SPIRE's attestor for Kubernetes gives the workloads of a pod, as far as the object tells. */
export function selectorsOf(pod: Pod): Set<string> {
  const { namespace, serviceAccount, name, uid, node, labels, owner } = pod
  const own = [`ns:${namespace}`, `sa:${serviceAccount}`, `pod-name:${name}`, `pod-uid:${uid}`, `node-name:${node}`, `pod-owner:${owner}`]
  return new Set([...own, ...[...labels].map(([key, value]) => `pod-label:${key}:${value}`)])
}
