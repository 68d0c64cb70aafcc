import { bothEnds } from './field.ts'
import { attributionReasons, attributions, identityChecks, identitySources } from './vocabulary.ts'

/** Fields of an end that say which object it was, and are completed from that. */
export const objectEndFields = [
  'namespace',
  'pod',
  'workload',
  'workload_kind',
  'service',
  'service_account',
  'node',
  'spiffe_id',
  'spiffe_id_source',
] as const

/**
 * Fields of an end that a source may fill and the enricher complete. `claimed` has a bit for each, the first the lowest; stored rows
 * hold these numbers, so nothing is put in between, and the list only grows at its end.
 */
export const claimableFields = [...objectEndFields, 'cluster', 'entity', 'dns_name'] as const

/** Who the two ends were. What a source says itself (a claim) is completed, never overwritten, by the enricher. */
export const ends = bothEnds({
  cluster: {
    type: 'label',
    about: 'Cluster of the end, as its source names it, else the one whose objects it was found among.',
    completedBy: 'kubernetes',
    rollup: true,
  },
  namespace: { type: 'label', about: 'Kubernetes namespace of the end.', completedBy: 'kubernetes', rollup: true },
  pod: { type: 'label', about: 'Pod of the end.', completedBy: 'kubernetes' },
  workload: { type: 'label', about: 'Owner of the pod of the end: a Deployment, DaemonSet…', completedBy: 'kubernetes', rollup: true },
  workload_kind: { type: 'label', about: 'Kind of the workload of the end.', completedBy: 'kubernetes', rollup: true },
  service: { type: 'label', about: 'Service clients call to reach the end, as namespace/name.', completedBy: 'kubernetes', rollup: true },
  service_account: { type: 'label', about: 'Service account the pod of the end runs as.', completedBy: 'kubernetes', rollup: true },
  entity: { type: 'label', about: 'What the end is when it is no pod: world, host, remote-node, kube-apiserver…', rollup: true },
  identity: { type: 'uint32', about: 'Numeric security identity of the end; those from 16777216 on mean something on the reporter only.' },
  dns_name: {
    type: 'label',
    about:
      'DNS names the reporter knows for the address of the end, joined by commas; else the name the other end had got the address for, when that was seen.',
    completedBy: 'dns',
  },
  node: { type: 'label', about: 'Node the end runs on.', completedBy: 'kubernetes' },
  zone: { type: 'label', about: 'Topology zone of the node of the end.', filledBy: 'kubernetes' },
  spiffe_id: { type: 'label', about: 'SPIFFE ID of the end.', completedBy: 'identity' },
  spiffe_id_source: {
    type: 'label',
    values: identitySources,
    about: 'How the SPIFFE ID of the end is known: a certificate a proxy saw, what a source says, the object, an entry of SPIRE…',
    completedBy: 'identity',
  },
  identity_check: {
    type: 'label',
    values: identityChecks,
    about: 'Whether the certificate the end showed is one it may have; missing: it showed none to whom demands one.',
    filledBy: 'identity',
    lookup: true,
  },
  identity_expected: {
    type: 'label',
    about: 'What the end might have shown, where it did not: SPIFFE IDs joined by commas, or the policy that demands one.',
    filledBy: 'identity',
  },
  network: {
    type: 'label',
    about: 'Name of the network the address of the end lies in, when it is no pod.',
    filledBy: 'network',
    rollup: true,
  },
  country: { type: 'label', about: 'Country of the address of the end, when it is outside: two letters of ISO 3166.', filledBy: 'network' },
  as_name: { type: 'label', about: 'Who runs the autonomous system of the end, when it is outside.', filledBy: 'network' },
  candidates: {
    type: 'label',
    about: 'Who else the end may have been, as namespace/pod: eight at most, sorted, joined by commas. Empty when it is known exactly.',
    filledBy: 'kubernetes',
  },
  attribution: {
    type: 'label',
    values: attributions,
    about: 'How surely the end is known: exact, ambiguous or none.',
    filledBy: 'kubernetes',
  },
  attribution_reason: {
    type: 'label',
    values: attributionReasons,
    about: 'Why the attribution of the end is what it is.',
    filledBy: 'kubernetes',
  },
  claimed: {
    type: 'uint16',
    about: 'Which fields of the end the source itself filled, a bit for each; the others can be taken back and found out again.',
    filledBy: 'kubernetes',
  },
})

/** Of a record with two ends. */
export const provisional = {
  type: 'bool',
  about: 'An end of it may become known better: it is attributed again when that is the case.',
  filledBy: 'kubernetes',
  rollup: true,
} as const

/** Of a record that can be attributed again. */
export const revision = {
  type: 'uint32',
  about: 'Which attribution of its hour it is of: 0, or more where the hour was attributed again.',
  filledBy: 'revision',
  rollup: true,
} as const
