import type { ObjectKind, ObjectVersion } from '../../schema/object.ts'
import type { Facts } from './facts.ts'
import { labelsOf } from './labels.ts'
import { nodeFacts } from './node.ts'
import type { ApiObject } from './object.ts'
import { calicoFacts, endpointFacts, gatewayFacts, identityFacts, rulesFacts } from './rules.ts'
import { serviceFacts } from './service.ts'
import { workloadFacts } from './workload.ts'

/** A kind of object that is followed. */
export interface Resource {
  /** As rights are given for it: plural, and group behind a dot unless it is core. */
  name: string
  plural: string
  kind: string
  /** Where the API may have it, such as apps/v1; the best first. */
  apiVersions: readonly string[]
  /** It may not be installed. */
  optional?: boolean
  /** Without it nobody knows who has which address. */
  vital?: boolean
  /** Pods wait for it: it says whose they are, or where. */
  beforePods?: boolean
  /** The kind of its records; none are made of what only says something of pods. */
  tells?: ObjectKind
  /** Rights that are needed besides, as `name` says them. */
  besides?: readonly string[]
  /** What matters of an object, by itself; nothing when it is not told. */
  facts?(object: ApiObject): Facts | undefined
}

/** The group of an API version; '' is core. */
export const groupOf = (apiVersion: string) => (apiVersion.includes('/') ? apiVersion.split('/')[0] : '')

const builtIn = (apiVersion: string, plural: string, kind: string, more: Partial<Resource>): Resource => ({
  name: nameOf(plural, apiVersion),
  plural,
  kind,
  apiVersions: [apiVersion],
  ...more,
})

const workload = (apiVersion: string, plural: string, kind: string, more: Partial<Resource> = {}): Resource =>
  builtIn(apiVersion, plural, kind, { tells: 'workload', facts: object => workloadFacts(kind, object), ...more })

/** What people may have installed. */
const installed = (apiVersions: readonly string[], plural: string, kind: string, more: Partial<Resource>): Resource =>
  builtIn(apiVersions[0], plural, kind, { apiVersions, optional: true, ...more })

/** What people write down, as they did. */
const rules = (apiVersions: readonly string[], plural: string, kind: string, tells: ObjectKind = 'network_policy'): Resource =>
  installed(apiVersions, plural, kind, { tells, facts: object => rulesFacts(tells, kind, object) })

const named = (kind: ObjectKind, { metadata = {} }: ApiObject): Facts => ({
  kind,
  namespace: metadata.namespace ?? '',
  name: metadata.name ?? '',
  labels: labelsOf(metadata.labels),
})

const cilium = ['cilium.io/v2']
/** The second is where they are stored: they are had there when the first is not installed. */
const calico = ['projectcalico.org/v3', 'crd.projectcalico.org/v1']
const istio = ['security.istio.io/v1', 'security.istio.io/v1beta1']
const gateway = ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1']
const linkerd = (...versions: string[]) => versions.map(version => `policy.linkerd.io/${version}`)

/** Policies of Calico that are in tiers: its API shows those of the tiers one may get, and of these those one has rights for under a name of its own. */
const tiered = (plural: string, kind: string): Resource => ({
  ...rules(calico, plural, kind),
  besides: ['tiers.projectcalico.org', `tier.${plural}.projectcalico.org`],
  facts: object => calicoFacts(kind, object),
})

