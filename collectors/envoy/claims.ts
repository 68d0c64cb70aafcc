import { objectEndFields } from '../../schema/ends.ts'
import { type Identity, readIdentity } from '../mesh/identity.ts'
import { type Struct, structIn, textOf } from './struct.ts'

/** What a proxy says of an end, by the names of the columns without src_ and dst_. */
export interface Claims {
  cluster?: string
  namespace?: string
  pod?: string
  workload?: string
  workload_kind?: string
  service?: string
  service_account?: string
  dns_name?: string
  node?: string
  spiffe_id?: string
  spiffe_id_source?: 'certificate' | 'claim'
}

export const claimNames = ['cluster', ...objectEndFields, 'dns_name'] as const satisfies readonly (keyof Claims)[]

/** Kinds of the owners Kubernetes gives pods, by the resource of their path. */
const kinds: Readonly<Record<string, string>> = {
  deployments: 'Deployment',
  daemonsets: 'DaemonSet',
  statefulsets: 'StatefulSet',
  replicasets: 'ReplicaSet',
  jobs: 'Job',
  cronjobs: 'CronJob',
  replicationcontrollers: 'ReplicationController',
  pods: 'Pod',
}

/** Kinds as the metadata of peers have them. */
const typeKinds: Readonly<Record<string, string>> = { deployment: 'Deployment', job: 'Job', cronjob: 'CronJob', pod: 'Pod' }

/** Kind and name in kubernetes://apis/apps/v1/namespaces/shop/deployments/backend. */
export function ownerIn(text: string): { kind: string; name: string } {
  const [, resource, name = ''] = /^kubernetes:\/\/apis?\/.*\/namespaces\/[^/]+\/([^/]+)\/([^/]+)$/.exec(text) ?? []
  return { kind: Object.hasOwn(kinds, resource ?? '') ? kinds[resource] : '', name }
}

/**
 * What the metadata of a node, or of a peer as Istio's filters hand them on, say of a workload: the names of Istio's metadata in capitals,
 * or those of its peer objects in lower case.
 */
export function claimsIn(metadata: Struct | undefined): Claims {
  const labels = structIn(metadata, 'LABELS') ?? structIn(metadata, 'labels')
  const owner = ownerIn(textOf(metadata, 'OWNER', 'owner'))
  const type = textOf(metadata, 'type').toLowerCase()
  return withIdentity(
    {
      cluster: textOf(metadata, 'CLUSTER_ID', 'cluster'),
      namespace: textOf(metadata, 'NAMESPACE', 'CONFIG_NAMESPACE', 'namespace'),
      pod: textOf(metadata, 'NAME', 'POD_NAME', 'name'),
      workload: textOf(metadata, 'WORKLOAD_NAME', 'workload') || owner.name || textOf(labels, 'service.istio.io/canonical-name', 'app'),
      workload_kind: owner.kind || (Object.hasOwn(typeKinds, type) ? typeKinds[type] : ''),
      service_account: textOf(metadata, 'SERVICE_ACCOUNT'),
      node: textOf(metadata, 'NODE_NAME'),
    },
    readIdentity(textOf(metadata, 'identity')),
    'claim',
  )
}

/** The same with what an identity says, which is surer. */
export function withIdentity(claims: Claims, identity: Identity | undefined, source: 'certificate' | 'claim'): Claims {
  if (!identity) return claims
  const { spiffeId, namespace, serviceAccount, service } = identity
  return {
    ...claims,
    namespace: namespace || claims.namespace,
    service_account: serviceAccount || claims.service_account,
    service: claims.service || (service && (namespace ? `${namespace}/${service}` : service)),
    spiffe_id: spiffeId,
    spiffe_id_source: source,
  }
}

/** What is known of either, the first before the second. */
export function joined(first: Claims, second: Claims): Claims {
  return Object.fromEntries(claimNames.map(name => [name, first[name] || second[name]])) as Claims
}
