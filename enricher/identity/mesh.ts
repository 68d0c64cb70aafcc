import type { ObjectVersion } from '../../schema/object.ts'
import { type LabelSelector, isEmpty, selects } from './label-selector.ts'
import type { Labels, Pod } from './pod.ts'

const gatewayName = 'gateway.networking.k8s.io/gateway-name'

/** Whether a pod is a gateway, by the labels Istio's charts and the Gateway API give it. */
export const isGateway = ({ labels }: Pod) => labels.has(gatewayName) || (labels.get('istio') ?? '').endsWith('gateway')

export const dataplaneMode = 'istio.io/dataplane-mode'

/** Whether Istio carries the traffic of a pod: by its sidecar, by ztunnel, or as a gateway of its own. */
export function isInMesh({ labels, hostNetwork }: Pod, namespace: Labels): boolean {
  if (hostNetwork) return false
  if (labels.get('security.istio.io/tlsMode') === 'istio') return true
  if (labels.has(gatewayName)) return true
  // A gateway that is injected has no label of its own but what the injection adds.
  if (labels.get('sidecar.istio.io/inject') === 'true' && labels.has('service.istio.io/canonical-name')) return true
  return (labels.get(dataplaneMode) ?? namespace.get(dataplaneMode)) === 'ambient'
}

/** What Istio calls the workloads of a service account. */
export const conventionalId = (trustDomain: string, { namespace, serviceAccount }: Pod) =>
  `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`

/** A PeerAuthentication of Istio. */
export interface PeerAuthentication {
  cluster: string
  namespace: string
  name: string
  selector?: LabelSelector
  mode: string
  ports: ReadonlyMap<number, string>
}

export interface PeerAuthenticationSpec {
  selector?: { matchLabels?: Record<string, string> }
  mtls?: { mode?: string }
  portLevelMtls?: Record<string, { mode?: string }>
}

const modeOf = (mtls: { mode?: string } | undefined) => (mtls?.mode && mtls.mode !== 'UNSET' ? mtls.mode : '')

export function peerAuthenticationOf(version: ObjectVersion, spec: PeerAuthenticationSpec): PeerAuthentication {
  const { cluster = '', namespace = '', name = '' } = version
  const selector = isEmpty(spec.selector) ? undefined : spec.selector
  // Without a selector, modes of ports are ignored.
  const ports = Object.entries(selector ? (spec.portLevelMtls ?? {}) : {}).map(([port, mtls]) => [Number(port), modeOf(mtls)] as const)
  return { cluster, namespace, name, selector, mode: modeOf(spec.mtls), ports: new Map(ports) }
}

/** Who demands a certificate of the clients of a pod, by the name of the policy; '' where nobody does. */
export interface Demand {
  by: string
  /** Where ports have their own say. */
  ports: ReadonlyMap<number, string>
}

/**
 * What PeerAuthentications demand of the clients of a pod: the one that selects it before that of its namespace before that of the mesh,
 * the oldest of several. `policies` are in order of age, those of the pod's namespace and of the root namespace.
 */
export function demandOf(policies: readonly PeerAuthentication[], { namespace, labels }: Pod, rootNamespace: string): Demand | undefined {
  const ofWorkload = policies.find(policy => policy.namespace === namespace && policy.selector && selects(policy.selector, labels))
  const ofAll = (where: string) => policies.find(policy => policy.namespace === where && !policy.selector)
  const levels = [ofWorkload, ofAll(namespace), ofAll(rootNamespace)]
  const decides = levels.find(policy => policy?.mode)
  const nameIf = (mode: string, policy: PeerAuthentication) =>
    mode === 'STRICT' ? `PeerAuthentication ${policy.namespace}/${policy.name}` : ''
  const by = decides ? nameIf(decides.mode, decides) : ''
  const ports = [...(ofWorkload?.ports ?? [])].filter(([, mode]) => mode).map(([port, mode]) => [port, nameIf(mode, ofWorkload!)] as const)
  return by || ports.some(([, name]) => name) ? { by, ports: new Map(ports) } : undefined
}
