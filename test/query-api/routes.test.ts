import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { DenialsAnswer } from '../../query-api/denials.ts'
import type { Quality } from '../../query-api/quality.ts'
import type { Page } from '../../query-api/records.ts'
import type { SignalsAnswer } from '../../query-api/signals.ts'
import type { Topology } from '../../query-api/topology.ts'
import { openClickHouse } from '../../runtime/clickhouse/client.ts'
import type { ServiceStatuses } from '../../runtime/service.ts'
import { openApi } from '../../query-api/app.ts'
import { storedTable } from '../../schema/cluster.ts'
import { hasClickHouse, openTestDatabase, quietLog } from '../helpers/clickhouse.ts'
import { type TestApi, openTestApi } from './api.ts'
import { at, delivered, denied, departed, dropped, edge, every, exchange, now, range } from './traffic.ts'

const services: ServiceStatuses = {
  collect: {
    ready: false,
    reason: 'hubble: no connection',
    detail: { nodes: 3 },
    metrics: [
      {
        name: 'weir.component.records.received',
        about: 'Records.',
        type: 'counter',
        points: [{ labels: { component: 'hubble' }, value: 7 }],
      },
    ],
  },
}

let api: TestApi
test.before(async t => {
  if (!(await hasClickHouse(t))) return
  api = await openTestApi({ now: () => now, services: () => services, allowedHosts: ['weir.example'] })
  const reply = {
    ...edge,
    src_workload: 'cart',
    dst_workload: 'web',
    dst_service: '',
    orientation: 'reply',
    event: 'trace',
    direction: 'ingress',
  }
  await api.store('flow', [
    ...every(10, 90, { ...delivered, tcp_flags: 2 }),
    ...every(10, 89, departed),
    ...every(10, 10, reply),
    ...every(60, 7, { ...denied, policy_name: 'no-web', policy_namespace: 'shop', policy_kind: 'NetworkPolicy' }),
    ...every(60, 7, dropped),
    {
      ...departed,
      time: at(6),
      dst_namespace: '',
      dst_workload: '',
      dst_service: '',
      dst_entity: 'world',
      dst_network: 'stripe',
      dst_cluster: '',
    },
    { ...delivered, time: at(100) - 3600e6, src_workload: 'old' },
  ])
  await api.store('request', [
    ...every(9, 100, { ...exchange, latency: 5_000_000 }),
    ...every(9, 20, { ...exchange, latency: 5_000_000, error: true, status_code: 503 }),
  ])
  await api.store('loss', [{ time: at(100), source: 'hubble', reporter: 'node-a', stage: 'agent', reason: 'ring', count: 12, known: true }])
})
test.after.always(() => api?.[Symbol.asyncDispose]())

const asked = new URLSearchParams(range).toString()
const promise = (title: string, run: (t: import('ava').ExecutionContext) => Promise<unknown>) =>
  test(title, async t => {
    if (!api) return t.pass()
    await run(t)
    return undefined
  })

promise('the topology has one edge from the client to the server, replies turned round', async t => {
  const { status, body } = await api.get<Topology>(`/api/v1/topology?${asked}`)
  t.is(status, 200)
  t.deepEqual(body.nodes.map(({ name, kind }) => [name, kind]).sort(), [
    ['cart', 'workload'],
    ['stripe', 'outside'],
    ['web', 'workload'],
  ])
  t.is(body.edges.length, 2)
  const [called] = body.edges.filter(({ requests }) => requests > 0)
  t.deepEqual([called.source, called.target], ['one/shop/web', 'one/shop/cart'])
  t.like(called, { flows: 100, connections: 90, drops: 7, denials: 7, requests: 120, errors: 20 })
  t.deepEqual(called.ports, [{ port: 8080, protocol: 'tcp', flows: 100 }])
  t.true(Math.abs(called.latency_p95! - 0.005) < 0.0001)
  t.is(body.meta.table, 'flow_1m, request_1m')
})

