import type { RelatedAnswer, RelatedKind, RelatedRecord } from '../../query-api/related.ts'
import type { Row } from '../../query-api/records.ts'
import { type FactRow, factsBetween } from './fixture-world.ts'

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'

/** What any kind of record says of a fact, `after` milliseconds later. */
function common(
  { time, requests: _r, errors: _e, latency: _l, connections: _c, flows: _f, denials: _d, ...fields }: FactRow,
  after: number,
) {
  return {
    time: new Date(time + after).toISOString(),
    reporter: 'worker-1',
    src_address: '10.0.1.4',
    src_port: 41_002,
    dst_address: '10.0.2.7',
    dst_port: fields.server_port,
    src_attribution: 'exact',
    src_attribution_reason: 'object',
    dst_attribution: fields.dst_workload ? 'exact' : 'none',
    dst_attribution_reason: fields.dst_workload ? 'claim_agrees' : 'outside',
    ...fields,
  }
}

const own: Readonly<Record<RelatedKind, (fact: FactRow) => object>> = {
  flow: () => ({ source: 'hubble', event: 'trace', observation_point: 'to_endpoint' }),
  request: ({ latency }) => ({
    source: 'envoy',
    reporter_kind: 'sidecar',
    direction: 'ingress',
    phase: 'exchange',
    method: 'POST',
    path: '/orders/7?express=true',
    status_code: 200,
    latency: Math.round(Number(latency) * 1e9) || 4_200_000,
    request_id: 'b1946ac9-2492-4d23-a2b9-6d5c1e0f8f21',
    trace_id: trace,
    attributes: { 'x-tenant': 'acme' },
  }),
  span: ({ src_workload }) => ({
    source: 'otlp',
    service_name: String(src_workload) || 'outside',
    name: 'POST /orders/{id}',
    kind: 'client',
    status: 'error',
    duration: 31_000_000,
    trace_id: trace,
    span_id: '00f067aa0ba902b7',
    attributes: { 'http.route': '/orders/{id}', 'url.full': 'http://orders/orders/7?express=true' },
    resource: { 'k8s.pod.name': `${src_workload}-7c9d8b6f5-x2x4q`, 'service.version': '1.4.2' },
  }),
}

/** A fact as a record of a kind. */
export const recordOf = (kind: RelatedKind, fact: FactRow, after = 0): Row => ({
  id: `${fact.time}-${fact.src_workload}-${fact.dst_workload}${after ? `-${after}` : ''}`,
  ...common(fact, after),
  ...own[kind](fact),
})

/** What else is known of the exchange of a record; nothing of what was denied. */
export function relatedOf(kind: RelatedKind, id: string): RelatedAnswer {
  const time = Number(id.split('-')[0])
  const facts = factsBetween(time, time + 1, Date.now(), 1)
  const fact = facts.find(fact => id.startsWith(recordOf(kind, fact).id)) ?? facts[0]
  const found = (of: RelatedKind, after: number, ...matched: RelatedRecord['matched']): RelatedRecord => ({
    kind: of,
    matched,
    record: recordOf(of, fact, after),
  })
  const related = [
    found('flow', 40, 'conversation'),
    found('span', 12, 'parent', 'trace_id'),
    found('request', 3, 'request_id', 'conversation'),
    found('request', -2, 'span_id', 'trace_id', 'request_id'),
  ]
  return {
    kind,
    record: recordOf(kind, fact, Number(id.split('-')[3] ?? 0)),
    related: fact.verdict === 'dropped' ? [] : related,
    truncated: false,
  }
}
