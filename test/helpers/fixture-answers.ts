import type { Denial, DenialsAnswer } from '../../query-api/denials.ts'
import type { Drift, DriftAnswer } from '../../query-api/drift.ts'
import { type Level, endOf } from '../../query-api/end.ts'
import type { Quality } from '../../query-api/quality.ts'
import type { Signals, SignalsAnswer } from '../../query-api/signals.ts'
import type { Edge, Topology, TopologyNode } from '../../query-api/topology.ts'
import { recordOf } from './fixture-records.ts'
import { calculate, factsOf, metaOf } from './fixture-query.ts'
import type { FactRow } from './fixture-world.ts'

interface Asked {
  from: string
  to: string
  where: string
}

const total = (name: string, facts: readonly FactRow[]) => calculate(name, facts) ?? 0

/** Who calls whom in the made-up shop. */
export function fixtureTopology(asked: Asked, level: Level): Topology {
  const nodes = new Map<string, TopologyNode>()
  const groups = new Map<string, FactRow[]>()
  for (const fact of factsOf(asked)) {
    const [source, target] = [endOf(fact, 'src', level), endOf(fact, 'dst', level)]
    nodes.set(source.id, source).set(target.id, target)
    const key = JSON.stringify([source.id, target.id])
    groups.set(key, [...(groups.get(key) ?? []), fact])
  }
  return {
    nodes: [...nodes.values()],
    edges: [...groups].map(([key, facts]) => edgeOf(JSON.parse(key) as [string, string], facts)),
    meta: metaOf(),
  }
}

const edgeOf = ([source, target]: [string, string], facts: readonly FactRow[]): Edge => ({
  source,
  target,
  ...(Object.fromEntries(
    ['flows', 'connections', 'denials', 'drops', 'requests', 'errors', 'error_ratio', 'latency_p50', 'latency_p95', 'latency_p99'].map(
      name => [name, calculate(name, facts)],
    ),
  ) as Pick<
    Edge,
    'flows' | 'connections' | 'denials' | 'drops' | 'requests' | 'errors' | 'error_ratio' | 'latency_p50' | 'latency_p95' | 'latency_p99'
  >),
  bytes: 0,
  packets: 0,
  sent: total('flows', facts),
  received: total('flows', facts),
  ports: [{ port: Number(facts[0]!.server_port), protocol: 'tcp', flows: total('flows', facts) }],
  seen_by: [
    { kind: 'flow', source: 'hubble', layer: 'kernel', reporter_kind: 'node', direction: 'egress', records: total('flows', facts) },
    { kind: 'flow', source: 'hubble', layer: 'kernel', reporter_kind: 'node', direction: 'ingress', records: total('flows', facts) },
    { kind: 'request', source: 'hubble', layer: 'l7_proxy', reporter_kind: '', direction: 'ingress', records: total('requests', facts) },
  ],
})

/** Facts by point in time, as series. */
function seriesOf(facts: readonly FactRow[], times: readonly number[], everyMs: number, name: string): number[] {
  return times.map(time =>
    total(
      name,
      facts.filter(fact => fact.time >= time && fact.time < time + everyMs),
    ),
  )
}

function pointsOf(facts: readonly FactRow[]): { times: number[]; everyMs: number } {
  const [first, last] = [facts[0]?.time ?? 0, facts.at(-1)?.time ?? 0]
  const everyMs = Math.max(60_000, Math.ceil((last - first) / 30 / 60_000) * 60_000)
  return { times: Array.from({ length: Math.floor((last - first) / everyMs) + 1 }, (_, at) => first + at * everyMs), everyMs }
}

const metricNames = [
  'flows',
  'connections',
  'drops',
  'denials',
  'requests',
  'errors',
  'error_ratio',
  'latency_p50',
  'latency_p95',
  'latency_p99',
]

/** Golden signals of the workloads of the made-up shop. */
export function fixtureSignals(asked: Asked): SignalsAnswer {
  const facts = factsOf(asked)
  const { times, everyMs } = pointsOf(facts)
  const rows = [...Map.groupBy(facts, fact => endOf(fact, 'dst', 'workload').id).values()].map(group => ({
    target: endOf(group[0]!, 'dst', 'workload'),
    metrics: Object.fromEntries(metricNames.map(name => [name, calculate(name, group)])) as Signals['metrics'],
    series: Object.fromEntries(
      ['flows', 'denials', 'requests', 'error_ratio', 'latency_p95'].map(name => [name, seriesOf(group, times, everyMs, name)]),
    ) as Signals['series'],
  }))
  return { times: times.map(time => new Date(time).toISOString()), rows, meta: metaOf() }
}

