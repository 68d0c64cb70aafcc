/** A shop whose traffic is a function of time: payment fails since six minutes ago, fraud is denied since four. */

export type FactRow = Readonly<Record<string, string | number | boolean>> & { time: number }

interface Edge {
  src: string
  dst: string
  port: number
  protocol: string
  perSecond: number
  latencyMs: number
  /** Share of answers that fail; undefined for what is no request. */
  errors?: number
  denied?: { kind: string; namespace: string; name: string; reason: string }
}

const http = (src: string, dst: string, perSecond: number, latencyMs: number, errors = 0.001): Edge => ({
  src,
  dst,
  port: 8080,
  protocol: 'http',
  perSecond,
  latencyMs,
  errors,
})
const tcp = (src: string, dst: string, perSecond: number, port: number): Edge => ({
  src,
  dst,
  port,
  protocol: 'tcp',
  perSecond,
  latencyMs: 0,
})

const restrictFraud = { kind: 'CiliumNetworkPolicy', namespace: 'payments', name: 'restrict-fraud', reason: 'policy_deny' }
const nobody = { kind: '', namespace: '', name: '', reason: 'policy_denied' }

const edges: readonly Edge[] = [
  { ...tcp('world', 'edge/ingress-gateway', 18, 8443) },
  http('edge/ingress-gateway', 'shop/frontend', 16, 38, 0.002),
  http('shop/frontend', 'shop/catalog', 12, 9),
  http('shop/frontend', 'shop/cart', 8, 6),
  http('shop/frontend', 'shop/recommendation', 6, 22, 0.003),
  http('shop/frontend', 'shop/checkout', 5, 60, 0.002),
  http('shop/recommendation', 'shop/catalog', 4, 9),
  http('shop/checkout', 'shop/cart', 4, 6),
  http('shop/checkout', 'payments/payment', 5, 34, 0.003),
  http('shop/checkout', 'payments/fraud', 4, 18),
  http('payments/payment', 'payments/fraud', 3, 18),
  tcp('shop/catalog', 'data/postgres', 4, 5432),
  tcp('payments/payment', 'data/postgres', 3, 5432),
  tcp('batch/report', 'data/postgres', 3, 5432),
  tcp('shop/cart', 'data/redis', 6, 6379),
  tcp('payments/fraud', 'data/redis', 2, 6379),
  tcp('shop/checkout', 'messaging/kafka', 3, 9092),
  tcp('payments/payment', 'messaging/kafka', 3, 9092),
  tcp('observability/prometheus', 'edge/ingress-gateway', 0.3, 9102),
  tcp('observability/prometheus', 'shop/frontend', 0.3, 9102),
  tcp('shop/frontend', 'kube-system/coredns', 4, 53),
  tcp('shop/checkout', 'kube-system/coredns', 3, 53),
  tcp('payments/payment', 'world', 2, 443),
  { ...tcp('batch/report', 'world', 0.1, 443), denied: nobody },
  {
    ...tcp('shop/frontend', 'data/postgres', 0.2, 5432),
    denied: { kind: 'CiliumClusterwideNetworkPolicy', namespace: '', name: 'no-frontend-to-databases', reason: 'policy_deny' },
  },
]

const failingForMs = 6 * 60_000
const deniedForMs = 4 * 60_000
/** Nothing was seen before. */
const livesForMs = 3 * 3_600_000

const wave = (time: number, seed: number) => 1 + 0.18 * Math.sin(time / 97_000 + seed) + 0.07 * Math.sin(time / 23_000 + seed * 3)

/** What was seen between two points in time (milliseconds): a row for each edge and each `stepMs`. */
export function factsBetween(from: number, to: number, now: number, stepMs: number): FactRow[] {
  const first = Math.max(from, now - livesForMs)
  const rows: FactRow[] = []
  for (let time = Math.ceil(first / stepMs) * stepMs; time < Math.min(to, now); time += stepMs) {
    for (const [seed, edge] of edges.entries()) rows.push(factOf(edge, time, { now, seed, seconds: stepMs / 1000 }))
  }
  return rows
}

function factOf(edge: Edge, time: number, { now, seed, seconds }: { now: number; seed: number; seconds: number }): FactRow {
  const isPayment = edge.dst === 'payments/payment' && time > now - failingForMs
  const denied =
    edge.denied ?? (edge.src === 'shop/checkout' && edge.dst === 'payments/fraud' && time > now - deniedForMs ? restrictFraud : undefined)
  const count = Math.round(edge.perSecond * seconds * wave(time, seed) * 10) / 10
  const isRequest = edge.errors !== undefined && !denied
  const latency = edge.latencyMs * wave(time, seed + 1) * (isPayment ? 7 : 1)
  return {
    time,
    ...endOf('src', edge.src),
    ...endOf('dst', edge.dst),
    cluster: 'shop',
    server_port: edge.port,
    protocol: edge.protocol,
    verdict: denied ? 'dropped' : 'forwarded',
    drop_reason: denied?.reason ?? '',
    policy_kind: denied?.kind ?? '',
    policy_namespace: denied?.namespace ?? '',
    policy_name: denied?.name ?? '',
    requests: isRequest ? count : 0,
    errors: isRequest ? count * (isPayment ? 0.14 : (edge.errors ?? 0)) : 0,
    latency: isRequest ? latency / 1000 : 0,
    connections: denied ? 0 : count,
    flows: count * 4,
    denials: denied ? count : 0,
  }
}

function endOf(end: 'src' | 'dst', name: string): Record<string, string> {
  const [namespace, workload] = name.includes('/') ? name.split('/') : ['', '']
  return {
    [`${end}_namespace`]: namespace!,
    [`${end}_workload`]: workload!,
    [`${end}_workload_kind`]: workload ? 'Deployment' : '',
    [`${end}_entity`]: workload ? '' : name,
    [`${end}_cluster`]: 'shop',
    [`${end}_pod`]: workload ? `${workload}-7c9d8b6f5-x2x4q` : '',
  }
}
