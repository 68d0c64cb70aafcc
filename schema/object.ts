import type { Fields, RecordOf } from './field.ts'

/** End of an interval that has not ended: 2100-01-01 in microseconds. */
export const openEnd = 4_102_444_800_000_000

/**
 * `gateway` and `route` lead traffic (Gateway API), `authentication` says how peers prove who they are (PeerAuthentication,
 * MeshTLSAuthentication), `endpoint` is what Cilium made of a pod, `identity_rule` gives pods identities (ClusterSPIFFEID). `cluster` is the
 * cluster itself: what is told of its objects is complete up to the `time` of its newest version. `source` is a source that tells of objects:
 * it was there at the `time` of its newest version. `history` is what is kept of all this: of what was before its `time`, not everything is
 * on the bus any more.
 */
export const objectKinds = [
  'pod',
  'service',
  'node',
  'namespace',
  'service_account',
  'workload',
  'network_policy',
  'gateway',
  'route',
  'authentication',
  'endpoint',
  'identity',
  'identity_rule',
  'trust_domain',
  'cluster',
  'source',
  'history',
] as const

/** Kinds that are no objects but say how much is known of these. They have one version each, which is never ended. */
export const knowledgeKinds: readonly ObjectKind[] = ['cluster', 'source', 'history']

export type ObjectKind = (typeof objectKinds)[number]

/** One version of a Kubernetes, policy or identity object and the interval in which it was true. */
export const objectFields = {
  time: { type: 'time', about: 'When this version was noticed.' },
  source: { type: 'label', about: 'Where it is known from: kubernetes, demo…' },
  cluster: { type: 'label', about: 'Cluster of the object.' },
  kind: { type: 'label', values: objectKinds, about: 'What it is.' },
  namespace: { type: 'label', about: 'Namespace of the object.' },
  name: { type: 'text', about: 'Name of the object.' },
  uid: { type: 'text', about: 'UID of the object.' },
  valid_from: { type: 'time', about: 'Since when it was so.' },
  valid_to: { type: 'time', about: 'Until when it was so; 2100-01-01 while it still is.' },
  ended_after: {
    type: 'time',
    about: 'Where nobody saw it end: when it was surely still so. From then until valid_to it may have been. 0 where the end is known.',
  },
  addresses: { type: 'texts', about: 'Addresses of the pod or node; cluster and load-balancer addresses of the service.' },
  ports: { type: 'texts', about: 'Ports of the service or containers, as protocol/port.' },
  host_network: { type: 'bool', about: 'Whether the pod shares the addresses of its node.' },
  node: { type: 'label', about: 'Node of the pod.' },
  zone: { type: 'label', about: 'Topology zone of the node.' },
  workload: { type: 'label', about: 'Top owner of the pod.' },
  workload_kind: { type: 'label', about: 'Kind of the top owner.' },
  services: { type: 'texts', about: 'Services that select the pod, as namespace/name.' },
  service_account: { type: 'label', about: 'Service account of the pod.' },
  spiffe_id: { type: 'label', about: 'SPIFFE ID of the pod.' },
  labels: { type: 'texts', about: 'Labels, as key=value.' },
  spec: {
    type: 'text',
    about:
      'What else defines it, as JSON: the rules of a policy; of a service `ports` as Kubernetes has them, or `nodePorts` as {"tcp/30080": "tcp/80"}, and `external`, those of its addresses that are reached from outside the cluster.',
  },
} as const satisfies Fields

export type ObjectVersion = RecordOf<typeof objectFields>

/** Identifies one version across its updates; the key of its message on the bus. */
export function objectKey(version: ObjectVersion): string {
  return `${objectName(version)}/${version.valid_from}`
}

/** What all versions of an object have in common. */
export const objectName = ({ cluster = '', kind, uid }: ObjectVersion) => `${cluster}/${kind}/${uid}`