/** What policies deny in the made-up shop. */
export function fixtureDenials(asked: Asked): DenialsAnswer {
  const facts = factsOf(asked).filter(({ denials }) => Number(denials) > 0)
  const { times, everyMs } = pointsOf(facts)
  const key = (fact: FactRow) => JSON.stringify([fact.src_workload, fact.dst_workload, fact.policy_name])
  const rows = [...Map.groupBy(facts, key)].map(([id, group]): Denial => {
    const first = group[0]!
    return {
      id,
      source: endOf(first, 'src', 'workload'),
      target: endOf(first, 'dst', 'workload'),
      port: Number(first.server_port),
      protocol: 'tcp',
      direction: 'ingress',
      reason: String(first.drop_reason),
      event: 'policy_verdict',
      policy: {
        kind: String(first.policy_kind),
        namespace: String(first.policy_namespace),
        name: String(first.policy_name),
        source: first.policy_name ? 'dataplane' : '',
      },
      count: total('denials', group),
      first_seen: new Date(first.time).toISOString(),
      last_seen: new Date(group.at(-1)!.time).toISOString(),
      series: seriesOf(group, times, everyMs, 'denials'),
    }
  })
  return { times: times.map(time => new Date(time).toISOString()), rows, meta: metaOf() }
}

/** A certificate of a pod that is not its own, and a client without one. */
export function fixtureDrift(asked: Asked): DriftAnswer {
  const facts = factsOf(asked).filter(({ dst_workload }) => dst_workload === 'payment')
  const [first] = facts
  if (!first) return { rows: [], checks: [], meta: metaOf() }
  const [last] = facts.slice(-1)
  const time = new Date(last.time).toISOString()
  const id = (path: string) => `spiffe://shop.example/ns/${path}`
  const row = (more: Pick<Drift, 'id' | 'check' | 'seen' | 'expected' | 'count'>): Drift => ({
    kind: 'flow',
    end: 'client',
    client: endOf(first, 'src', 'workload'),
    server: endOf(first, 'dst', 'workload'),
    port: Number(first.server_port),
    first_seen: new Date(first.time).toISOString(),
    last_seen: time,
    record: { kind: 'flow', id: String(recordOf('flow', last).id), time },
    ...more,
  })
  const policy = 'PeerAuthentication payments/default'
  return {
    rows: [
      row({ id: 'flow-1', check: 'differs', seen: id('shop/sa/cart'), expected: [id('shop/sa/checkout')], count: 61 }),
      row({ id: 'flow-2', check: 'revoked', seen: id('batch/sa/report'), expected: [], count: 7 }),
      row({ id: 'flow-3', check: 'unknown_trust_domain', seen: 'spiffe://elsewhere.test/ns/shop/sa/checkout', expected: [], count: 2 }),
      row({ id: 'flow-4', check: 'missing', seen: '', expected: [policy], count: 240 }),
    ],
    checks: [
      { kind: 'flow', check: 'agrees', count: 12_480 },
      { kind: 'flow', check: 'missing', count: 240 },
      { kind: 'flow', check: 'differs', count: 61 },
      { kind: 'flow', check: 'revoked', count: 7 },
      { kind: 'flow', check: 'unknown_trust_domain', count: 2 },
    ],
    meta: metaOf(),
  }
}

/** How good the data of the made-up shop are. */
export function fixtureQuality(): Quality {
  const now = new Date().toISOString()
  const attribution = (attribution: string, reason: string, share: number) => ({
    end: 'dst' as const,
    attribution,
    reason,
    records: share * 10_000,
    share,
  })
  return {
    from: now,
    to: now,
    lateness: [{ kind: 'flow', source: 'hubble', records: 91_200, p50: 0.21, p95: 0.8 }],
    attribution: [
      attribution('exact', 'claim_agrees', 0.91),
      attribution('none', 'outside', 0.06),
      attribution('ambiguous', 'host_network', 0.03),
    ],
    clocks: [{ cluster: 'prod-eu', source: 'hubble', reporter: 'worker-3', ahead: 1.8 }],
    losses: [
      { stage: 'agent', reason: 'ring buffer overwritten', source: 'hubble', reporter: 'worker-2', count: 312, gaps: 1, last_seen: now },
    ],
    services: { collector: { ready: true }, enricher: { ready: true }, 'query-api': { ready: false, reason: 'clickhouse: no answer' } },
    bus: [{ topic: 'weir-flow-v1', group: 'enricher', messages: 2, bytes: 24_000, age_seconds: 0.4 }],
    tables: [{ table: 'flow', rows: 12_400_000, bytes: 241_000_000, bytes_per_row: 19.4, oldest: now, newest: now }],
  }
}
