import test from 'ava'
import { type Graph, graphOf } from '../../../dashboards/web/map/graph.ts'
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
  seen_by: [],
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

/** Nine times as long as the end of the range: the same rates. */
const busy = graph(
  edge('checkout', 'payment', {}),
  edge('checkout', 'fraud', {}),
  edge('cart', 'postgres', { requests: 0, error_ratio: null, latency_p95: null, denials: 360 }),
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

const windows = (recent: Graph, before: Graph | undefined, whole = recent) => ({
  whole,
  recent,
  before,
  seconds: { recent: 180, before: 1620 },
  denials: [denial],
})

test('a new denial comes first, then new errors, then slower answers, then what was always denied', t => {
  t.deepEqual(
    findings(windows(incident, busy)).map(({ kind, from, to, state }) => [kind, from, to, state]),
    [
      ['denials', 'checkout', 'fraud', 'new'],
      ['errors', 'checkout', 'payment', 'new'],
      ['latency', 'checkout', 'payment', 'new'],
      ['denials', 'cart', 'postgres', 'lasting'],
    ],
  )
})

test('a denial names the policy', t => {
  t.regex(findings(windows(incident, busy))[0]!.aside, /restrict-fraud since/)
})

test('what has ended is told as over, after what is new', t => {
  const found = findings(windows(healthy, busy, incident))
  t.deepEqual(
    found.map(({ kind, to, state }) => [kind, to, state]),
    [
      ['errors', 'payment', 'over'],
      ['denials', 'fraud', 'over'],
      ['denials', 'postgres', 'lasting'],
    ],
  )
})

test('a healthy shop has nothing new', t => {
  t.false(findings(windows(healthy, busy)).some(({ state }) => state === 'new'))
})

test('without an earlier time nothing is called new', t => {
  t.false(findings(windows(incident, undefined)).some(({ state }) => state === 'new'))
})

test('a handful of requests proves nothing', t => {
  const few = graph(edge('checkout', 'payment', { requests: 4, errors: 1, error_ratio: 0.25, latency_p95: 3 }))
  t.deepEqual(findings(windows(few, healthy)), [])
})
