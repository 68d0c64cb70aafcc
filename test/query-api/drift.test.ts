import test from 'ava'
import { runEnricher } from '../../enricher/main.ts'
import type { DriftAnswer } from '../../query-api/drift.ts'
import { openApi } from '../../query-api/app.ts'
import type { ObjectVersion } from '../../schema/object.ts'
import { objectKey } from '../../schema/object.ts'
import { type KindName, kinds, topicOf } from '../../schema/record.ts'
import { domain, entry, pod, spiffe, strict } from '../enricher/identity/objects.ts'
import { messageOf } from '../helpers/blocks.ts'
import { openTestBus } from '../helpers/bus.ts'
import { hasClickHouse, openTestDatabase, quietLog } from '../helpers/clickhouse.ts'
import { testService } from '../helpers/service.ts'
import { until } from '../helpers/wait.ts'
import { openTestApi } from './api.ts'

const now = Math.floor(Date.now() / 1000) * 1e6
const minute = 60e6
const cart = pod('10.0.0.1', 'cart')
const payment = { ...pod('10.0.0.2', 'payment'), labels: ['security.istio.io/tlsMode=istio'] }
const visitor = pod('10.0.0.3', 'visitor')
const expired = { ...entry('old', '/ns/shop/sa/old', ['k8s:ns:none'], { expires_at: (now - 5 * minute) / 1e6 }) }
const objects: ObjectVersion[] = [
  cart,
  payment,
  visitor,
  domain('example.org', true),
  domain('partner.test', false),
  entry('1', '/ns/shop/sa/cart', ['k8s:ns:shop', 'k8s:sa:cart']),
  entry('2', '/ns/bank/sa/till', ['k8s:ns:bank', 'k8s:sa:till']),
  { ...entry('3', '/ns/shop/sa/gone', ['k8s:ns:gone']), valid_to: now - 5 * minute },
  expired,
  strict(),
]

const shown = (src_spiffe_id: string) => ({ src_spiffe_id, src_spiffe_id_source: 'certificate' })
const base = {
  received: now,
  source: 'test',
  cluster: 'east',
  layer: 'l7_proxy',
  src_address: '10.0.0.1',
  src_port: 40_000,
  dst_address: '10.0.0.2',
  dst_port: 80,
}
const tcp = { ...base, protocol: 'tcp', is_reply: 'no' }
const flows = [
  // As it should be.
  { ...tcp, ...shown(spiffe('/ns/shop/sa/cart')), time: now - 9e6 },
  // The address says cart, the certificate till: three times, once as an answer.
  { ...tcp, ...shown(spiffe('/ns/bank/sa/till')), time: now - 8e6 },
  { ...tcp, ...shown(spiffe('/ns/bank/sa/till')), time: now - 3e6 },
  {
    ...tcp,
    is_reply: 'yes',
    time: now - 2e6,
    src_address: base.dst_address,
    src_port: base.dst_port,
    dst_address: base.src_address,
    dst_port: base.src_port,
    dst_spiffe_id: spiffe('/ns/bank/sa/till'),
    dst_spiffe_id_source: 'certificate',
  },
  // Its entry was removed before; and before that it was in order.
  { ...tcp, ...shown(spiffe('/ns/shop/sa/gone')), src_address: '10.9.9.9', time: now - 7e6 },
  { ...tcp, ...shown(spiffe('/ns/shop/sa/gone')), src_address: '10.9.9.9', time: now - 6 * minute },
  // Its entry has expired.
  { ...tcp, ...shown(spiffe('/ns/shop/sa/old')), src_address: '10.9.9.9', time: now - 6e6 },
  // Somebody without a certificate calls who demands one.
  { ...tcp, src_address: '10.0.0.3', layer: 'kernel', time: now - 5e6 },
  // A trust domain nobody trusts, and one that is federated.
  { ...tcp, ...shown('spiffe://evil.test/x'), src_address: '10.9.9.9', time: now - 4e6 },
  { ...tcp, ...shown('spiffe://partner.test/x'), src_address: '10.9.9.9', time: now - 4e6 },
]
const requests = [{ ...base, protocol: 'http', ...shown(spiffe('/ns/bank/sa/till')), time: now - 1e6 }]

