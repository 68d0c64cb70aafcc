import test, { type ExecutionContext } from 'ava'
import { makeSpanEdges } from '../../enricher/edges/edges.ts'
import type { Topology } from '../../query-api/topology.ts'
import { hasClickHouse, quietLog } from '../helpers/clickhouse.ts'
import { type TestApi, openTestApi } from './api.ts'
import { at, every, exchange, now, range } from './traffic.ts'

const trace = (number: number) => number.toString(16).padStart(32, '0')
const end = (side: 'src' | 'dst', workload: string) => ({
  [`${side}_cluster`]: 'one',
  [`${side}_namespace`]: 'shop',
  [`${side}_workload`]: workload,
  [`${side}_service`]: `shop/${workload}`,
})

/** A call between two services, as both tell it. */
const call = (number: number, client: object, server: object) => [
  { time: at(60), cluster: 'one', trace_id: trace(number), span_id: 'c', kind: 'client', duration: 30e6, ...client },
  { time: at(60.1), cluster: 'one', trace_id: trace(number), span_id: 's', parent_span_id: 'c', kind: 'server', duration: 20e6, ...server },
]
const web = { service_name: 'web', ...end('src', 'web') }
const [cart, mail] = ['cart', 'mail'].map(name => ({ service_name: name, ...end('dst', name) }))

let api: TestApi
test.before(async t => {
  if (!(await hasClickHouse(t))) return
  api = await openTestApi({ now: () => now })
  const { clickhouse } = api
  await api.store('request', every(60, 10, { ...exchange, src_service: 'shop/web' }))
  await api.store('span', [
    ...call(1, web, cart),
    ...call(2, web, mail),
    ...call(3, web, { ...mail, status: 'error' }),
    ...call(4, { service_name: 'legacy' }, { service_name: 'mainframe' }),
    call(5, web, cart)[1],
    call(6, web, mail)[1],
  ])
  await makeSpanEdges({
    reader: clickhouse,
    inserter: clickhouse,
    bus: { lag: async () => [] },
    group: 'enricher',
    log: quietLog,
    now: () => now,
  })
})
test.after.always(() => api?.[Symbol.asyncDispose]())

const promise = (title: string, run: (t: ExecutionContext) => Promise<unknown>) => test(title, async t => (api ? run(t) : t.pass()))
const topology = async (rest = '') =>
  (await api.get<Topology>(`/api/v1/topology?level=service&from=${range.from}&to=${range.to}${rest}`)).body

function edgesOf({ nodes, edges }: Topology) {
  const names = new Map(nodes.map(({ id, name }) => [id, name]))
  return Object.fromEntries(edges.map(edge => [`${names.get(edge.source)} → ${names.get(edge.target)}`, edge]))
}

promise('between services, spans tell what nothing better has seen, and are silent of what proxies saw', async t => {
  const body = await topology()
  const edges = edgesOf(body)
  t.deepEqual(Object.keys(edges).sort(), ['legacy → mainframe', 'shop/web → shop/cart', 'shop/web → shop/mail', 'unknown → shop/mail'])
  t.like(edges['shop/web → shop/cart'], { requests: 10 })
  t.is(edges['shop/web → shop/cart'].spans, undefined)
  t.like(edges['shop/web → shop/mail'], { requests: 2, errors: 1, error_ratio: 0.5, spans: { both: 2, client_only: 0, server_only: 0 } })
  t.like(edges['unknown → shop/mail'], { requests: 1, spans: { both: 0, client_only: 0, server_only: 1 } })
  t.true(Math.abs(edges['shop/web → shop/mail'].latency_p50! - 0.02) < 0.0003)
  t.is(body.meta.table, 'flow_1m, request_1m, span_edge')
})

promise('a filter chooses edges of spans by what they have', async t => {
  t.deepEqual(Object.keys(edgesOf(await topology('&where=dst_name%20%3D%20mainframe'))), ['legacy → mainframe'])
  t.deepEqual(Object.keys(edgesOf(await topology('&where=paired%20%3D%20server_only'))).sort(), [
    'unknown → shop/cart',
    'unknown → shop/mail',
  ])
  t.deepEqual(Object.keys(edgesOf(await topology('&where=status_code%20%3D%200'))), ['shop/web → shop/cart'])
})

promise('workloads are told of by flows and requests only', async t => {
  const { body } = await api.get<Topology>(`/api/v1/topology?level=workload&from=${range.from}&to=${range.to}`)
  t.is(body.edges.length, 1)
  t.is(body.meta.table, 'flow_1m, request_1m')
})

promise('the metrics of spans are asked for as all others', async t => {
  const { body } = await api.post<{ rows: unknown[][] }>('/api/v1/query', {
    ...range,
    metrics: ['spans', 'span_errors', 'span_p95'],
    by: ['service_name'],
    where: 'kind = server AND service_name = mail',
  })
  t.deepEqual(body.rows[0].slice(0, 3), ['mail', 3, 1])
  t.true(Math.abs(Number(body.rows[0][3]) - 0.02) < 0.0003)
  const raw = await api.post<{ rows: unknown[][] }>('/api/v1/query', {
    ...range,
    metrics: ['span_p95'],
    where: "kind = client AND trace_id LIKE '%1'",
  })
  t.true(Math.abs(Number(raw.body.rows[0][0]) - 0.03) < 0.0005)
})
