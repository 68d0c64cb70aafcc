import test from 'ava'
import { hasClickHouse } from '../helpers/clickhouse.ts'
import { type TestApi, openTestApi } from './api.ts'

let api: TestApi
test.before(async t => {
  if (await hasClickHouse(t)) api = await openTestApi()
})
test.after.always(() => api?.[Symbol.asyncDispose]())

interface Failure {
  error: { code: string; message: string; place?: string; position?: number; length?: number; expected?: string[] }
}

test('a question over HTTP has columns, rows and where they come from', async t => {
  if (!api) return t.pass()
  const { status, body } = await api.post<{ columns: object[]; rows: unknown[][]; meta: { table: string; sql: string } }>('/api/v1/query', {
    metrics: ['records'],
    kind: 'flow',
  })
  t.is(status, 200)
  t.deepEqual(body.columns, [{ name: 'records', type: 'number', unit: '{record}' }])
  t.deepEqual(body.rows, [[0]])
  t.is(body.meta.table, 'flow_1m')
  t.regex(body.meta.sql, /FROM flow_1m/)
})

const mistakes: [what: string, body: object, error: Partial<Failure['error']>][] = [
  [
    'an unknown metric',
    { metrics: ['flws'] },
    { code: 'bad_query', place: 'metrics[0]', message: 'metrics[0]: there is no metric "flws"; did you mean flows?' },
  ],
  ['an unknown dimension', { metrics: ['flows'], by: ['src_workloads'] }, { code: 'bad_query', place: 'by[0]' }],
  ['metrics of two kinds', { metrics: ['flows', 'requests'] }, { code: 'bad_query', place: 'metrics[1]' }],
  ['a filter with a mistake', { metrics: ['flows'], where: 'verdict = droped' }, { code: 'bad_filter', position: 10, length: 6 }],
  ['a time that is none', { metrics: ['flows'], from: 'yesterday' }, { code: 'bad_query', place: 'from' }],
  ['a range that ends before it begins', { metrics: ['flows'], from: 'now', to: 'now-1h' }, { code: 'bad_query', place: 'from' }],
  ['a range of years', { metrics: ['flows'], from: 'now-401d' }, { code: 'bad_query', place: 'from' }],
  ['too many points', { metrics: ['flows'], from: 'now-30d', every: 60 }, { code: 'bad_query', place: 'every' }],
  ['top without groups', { metrics: ['flows'], top: 3 }, { code: 'bad_query', place: 'top' }],
  ['a property nobody knows', { metrics: ['flows'], groupBy: ['src_pod'] }, { code: 'bad_request' }],
  ['nine dimensions', { metrics: ['flows'], by: [...'abcdefghi'] }, { code: 'bad_request', place: 'body.by' }],
  ['a comparison that overlaps', { metrics: ['flows'], compare: 60 }, { code: 'bad_query', place: 'compare' }],
]
for (const [what, body, expected] of mistakes)
  test(`${what} is refused with its place`, async t => {
    if (!api) return t.pass()
    const answer = await api.post<Failure>('/api/v1/query', body)
    t.is(answer.status, 400)
    t.like(answer.body.error, expected)
  })
