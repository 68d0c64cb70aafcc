import { type ObjectVersion, openEnd } from '../../../schema/object.ts'

export const second = 1_000_000
export const spiffe = (path: string) => `spiffe://example.org${path}`

const always = { cluster: 'east', valid_from: 0, valid_to: openEnd } as const

/** A pod of the namespace shop, long there. */
export const pod = (address: string, account: string): ObjectVersion => ({
  ...always,
  kind: 'pod',
  source: 'kubernetes',
  namespace: 'shop',
  name: `${account}-1`,
  uid: `pod-${account}`,
  addresses: [address],
  node: 'node-1',
  workload: account,
  workload_kind: 'Deployment',
  service_account: account,
})

/** An entry of SPIRE. */
export const entry = (uid: string, path: string, labels: string[], spec: object = {}): ObjectVersion => ({
  ...always,
  kind: 'identity',
  source: 'spire',
  uid,
  name: path,
  spiffe_id: spiffe(path),
  labels,
  spec: JSON.stringify({ parent: spiffe('/nodes'), node: false, expires_at: 0, ...spec }),
})

/** A trust domain SPIRE tells of. */
export const domain = (name: string, own: boolean): ObjectVersion => ({
  ...always,
  kind: 'trust_domain',
  source: 'spire',
  name,
  uid: `example.org/${name}`,
  spec: JSON.stringify({ own }),
})

const configured = (kind: string, apiVersion: string, name: string, namespace: string, spec: object): ObjectVersion => ({
  ...always,
  kind: 'network_policy',
  source: 'kubernetes',
  namespace,
  name,
  uid: name,
  spec: JSON.stringify({ apiVersion, kind, spec }),
})

/** A ClusterSPIFFEID whose template goes on so after spiffe://. */
export const template = (text: string, spec: object = {}) =>
  configured('ClusterSPIFFEID', 'spire.spiffe.io/v1alpha1', 'template', '', { spiffeIDTemplate: `spiffe://${text}`, ...spec })

/** The PeerAuthentication of the namespace shop. */
export const strict = (mode = 'STRICT') => configured('PeerAuthentication', 'security.istio.io/v1', 'default', 'shop', { mtls: { mode } })
