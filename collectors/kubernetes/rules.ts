import type { ObjectKind } from '../../schema/object.ts'
import { isIP } from 'node:net'
import type { Facts } from './facts.ts'
import { labelsOf } from './labels.ts'
import type { ApiObject } from './object.ts'

interface RuleObject extends ApiObject {
  spec?: unknown
  /** CiliumNetworkPolicy may have several. */
  specs?: unknown
}

/** What people write down, as they did: policies, gateways, routes. Their status is left out. */
export function rulesFacts(kind: ObjectKind, apiKind: string, object: RuleObject): Facts {
  const { apiVersion, metadata = {}, spec, specs } = object
  return {
    kind,
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    labels: labelsOf(metadata.labels),
    spec: JSON.stringify({ apiVersion, kind: apiKind, spec, specs }),
  }
}

const ofCalico = 'projectcalico.org/metadata'

/**
 * A policy of Calico as people know it. Where it is stored, its name says the tier even where that is the default one, and what people gave
 * it of name and labels is in an annotation (ConvertCalicoResourceToK8sResource of libcalico-go).
 */
export function calicoFacts(apiKind: string, object: RuleObject): Facts {
  const facts = rulesFacts('network_policy', apiKind, object)
  if (!object.apiVersion?.startsWith('crd.')) return facts
  const { name, labels } = JSON.parse(object.metadata?.annotations?.[ofCalico] ?? '{}') as NonNullable<ApiObject['metadata']>
  const plain = facts.name?.replace(/^default\./, '')
  return { ...facts, name: name || plain, labels: labels ? labelsOf(labels) : facts.labels }
}

interface GatewayObject extends RuleObject {
  status?: { addresses?: readonly { value?: string }[] }
}

/** A gateway with the addresses it was given. */
export function gatewayFacts(apiKind: string, object: GatewayObject): Facts {
  const addresses = (object.status?.addresses ?? []).map(({ value }) => value ?? '').filter(text => isIP(text) > 0)
  return { ...rulesFacts('gateway', apiKind, object), addresses: [...new Set(addresses)] }
}

interface IdentityObject extends ApiObject {
  'security-labels'?: Readonly<Record<string, string>>
}

/** A numeric identity of Cilium: its number as name, what it stands for as labels. */
export function identityFacts({ apiVersion, metadata = {}, 'security-labels': labels }: IdentityObject): Facts {
  return {
    kind: 'identity',
    namespace: labels?.['k8s:io.kubernetes.pod.namespace'] ?? '',
    name: metadata.name ?? '',
    service_account: labels?.['k8s:io.cilium.k8s.policy.serviceaccount'] ?? '',
    labels: labelsOf(labels),
    spec: JSON.stringify({ apiVersion, kind: 'CiliumIdentity' }),
  }
}

interface EndpointObject extends ApiObject {
  status?: { identity?: { id?: number }; networking?: { addressing?: readonly { ipv4?: string; ipv6?: string }[] } }
}

/** What Cilium made of a pod of the same name: addresses and the number of its identity. */
export function endpointFacts({ apiVersion, metadata = {}, status = {} }: EndpointObject): Facts {
  const addresses = (status.networking?.addressing ?? []).flatMap(({ ipv4, ipv6 }) => [ipv4 ?? '', ipv6 ?? ''])
  return {
    kind: 'endpoint',
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    addresses: addresses.filter(text => isIP(text) > 0),
    spec: JSON.stringify({ apiVersion, kind: 'CiliumEndpoint', identity: status.identity?.id }),
  }
}
