/** Closed sets of values that more than one record kind uses. The first of each is the default. */

export const layers = ['', 'kernel', 'l4_proxy', 'l7_proxy', 'exporter'] as const
/** What the reporter is. */
export const reporterKinds = ['', 'node', 'sidecar', 'gateway', 'waypoint', 'ztunnel', 'exporter', 'application'] as const
export const verdicts = ['unknown', 'forwarded', 'dropped', 'error', 'audit', 'redirected', 'traced', 'translated'] as const
export const directions = ['unknown', 'ingress', 'egress'] as const
export const events = [
  'unknown',
  'trace',
  'drop',
  'policy_verdict',
  'l7',
  'trace_sock',
  'capture',
  'debug',
  'agent',
  'record_lost',
  'recording',
] as const
export const flowTypes = ['unknown', 'l3_l4', 'l7', 'sock'] as const
export const threeWay = ['unknown', 'yes', 'no'] as const
export const orientations = ['unknown', 'forward', 'reply'] as const
export const orientationSources = ['none', 'is_reply', 'syn', 'service', 'lower_port'] as const
export const observationPoints = [
  'unknown',
  'to_proxy',
  'to_host',
  'to_stack',
  'to_overlay',
  'to_endpoint',
  'from_endpoint',
  'from_proxy',
  'from_host',
  'from_stack',
  'from_overlay',
  'from_network',
  'to_network',
  'from_crypto',
  'to_crypto',
] as const
export const protocols = ['', 'tcp', 'udp', 'icmpv4', 'icmpv6', 'sctp', 'vrrp', 'igmp'] as const
export const requestProtocols = ['', 'http', 'grpc', 'dns', 'kafka', 'sql', 'messaging', 'database'] as const
export const spanKinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const
export const spanStatuses = ['unset', 'ok', 'error'] as const
export const sampleTypes = ['gauge', 'counter', 'histogram'] as const
export const phases = ['unknown', 'request', 'response', 'exchange', 'sample'] as const
export const policySources = ['', 'dataplane', 'log', 'computed'] as const
/**
 * How an identity is known, the surest first: a certificate a proxy saw, what a source says, the pod itself, an entry of SPIRE, a template
 * of spire-controller-manager, what Istio calls whoever is in its mesh, an entry for a numeric identity of Cilium.
 */
export const identitySources = ['', 'certificate', 'claim', 'object', 'spire', 'template', 'convention', 'cilium'] as const
/** Whether the identity an end showed is one it may have. */
export const identityChecks = ['', 'agrees', 'differs', 'revoked', 'expired', 'unknown_trust_domain', 'missing'] as const
export const attributions = ['none', 'exact', 'ambiguous'] as const
export const attributionReasons = [
  '',
  'object',
  'service',
  'listener',
  'other_cluster',
  'claim',
  'claim_agrees',
  'claim_differs',
  'network',
  'host_network',
  'several_objects',
  'perhaps_ended',
  'stale_objects',
  'before_history',
  'clock_skew',
  'no_address',
  'no_object',
  'no_object_at_that_time',
  'outside',
] as const

export type Verdict = (typeof verdicts)[number]