promise('the topology of pods comes from the records', async t => {
  const { body } = await api.get<Topology>(`/api/v1/topology?${asked}&level=pod`)
  t.is(body.meta.table, 'flow, request')
  t.is(body.edges.length, 2)
})

promise('a filter only flows know leaves requests out of the topology', async t => {
  const { body } = await api.get<Topology>(`/api/v1/topology?${asked}&where=event%20%3D%20drop`)
  t.is(body.meta.table, 'flow_1m')
  t.deepEqual(
    body.edges.map(({ drops }) => drops),
    [7],
  )
})

promise('compared topologies say what was added and removed', async t => {
  const earlier = new URLSearchParams({
    compare_from: new Date(now - 4500e3).toISOString(),
    compare_to: new Date(now - 3600e3).toISOString(),
  })
  const { body } = await api.get<Topology>(`/api/v1/topology?${asked}&${earlier}`)
  const changes = Object.fromEntries(body.nodes.map(({ name, change }) => [name, change]))
  t.deepEqual(changes, { web: 'added', stripe: 'added', cart: undefined, old: 'removed' })
  t.deepEqual(body.edges.map(({ change }) => change).sort(), ['added', 'added', 'removed'])
})

promise('signals are of the server, with a point for every minute', async t => {
  const { body } = await api.get<SignalsAnswer>(`/api/v1/signals?${asked}`)
  const [{ target, metrics, series }] = body.rows
  t.is(target.name, 'cart')
  t.like(metrics, { requests: 120, errors: 20, error_ratio: 20 / 120, flows: 90, drops: 7, denials: 7 })
  t.is(body.times.length, 15)
  for (const points of Object.values(series)) t.is(points.length, 15)
  t.is(
    series.requests.reduce<number>((sum, point) => sum + Number(point), 0),
    120,
  )
})

promise('signals of edges name the client', async t => {
  const { body } = await api.get<SignalsAnswer>(`/api/v1/signals?${asked}&by=edge&where=src_workload%20%3D%20web&limit=1`)
  t.is(body.rows.length, 1)
  t.is(body.rows[0].source?.name, 'web')
})

promise('a denial tells who, which policy, how often and since when', async t => {
  const { body } = await api.get<DenialsAnswer>(`/api/v1/denials?${asked}`)
  t.is(body.rows.length, 1)
  const [denial] = body.rows
  t.like(denial, {
    count: 7,
    reason: 'POLICY_DENIED',
    port: 8080,
    policy: { kind: 'NetworkPolicy', namespace: 'shop', name: 'no-web', source: '' },
  })
  t.deepEqual([denial.source.name, denial.target.name], ['web', 'cart'])
  t.is(Date.parse(denial.first_seen), at(0) / 1000)
  t.is(Date.parse(denial.last_seen), at(360) / 1000)
  t.deepEqual(denial.series.slice(0, 9), [1, 1, 1, 1, 1, 1, 1, 0, 0])
})

promise('pages of records are newest first and have each record once', async t => {
  const seen: string[] = []
  const times: string[] = []
  for (let cursor = ''; ;) {
    const { body } = await api.get<Page>(`/api/v1/records/flow?${asked}&limit=17${cursor && `&cursor=${cursor}`}`)
    seen.push(...body.rows.map(({ id }) => id))
    times.push(...body.rows.map(({ time }) => String(time)))
    if (!body.next) break
    cursor = body.next
  }
  t.is(seen.length, 204)
  t.is(new Set(seen).size, 204)
  t.deepEqual(times, times.toSorted().reverse())
})

promise('records that are the same in every field are all there, wherever a page ends', async t => {
  const time = at(0) - 10_800e6
  const of = (reporter: string, count: number) => Array.from({ length: count }, () => ({ ...delivered, time, reporter, trace_id: 'same' }))
  await api.store('flow', [...of('node-1', 5), ...of('node-2', 1), ...of('node-3', 7)])
  for (const limit of [1, 2, 3, 12, 13]) {
    const reporters: string[] = []
    for (let cursor = ''; ;) {
      const { body } = await api.get<Page>(
        `/api/v1/records/flow?from=now-6h&where=trace_id%20%3D%20same&limit=${limit}${cursor && `&cursor=${cursor}`}`,
      )
      reporters.push(...body.rows.map(({ reporter }) => String(reporter)))
      if (!body.next) break
      cursor = body.next
    }
    t.deepEqual(
      reporters.toSorted(),
      [...of('node-1', 5), ...of('node-2', 1), ...of('node-3', 7)].map(({ reporter }) => reporter),
    )
  }
})

