import test, { type ExecutionContext } from 'ava'
import type { Page } from '../../query-api/records.ts'
import type { RelatedAnswer } from '../../query-api/related.ts'
import { hasClickHouse } from '../helpers/clickhouse.ts'
import { type TestApi, openTestApi } from './api.ts'
import { at, delivered, departed, exchange, now, range } from './traffic.ts'

/** A job, and the next one, which was given its address and came by the same port a second later. */
const ofJobs = { src_address: '10.0.3.1', src_port: 50_000, dst_address: '10.0.2.9', dst_port: 5432 }
const first = { ...ofJobs, src_namespace: 'jobs', src_pod: 'report-1' }
const next = { ...ofJobs, src_namespace: 'jobs', src_pod: 'backup-1' }
const back = { src_address: ofJobs.dst_address, src_port: ofJobs.dst_port, dst_address: ofJobs.src_address, dst_port: ofJobs.src_port }

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
/** Connections of one call: the application to its proxy's peer behind a service, and proxy to proxy. */
const toService = { src_address: '10.0.1.5', src_port: 41000, dst_address: '10.96.0.7', dst_port: 80 }
const toPod = { src_address: '10.0.1.5', src_port: 41002, dst_address: '10.0.2.9', dst_port: 8080 }
const swapped = { src_address: toPod.dst_address, src_port: toPod.dst_port, dst_address: toPod.src_address, dst_port: toPod.src_port }
const span = { source: 'otlp', cluster: 'one', trace_id: trace, name: 'GET /cart' }

let api: TestApi
test.before(async t => {
  if (!(await hasClickHouse(t))) return
  api = await openTestApi({ now: () => now })
  await api.store('request', [
    {
      ...exchange,
      ...toService,
      time: at(100),
      direction: 'egress',
      request_id: 'r-1',
      trace_id: trace,
      span_id: 'b7ad6b7169203331',
      reporter: 'web',
    },
    { ...exchange, ...toPod, time: at(100.01), request_id: 'r-1', reporter: 'cart' },
    { ...exchange, ...toPod, time: at(170), request_id: 'r-2', reporter: 'later on the same connection' },
    {
      ...exchange,
      time: at(100),
      request_id: 'r-3',
      src_address: '10.0.1.5',
      dst_address: '10.0.2.9',
      dst_port: 8080,
      reporter: 'no port',
    },
  ])
  await api.store('span', [
    { ...span, time: at(99.9), span_id: '00f067aa0ba902b7', kind: 'client', reporter: 'caller' },
    { ...span, time: at(100.02), span_id: 'b7ad6b7169203331', parent_span_id: '00f067aa0ba902b7', kind: 'server', reporter: 'same span' },
    { ...span, time: at(100.03), span_id: '1', parent_span_id: 'b7ad6b7169203331', kind: 'internal', reporter: 'child' },
    { ...span, time: at(500), span_id: '2', reporter: 'too late' },
    { ...span, time: at(100), trace_id: 'f'.repeat(32), span_id: 'b7ad6b7169203331', reporter: 'of another trace' },
  ])
  await api.store('flow', [
    { ...delivered, ...toPod, time: at(100.005), reporter: 'node-b' },
    { ...delivered, ...swapped, time: at(100.015), orientation: 'reply', reporter: 'node-a' },
    { ...departed, ...toPod, time: at(130), reporter: 'too late' },
    { ...departed, ...toPod, protocol: 'udp', time: at(100), reporter: 'of another protocol' },
    { ...departed, ...toPod, src_port: 5, time: at(100), reporter: 'of another conversation' },
    { ...departed, time: at(100), trace_id: trace, type: 'l7', event: 'l7', reporter: 'proxy' },
    { ...delivered, ...first, time: at(600), reporter: 'first job' },
    { ...delivered, ...back, dst_namespace: 'jobs', dst_pod: 'report-1', time: at(600.1), orientation: 'reply', reporter: 'first answer' },
    { ...delivered, ...back, time: at(600.2), orientation: 'reply', reporter: 'answer to nobody known' },
    { ...delivered, ...next, time: at(601), reporter: 'next job' },
    { ...delivered, ...back, dst_namespace: 'jobs', dst_pod: 'backup-1', time: at(601.1), orientation: 'reply', reporter: 'next answer' },
  ])
})
test.after.always(() => api?.[Symbol.asyncDispose]())

