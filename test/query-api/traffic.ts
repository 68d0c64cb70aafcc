/** Records to test with: what agents report of traffic from web to cart, in the minutes before `now`. */

export const now = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 600_000

/** Microseconds, counted from a quarter of an hour before `now`. */
export const at = (seconds: number) => (now - 900_000 + seconds * 1000) * 1000
export const range = { from: new Date(now - 900_000).toISOString(), to: new Date(now).toISOString() }

export const edge = {
  source: 'hubble',
  layer: 'kernel',
  type: 'l3_l4',
  cluster: 'one',
  src_cluster: 'one',
  src_namespace: 'shop',
  src_workload: 'web',
  src_workload_kind: 'Deployment',
  src_attribution: 'exact',
  dst_cluster: 'one',
  dst_namespace: 'shop',
  dst_workload: 'cart',
  dst_workload_kind: 'Deployment',
  dst_service: 'shop/cart',
  dst_attribution: 'exact',
  orientation: 'forward',
  server_port: 8080,
  protocol: 'tcp',
  verdict: 'forwarded',
} as const

export const delivered = { ...edge, event: 'trace', direction: 'ingress', observation_point: 'to_endpoint', reporter: 'node-b' } as const
export const departed = { ...edge, event: 'trace', direction: 'egress', observation_point: 'to_overlay', reporter: 'node-a' } as const
export const verdict = { ...edge, event: 'policy_verdict', direction: 'ingress', reporter: 'node-b' } as const
export const denied = { ...verdict, verdict: 'dropped', drop_reason: 'POLICY_DENIED' } as const
export const dropped = { ...denied, event: 'drop' } as const

/** A request and its response as one record. */
export const exchange = {
  source: 'envoy',
  layer: 'l7_proxy',
  cluster: 'one',
  src_cluster: 'one',
  src_namespace: 'shop',
  src_workload: 'web',
  src_workload_kind: 'Deployment',
  dst_cluster: 'one',
  dst_namespace: 'shop',
  dst_workload: 'cart',
  dst_workload_kind: 'Deployment',
  dst_service: 'shop/cart',
  server_port: 8080,
  protocol: 'http',
  phase: 'exchange',
  verdict: 'forwarded',
  direction: 'ingress',
} as const

/** One record every so many seconds. */
export const every = <R extends object>(seconds: number, count: number, record: R) =>
  Array.from({ length: count }, (_, i) => ({ ...record, time: at(i * seconds) }))