promise('a record has addresses and times as people write them', async t => {
  await api.store('flow', [
    { ...delivered, time: at(0) - 7200e6 + 250_000, src_address: '10.0.0.1', dst_address: 'fd00::1', reporter: 'node-z' },
  ])
  const { body } = await api.get<Page>('/api/v1/records/flow?from=now-4h&where=reporter%20%3D%20node-z')
  t.like(body.rows[0], { src_address: '10.0.0.1', dst_address: 'fd00::1', src_address_translated: '', weight: 1 })
  t.regex(String(body.rows[0].time), /\.25Z$/)
})

promise('a cursor that is none is refused', async t => {
  const { status, body } = await api.get<{ error: { place: string } }>('/api/v1/records/flow?cursor=abc')
  t.is(status, 400)
  t.is(body.error.place, 'cursor')
})

promise('the newest version of an object is the one that is shown', async t => {
  const pod = { kind: 'pod', cluster: 'one', uid: 'u1', name: 'web-1', valid_from: at(0) }
  await api.store('object', [{ ...pod, time: at(0), valid_to: 4_102_444_800_000_000 }])
  await api.store('object', [{ ...pod, time: at(9), valid_to: at(9) }])
  const { body } = await api.get<Page>('/api/v1/records/object')
  t.is(body.rows.length, 1)
  t.is(Date.parse(String(body.rows[0].valid_to)), at(9) / 1000)
})

promise('quality tells lateness, attribution, losses, services and tables', async t => {
  const { body } = await api.get<Quality>(`/api/v1/quality?${asked}`)
  t.is(body.lateness.length, 2)
  t.deepEqual(body.clocks, [])
  t.like(body.losses[0], { reason: 'ring', count: 12, gaps: 0 })
  t.deepEqual(body.services.collect, { ready: false, reason: 'hubble: no connection', detail: { nodes: 3 } })
  t.true(body.tables.some(({ table, rows, oldest }) => table === 'flow' && rows > 0 && oldest !== null))
  const shares = body.attribution.filter(({ end }) => end === 'src').map(({ share }) => share)
  t.is(
    shares.reduce((sum, share) => sum + share, 0),
    1,
  )
})

promise('values of an open field are completed from the data', async t => {
  const { body } = await api.get<{ candidates: { text: string }[] }>('/api/v1/complete?where=dst_workload%20%3D%20ca')
  t.deepEqual(
    body.candidates.map(({ text }) => text),
    ['cart'],
  )
})

promise('readyz says who is not ready, healthz only that the process answers', async t => {
  const { status, body } = await api.get<{ reasons: string[] }>('/readyz')
  t.is(status, 503)
  t.deepEqual(body.reasons, ['collect: hubble: no connection'])
  t.is((await api.get('/healthz')).status, 200)
})

promise('metrics of every service are there for Prometheus', async t => {
  const { payload } = await api.app.inject({ url: '/metrics', headers: { host: 'localhost' } })
  t.regex(payload, /weir_component_records_received_total\{(?=.*service="collect")(?=.*component="hubble").*\} 7/)
})

promise('every route is in the OpenAPI document', async t => {
  const { body } = await api.get<{ paths: object }>('/api/v1/openapi.json')
  const routes = [
    'catalog',
    'query',
    'complete',
    'topology',
    'signals',
    'denials',
    'records/{kind}',
    'records/{kind}/{id}/related',
    'live',
    'quality',
  ]
  for (const route of routes) t.true(`/api/v1/${route}` in body.paths, route)
})

