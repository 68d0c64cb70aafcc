import type { Denial } from '../mesh/rbac.ts'

/** What a record says of the policy that denied. */
export interface PolicyFields {
  drop_reason: string
  policy_source: 'log'
  policy_kind: string
  policy_namespace: string
  policy_name: string
}

/** istiod makes such policies of a PeerAuthentication, for ztunnel. */
const converted = 'converted_peer_authentication_'
const strict = 'istio_converted_static_strict'

/** The fields of a denial read out of a log. Only Istio's policies have a namespace. */
export function policyOf({ namespace, policy, reason }: Denial): PolicyFields {
  const isPeer = policy === strict || policy.startsWith(converted)
  return {
    drop_reason: reason,
    policy_source: 'log',
    policy_kind: isPeer ? 'PeerAuthentication' : namespace ? 'AuthorizationPolicy' : '',
    policy_namespace: namespace,
    policy_name: policy.startsWith(converted) ? policy.slice(converted.length) : policy,
  }
}