/** Everything that is followed. deploy/kubernetes/rbac.yaml gives the rights for exactly this. */
export const resources: readonly Resource[] = [
  builtIn('v1', 'nodes', 'Node', { vital: true, beforePods: true, tells: 'node', facts: nodeFacts }),
  builtIn('v1', 'namespaces', 'Namespace', { tells: 'namespace', facts: object => named('namespace', object) }),
  builtIn('v1', 'serviceaccounts', 'ServiceAccount', { tells: 'service_account', facts: object => named('service_account', object) }),
  builtIn('v1', 'services', 'Service', { vital: true, tells: 'service', facts: serviceFacts }),
  builtIn('discovery.k8s.io/v1', 'endpointslices', 'EndpointSlice', { vital: true, beforePods: true }),
  workload('apps/v1', 'deployments', 'Deployment'),
  workload('apps/v1', 'replicasets', 'ReplicaSet', { beforePods: true }),
  workload('apps/v1', 'statefulsets', 'StatefulSet'),
  workload('apps/v1', 'daemonsets', 'DaemonSet'),
  workload('batch/v1', 'jobs', 'Job', { beforePods: true }),
  workload('batch/v1', 'cronjobs', 'CronJob'),
  builtIn('v1', 'pods', 'Pod', { vital: true, tells: 'pod' }),
  { ...rules(['networking.k8s.io/v1'], 'networkpolicies', 'NetworkPolicy'), optional: false },
  rules(cilium, 'ciliumnetworkpolicies', 'CiliumNetworkPolicy'),
  rules(cilium, 'ciliumclusterwidenetworkpolicies', 'CiliumClusterwideNetworkPolicy'),
  installed(cilium, 'ciliumidentities', 'CiliumIdentity', { tells: 'identity', facts: identityFacts }),
  installed(cilium, 'ciliumendpoints', 'CiliumEndpoint', { tells: 'endpoint', facts: endpointFacts }),
  tiered('networkpolicies', 'NetworkPolicy'),
  tiered('globalnetworkpolicies', 'GlobalNetworkPolicy'),
  tiered('stagednetworkpolicies', 'StagedNetworkPolicy'),
  tiered('stagedglobalnetworkpolicies', 'StagedGlobalNetworkPolicy'),
  { ...tiered('stagedkubernetesnetworkpolicies', 'StagedKubernetesNetworkPolicy'), besides: undefined },
  rules(istio, 'authorizationpolicies', 'AuthorizationPolicy'),
  rules(istio, 'peerauthentications', 'PeerAuthentication', 'authentication'),
  installed(gateway, 'gateways', 'Gateway', { tells: 'gateway', facts: object => gatewayFacts('Gateway', object) }),
  rules(gateway, 'httproutes', 'HTTPRoute', 'route'),
  rules(linkerd('v1beta3', 'v1beta2', 'v1beta1'), 'servers', 'Server'),
  rules(linkerd('v1beta1'), 'serverauthorizations', 'ServerAuthorization'),
  rules(linkerd('v1alpha1'), 'authorizationpolicies', 'AuthorizationPolicy'),
  rules(linkerd('v1alpha1'), 'meshtlsauthentications', 'MeshTLSAuthentication', 'authentication'),
  rules(linkerd('v1alpha1'), 'networkauthentications', 'NetworkAuthentication', 'authentication'),
  rules(['consul.hashicorp.com/v1alpha1'], 'serviceintentions', 'ServiceIntentions'),
  rules(['spire.spiffe.io/v1alpha1'], 'clusterspiffeids', 'ClusterSPIFFEID', 'identity_rule'),
]

/** The path of all objects of a kind, of every namespace. */
export const pathOf = ({ plural }: Resource, apiVersion: string) => `/${groupOf(apiVersion) ? 'apis' : 'api'}/${apiVersion}/${plural}`

function nameOf(plural: string, apiVersion: string): string {
  const group = groupOf(apiVersion)
  return group ? `${plural}.${group}` : plural
}

/** Which resource a record was made of; undefined for one that is not followed any more. */
export function resourceOf({ kind, workload_kind, spec }: ObjectVersion): Resource | undefined {
  const candidates = resources.filter(({ tells }) => tells === kind)
  if (kind === 'workload') return candidates.find(each => each.kind === workload_kind)
  if (candidates.length === 1) return candidates[0]
  const { apiVersion = '', kind: apiKind } = JSON.parse(spec || '{}') as { apiVersion?: string; kind?: string }
  return candidates.find(each => each.kind === apiKind && each.apiVersions.some(other => groupOf(other) === groupOf(apiVersion)))
}
