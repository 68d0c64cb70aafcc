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
  const owner = `${version.workload_kind ?? ''}:${version.workload ?? ''}`
  const labels = labelsOf(version)
  return {
    cluster,
    namespace,
    name,
    uid,
    node,
    serviceAccount: service_account || 'default',
    labels,
    hostNetwork: host_network,
    owner,
    spiffeId: version.spiffe_id ?? '',
  }
}

/** Labels of an object, which has them as key=value. */
export const labelsOf = ({ labels = [] }: ObjectVersion): Labels =>
  new Map(
    labels.map(label => {
      const at = label.indexOf('=')
      return at < 0 ? [label, ''] : [label.slice(0, at), label.slice(at + 1)]
    }),
  )

/** The selectors SPIRE's attestor for Kubernetes gives the workloads of a pod, as far as the object tells. */
export function selectorsOf(pod: Pod): Set<string> {
  const { namespace, serviceAccount, name, uid, node, labels, owner } = pod
  const own = [`ns:${namespace}`, `sa:${serviceAccount}`, `pod-name:${name}`, `pod-uid:${uid}`, `node-name:${node}`, `pod-owner:${owner}`]
  return new Set([...own, ...[...labels].map(([key, value]) => `pod-label:${key}:${value}`)])
}