const hosts: [host: string, status: number][] = [
  ['localhost:8080', 200],
  ['127.0.0.1', 200],
  ['[::1]:8080', 200],
  ['weir.example', 200],
  ['WEIR.example.:80', 200],
  ['evil.example', 403],
  ['localhost.evil.example', 403],
]
for (const [host, status] of hosts)
  promise(`a request for the host ${JSON.stringify(host)} is answered with ${status}`, async t => {
    t.is((await api.get('/healthz', { host })).status, status)
  })

promise('no other origin may read or frame an answer', async t => {
  const { headers } = await api.app.inject({ url: '/api/v1/catalog', headers: { host: 'localhost', origin: 'http://evil.example' } })
  t.is(headers['access-control-allow-origin'], undefined)
  t.regex(String(headers['content-security-policy']), /default-src 'self'/)
  t.is(headers['x-content-type-options'], 'nosniff')
})

promise('a body that is too large is refused', async t => {
  const { status } = await api.post('/api/v1/query', { metrics: ['flows'], where: 'a'.repeat(300_000) })
  t.is(status, 413)
})

test('a ClickHouse that is away is said to be so', async t => {
  await using clickhouse = openClickHouse({ url: 'http://127.0.0.1:1', database: 'weir' })
  const app = openApi({ clickhouse, log: { ...quietLog, warn: () => {} } })
  const { statusCode, payload } = await app.inject({
    method: 'POST',
    url: '/api/v1/query',
    payload: { metrics: ['flows'] },
    headers: { host: 'localhost' },
  })
  t.is(statusCode, 503)
  t.regex(payload, /cannot reach ClickHouse/)
  await app.close()
})

promise('live shows records as they are stored, and only those asked for', async t => {
  await using fresh = await openTestApi()
  await fresh.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = fresh.app.server.address() as AddressInfo
  let text = ''
  const watching = httpRequest({ port, host: '127.0.0.1', path: '/api/v1/live?where=src_workload%20%3D%20web' }, response =>
    response.setEncoding('utf8').on('data', (part: string) => (text += part)),
  ).end()
  await sleep(300)
  const time = Date.now() * 1000
  await fresh.store('flow', [
    { ...delivered, time, received: time },
    { ...delivered, time, received: time, src_workload: 'admin' },
  ])
  for (let i = 0; i < 80 && !text.includes('event: record'); i++) await sleep(100)
  watching.destroy()
  const events = text.match(/^event: .*/gm)
  t.deepEqual(events, ['event: record'])
  t.regex(text, /"src_workload":"web"/)
})

/** A row a second; the server checks after every block. */
const slowest = { max_execution_speed: '1', timeout_before_checking_execution_speed: 0, max_block_size: '1000' }

promise('a question of a client that has gone is not answered any more', async t => {
  await using database = await openTestDatabase()
  await database.clickhouse.command(
    `INSERT INTO ${storedTable('flow_1m', database.clickhouse)} (bucket, server_port, records) SELECT toDateTime(${now / 1000 - 60}) - 60 * (number % 10), number / 10, 1 FROM numbers(300000)`,
  )
  await using slow = openClickHouse({ url: database.url, database: database.database, settings: slowest })
  await using app = openApi({ clickhouse: slow, log: quietLog, now: () => now })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const running = async () => {
    const { rows } = await database.clickhouse.query<{ count: number }>(
      "SELECT count() AS count FROM system.processes WHERE current_database = {database:String} AND query LIKE '%measured_records%' AND query NOT LIKE '%processes%'",
      { params: { database: database.database } },
    )
    return rows[0].count
  }
  const leaving = new AbortController()
  const asked = fetch(`http://127.0.0.1:${port}/api/v1/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'flow', metrics: ['records'], ...range, by: ['verdict'] }),
    signal: leaving.signal,
  })
  for (let i = 0; i < 100 && !(await running()); i++) await sleep(50)
  await sleep(1000)
  t.is(await running(), 1, 'it takes long')
  leaving.abort()
  await t.throwsAsync(asked, { name: 'AbortError' })
  for (let i = 0; i < 50 && (await running()); i++) await sleep(50)
  t.is(await running(), 0)
})
