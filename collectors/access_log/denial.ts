import type { Denial } from '../mesh/rbac.ts'

/** What a record says of the policy that denied. */
export interface PolicyFields {
  drop_reason: string
  policy_source: 'log'
  policy_kind: string
  policy_namespace: string
  policy_name: string
}

const istio = 'AuthorizationPolicy'

/** istiod makes such policies of a PeerAuthentication, for ztunnel. */
const converted = 'converted_peer_authentication_'
const strict = 'istio_converted_static_strict'

/** The fields of a denial read out of a log: without a name where nothing allowed it. */
export function policyOf({ namespace, policy, reason }: Denial): PolicyFields {
  const isPeer = policy === strict || policy.startsWith(converted)
  return {
    drop_reason: reason,
    policy_source: 'log',
    policy_kind: isPeer ? 'PeerAuthentication' : istio,
    policy_namespace: namespace,
    policy_name: policy.startsWith(converted) ? policy.slice(converted.length) : policy,
  }
}

/** The policy in full, as kind/namespace/name; '' where nothing allowed it. */
export function deniedBy(denial: Denial): string {
  const { policy_kind: kind, policy_namespace: namespace, policy_name: name } = policyOf(denial)
  return name && `${kind}/${namespace}/${name}`
}