const promise = (title: string, body: (t: ExecutionContext) => unknown) => test(title, async t => (api ? body(t) : t.pass()))

/** The id and time of the record of a reporter, by which its related records are asked for. */
async function place(kind: string, reporter: string): Promise<string> {
  const { body } = await api.get<Page>(`/api/v1/records/${kind}?from=${range.from}&to=${range.to}&where=reporter%20%3D%20%27${reporter}%27`)
  return `/api/v1/records/${kind}/${body.rows[0].id}/related?time=${body.rows[0].time}`
}

const matches = ({ related }: RelatedAnswer) =>
  related.map(({ kind, matched, record }) => `${kind} ${record.reporter}: ${matched.join(' ')}`)

promise('a request finds its other half, its spans and the packets of both, with how, the newest first', async t => {
  const { status, body } = await api.get<RelatedAnswer>(await place('request', 'web'))
  t.is(status, 200)
  t.is(body.record.reporter, 'web')
  t.deepEqual(matches(body), [
    'span child: parent trace_id',
    'span same span: span_id trace_id',
    'flow node-a: conversation',
    'request cart: request_id',
    'flow node-b: conversation',
    'flow proxy: trace_id',
    'span caller: trace_id',
  ])
  t.false(body.truncated)
})

promise('a flow finds the requests on its connection, and its own other direction', async t => {
  const { body } = await api.get<RelatedAnswer>(await place('flow', 'node-b'))
  t.deepEqual(matches(body), ['flow node-a: conversation', 'request cart: conversation'])
})

promise('a conversation of the same addresses and ports is another one once another pod has the address', async t => {
  const { body } = await api.get<RelatedAnswer>(await place('flow', 'first%20job'))
  t.deepEqual(matches(body), ['flow answer to nobody known: conversation', 'flow first answer: conversation'])
  const { body: later } = await api.get<RelatedAnswer>(await place('flow', 'next%20job'))
  t.deepEqual(matches(later), ['flow next answer: conversation', 'flow answer to nobody known: conversation'])
})

promise('a span finds its parent and its children', async t => {
  const { body } = await api.get<RelatedAnswer>(await place('span', 'same%20span'))
  t.true(matches(body).includes('span caller: parent trace_id'))
  t.true(matches(body).includes('span child: parent trace_id'))
  t.true(matches(body).includes('request web: span_id trace_id'))
})

promise('how far around is looked can be said', async t => {
  const asked = await place('request', 'web')
  const wide = await api.get<RelatedAnswer>(`${asked}&window=3600&conversation_window=600`)
  for (const found of ['span too late: trace_id', 'flow too late: conversation', 'request later on the same connection: conversation'])
    t.true(matches(wide.body).includes(found), found)
  const narrow = await api.get<RelatedAnswer>(`${asked}&window=0&conversation_window=0`)
  t.deepEqual(matches(narrow.body), ['flow proxy: trace_id'])
})

promise('of more than was asked for the nearest are given, and that there is more is said', async t => {
  const { body } = await api.get<RelatedAnswer>(`${await place('request', 'web')}&limit=1`)
  t.true(body.truncated)
  t.deepEqual(matches(body), [
    'span same span: span_id trace_id',
    'request cart: request_id',
    'flow node-b: conversation',
    'flow proxy: trace_id',
  ])
})

promise('a record is also found by the range it lies in', async t => {
  const asked = (await place('request', 'web')).replace(/time=.*/, `from=${range.from}&to=${range.to}`)
  const { status, body } = await api.get<RelatedAnswer>(asked)
  t.is(status, 200)
  t.is(body.related.length, 7)
})

promise('a record that is not there is not found, and what is no record is refused', async t => {
  const asked = async (path: string) => (await api.get(`/api/v1/records/${path}`)).status
  t.is(await asked(`request/abc/related?time=${range.from}`), 404)
  t.is(await asked('request/abc/related?time=yesterday'), 400)
  t.is(await asked('request/x%27y/related'), 400)
  t.is(await asked('loss/abc/related'), 400)
})

promise('looking up an id skips what cannot have it', async t => {
  const { clickhouse } = api
  const { rows } = await clickhouse.query<{ explain: string }>(`EXPLAIN indexes = 1 SELECT time FROM request WHERE request_id = 'absent'`)
  t.regex(rows.map(({ explain }) => explain).join('\n'), /request_id_lookup[\s\S]*Granules: 0\/1/)
})
