import test from 'ava'
import { graphOf } from '../../../dashboards/web/map/graph.ts'
import { findings } from '../../../dashboards/web/map/stands-out.ts'
import type { Denial } from '../../../query-api/denials.ts'
import type { Edge, TopologyNode } from '../../../query-api/topology.ts'

const end = (name: string): TopologyNode => ({
  id: `c/shop/${name}`,
  name,
  kind: 'workload',
  cluster: 'c',
  namespace: 'shop',
  workload: name,
  entity: '',
  network: '',
})

const edge = (source: string, target: string, measures: Partial<Edge>): Edge => ({
  source: end(source).id,
  target: end(target).id,
  flows: 400,
  connections: 100,
  bytes: 0,
  packets: 0,
  sent: 0,
  received: 0,
  drops: 0,
  denials: 0,
  requests: 1000,
  errors: 2,
  error_ratio: 0.002,
  latency_p50: 0.02,
  latency_p95: 0.05,
  latency_p99: 0.08,
  ports: [],
  ...measures,
})

const graph = (...edges: Edge[]) =>
  graphOf({ nodes: ['checkout', 'payment', 'fraud', 'cart', 'postgres'].map(end), edges, meta: {} as never })

const healthy = graph(
  edge('checkout', 'payment', {}),
  edge('checkout', 'fraud', {}),
  edge('checkout', 'cart', {}),
  edge('cart', 'postgres', { requests: 0, error_ratio: null, latency_p95: null, denials: 40 }),
)

const incident = graph(
  edge('checkout', 'payment', { errors: 120, error_ratio: 0.12, latency_p95: 0.4 }),
  edge('checkout', 'fraud', { denials: 800 }),
  edge('checkout', 'cart', {}),
  edge('cart', 'postgres', { requests: 0, error_ratio: null, latency_p95: null, denials: 42 }),
)

const denial: Denial = {
  id: '1',
  source: end('checkout'),
  target: end('fraud'),
  port: 8080,
  protocol: 'tcp',
  direction: 'ingress',
  reason: 'policy_deny',
  event: 'drop',
  policy: { kind: 'CiliumNetworkPolicy', namespace: 'payments', name: 'restrict-fraud', source: 'dataplane' },
  count: 800,
  first_seen: '2026-11-21T10:00:00Z',
  last_seen: '2026-11-21T10:05:00Z',
  series: [],
}

test('a new denial comes first, then new errors, then slower answers, then what was always denied', t => {
  t.deepEqual(
    findings(incident, healthy, [denial]).map(({ kind, from, to, isNew }) => [kind, from, to, isNew]),
    [
      ['denials', 'checkout', 'fraud', true],
      ['errors', 'checkout', 'payment', true],
      ['latency', 'checkout', 'payment', true],
      ['denials', 'cart', 'postgres', false],
    ],
  )
})

test('a denial names the policy', t => {
  t.regex(findings(incident, healthy, [denial])[0]!.before, /restrict-fraud/)
})

test('a healthy shop has nothing new', t => {
  t.false(findings(healthy, healthy).some(({ isNew }) => isNew))
})

test('without an earlier time nothing is called new', t => {
  t.false(findings(incident, undefined).some(({ isNew }) => isNew))
})

test('a handful of requests proves nothing', t => {
  const few = graph(edge('checkout', 'payment', { requests: 4, errors: 1, error_ratio: 0.25, latency_p95: 3 }))
  t.deepEqual(findings(few, healthy), [])
})