test('what is wrong with identities is found from objects and records to the answer', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  await using open = await openTestBus()
  const { clickhouse } = database
  const put = async (kind: KindName, records: object[], key?: string) =>
    open.bus.publish(topicOf(kinds[kind]), [{ ...(await messageOf(kind, records)), key }])
  for (const version of objects) await put('object', [version], objectKey(version))
  await put('flow', flows)
  await put('request', requests)
  const { context, stop } = testService()
  const running = runEnricher({ bus: open.bus, clickhouse, options: { batch: { maxWaitMs: 50 } } }, context)
  const count = async (table: string) => (await clickhouse.query<{ n: number }>(`SELECT count() AS n FROM ${table}`)).rows[0].n
  await until('the records', async () => (await count('flow')) === flows.length && (await count('request')) === 1)

  await using app = openApi({ clickhouse, log: quietLog })
  const ask = async (parameters = '') => {
    const url = `/api/v1/drift?from=now-15m${parameters}`
    const response = await app.inject({ method: 'GET', url, headers: { host: 'localhost' } })
    t.is(response.statusCode, 200, response.body)
    return response.json<DriftAnswer>()
  }
  const { rows, checks, meta } = await ask()
  const said = rows.map(({ kind, check, end, client, server, port, seen, expected, count }) => ({
    kind,
    check,
    end,
    client: client.name,
    server: server.name,
    port,
    seen,
    expected,
    count,
  }))
  const till = { check: 'differs', end: 'client', client: 'cart', server: 'payment', port: 80, seen: spiffe('/ns/bank/sa/till') }
  const stranger = { kind: 'flow', end: 'client', client: 'private', server: 'payment', port: 80, expected: [], count: 1 }
  t.deepEqual(
    said.sort((a, b) => (a.check + a.kind < b.check + b.kind ? -1 : 1)),
    [
      { kind: 'flow', ...till, expected: [spiffe('/ns/shop/sa/cart')], count: 3 },
      { kind: 'request', ...till, expected: [spiffe('/ns/shop/sa/cart')], count: 1 },
      { ...stranger, check: 'expired', seen: spiffe('/ns/shop/sa/old') },
      { ...stranger, check: 'missing', client: 'visitor', seen: '', expected: ['PeerAuthentication shop/default'] },
      { ...stranger, check: 'revoked', seen: spiffe('/ns/shop/sa/gone') },
      { ...stranger, check: 'unknown_trust_domain', seen: 'spiffe://evil.test/x' },
    ],
  )
  t.is(rows[0].count, 3, 'the most frequent first')
  t.is(Date.parse(rows[0].first_seen) * 1000, now - 8e6)
  t.is(Date.parse(rows[0].last_seen) * 1000, now - 2e6)
  t.deepEqual(
    checks.filter(({ kind }) => kind === 'flow').map(({ check, count }) => [check, count]),
    [
      ['differs', 3],
      ['agrees', 1],
      ['expired', 1],
      ['missing', 1],
      ['revoked', 1],
      ['unknown_trust_domain', 1],
    ],
  )
  t.is(meta.table, 'flow, request')
  t.false(meta.truncated)

  for (const { record } of rows) {
    const until = new Date(Date.parse(record.time) + 1).toISOString()
    const url = `/api/v1/records/${record.kind}?from=${record.time}&to=${until}`
    const page = (await app.inject({ method: 'GET', url, headers: { host: 'localhost' } })).json<{ rows: { id: string }[] }>()
    t.true(
      page.rows.some(({ id }) => id === record.id),
      'the record is there by its id',
    )
  }

  const narrowed = await ask(`&where=${encodeURIComponent('src_identity_check = revoked')}`)
  t.deepEqual(
    narrowed.rows.map(({ check }) => check),
    ['revoked'],
  )
  const ofRequests = await ask(`&where=${encodeURIComponent("method = '' AND src_workload = cart")}`)
  t.deepEqual(
    ofRequests.rows.map(({ kind }) => kind),
    ['request'],
  )
  const one = await ask('&limit=1')
  t.deepEqual([one.rows.length, one.meta.truncated], [1, true])
  stop()
  await running.catch(() => {})
})

test('an answer without drift is empty, and a filter with a mistake is refused', async t => {
  if (!(await hasClickHouse(t))) return
  await using api = await openTestApi()
  const { body } = await api.get<DriftAnswer>('/api/v1/drift')
  t.deepEqual([body.rows, body.checks], [[], []])
  t.is((await api.get('/api/v1/drift?where=verdic%20%3D%20x')).status, 400)
  t.is((await api.get('/api/v1/drift?limit=0')).status, 400)
})
