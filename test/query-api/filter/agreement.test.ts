import test from 'ava'
import fc from 'fast-check'
import { parseFilter } from '../../../query-api/filter/parse.ts'
import { filterPredicate } from '../../helpers/filter-predicate.ts'
import { quoteWord } from '../../../query-api/filter/complete.ts'
import { Parameters, filterSql } from '../../../query-api/filter/sql.ts'
import { hasClickHouse, openTestDatabase } from '../../helpers/clickhouse.ts'
import { kinds } from '../../../schema/record.ts'
import { store } from '../records.ts'

const start = Date.parse('2026-11-21T10:00:00Z') * 1000
const texts = ['', 'shop', 'Shop', 'shop-eu', 'a%b', 'a_b', 'a\\b', "it's", 'ß', 'ÄPFEL', 'äpfel', '日本', 'x\ny']
const addresses = ['', '10.0.0.1', '10.255.255.255', '11.0.0.0', '192.168.1.7', 'fd00::1', '2001:db8::ff', '::1']
const label = fc.constantFrom(...texts)

const record = fc.record({
  time: fc.integer({ min: 0, max: 100 }).map(seconds => start + seconds * 1e6 + 1),
  src_namespace: label,
  trace_id: label,
  verdict: fc.constantFrom('unknown', 'forwarded', 'dropped'),
  src_address: fc.constantFrom(...addresses),
  dst_port: fc.constantFrom(0, 80, 443, 65535),
  bytes: fc.constantFrom(0, 1, 1000, 2 ** 40),
  weight: fc.constantFrom(1, 0.5, 100),
  encrypted: fc.boolean(),
})

const of = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map(parts => parts.join(' '))
const word = label.map(quoteWord)
const pattern = fc.constantFrom('%', 'shop%', '%op%', 's_op', 'SHOP%', 'a\\%b', 'a\\_b', 'a\\\\b', '%ä%', '日_', 'x%y', '').map(quoteWord)
const compared = fc.constantFrom('=', '!=', '<', '<=', '>', '>=')
const equal = fc.constantFrom('=', '!=')
const network = fc.constantFrom('10.0.0.0/8', '::ffff:10.0.0.0/104', '192.168.1.7', 'fd00::/8', '0.0.0.0/0', '::/0', '2001:db8::ff/128')
const port = fc.constantFrom('0', '80', '443', '8080')
const list = (value: fc.Arbitrary<string>) => fc.array(value, { minLength: 1, maxLength: 4 }).map(values => `(${values.join(', ')})`)
const within = fc.constantFrom('IN', 'NOT IN')
const empty = fc.constantFrom('IS EMPTY', 'IS NOT EMPTY')
const moment = fc.integer({ min: 0, max: 100 }).map(seconds => new Date(start / 1000 + seconds * 1000).toISOString())

const condition = fc.oneof(
  of(fc.constantFrom('src_namespace', 'trace_id'), compared, word),
  of(fc.constantFrom('src_namespace', 'trace_id'), within, list(word)),
  of(fc.constantFrom('src_namespace', 'namespace'), fc.constantFrom('LIKE', 'NOT LIKE', 'ILIKE', 'NOT ILIKE'), pattern),
  of(fc.constant('src_namespace BETWEEN'), word, fc.constant('AND'), word),
  of(fc.constant('verdict'), equal, fc.constantFrom('unknown', 'dropped')),
  of(fc.constantFrom('src_namespace', 'src_address', 'dst_port', 'verdict', 'time', 'src_service'), empty),
  of(fc.constantFrom('src_address', 'address'), within, fc.oneof(network, list(network))),
  of(fc.constant('dst_port'), compared, port),
  of(fc.constant('dst_port'), within, list(port)),
  of(fc.constant('bytes NOT BETWEEN 1 AND'), port),
  of(fc.constant('weight'), compared, fc.constantFrom('0.5', '1', '-3')),
  of(fc.constant('encrypted'), equal, fc.constantFrom('true', 'false')),
  of(fc.constant('time'), compared, moment),
)

const { filter } = fc.letrec<{ filter: string }>(tie => ({
  filter: fc.oneof(
    { depthSize: 'small' },
    condition,
    of(fc.constant('NOT ('), tie('filter'), fc.constant(')')),
    of(fc.constant('('), tie('filter'), fc.constantFrom(') AND (', ') OR ('), tie('filter'), fc.constant(')')),
  ),
}))

test('a filter finds the same records in ClickHouse and in memory', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  const records = fc.sample(record, { numRuns: 300, seed: 7 }).map((record, i) => ({ ...record, socket_cookie: i }))
  await store(clickhouse, 'flow', records)
  await fc.assert(
    fc.asyncProperty(filter, async text => {
      const parsed = parseFilter(text, kinds.flow.fields)!
      const parameters = new Parameters()
      const { rows } = await clickhouse.query<{ socket_cookie: number }>(
        `SELECT socket_cookie FROM flow WHERE ${filterSql(parsed, parameters)} ORDER BY socket_cookie`,
        { params: parameters.values },
      )
      const matches = filterPredicate(parsed)
      t.deepEqual(
        rows.map(row => row.socket_cookie),
        records.filter(matches).map(record => record.socket_cookie),
        text,
      )
    }),
    { numRuns: 150 },
  )
  t.pass()
})

test('a filter on texts holds when it does for one of them, in ClickHouse and in memory', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  const records = [[], ['a'], ['a', 'b'], ['']].map((labels, i) => ({
    time: start,
    uid: String(i),
    valid_from: start,
    valid_to: start * 2,
    labels,
  }))
  await store(clickhouse, 'object', records)
  for (const text of [
    'labels = a',
    'labels != a',
    "labels IN (b, '')",
    'labels NOT IN (b)',
    "labels LIKE '_'",
    'labels IS EMPTY',
    'labels IS NOT EMPTY',
  ]) {
    const parsed = parseFilter(text, kinds.object.fields)!
    const parameters = new Parameters()
    const { rows } = await clickhouse.query<{ uid: string }>(`SELECT uid FROM object WHERE ${filterSql(parsed, parameters)} ORDER BY uid`, {
      params: parameters.values,
    })
    t.deepEqual(
      rows.map(row => row.uid),
      records.filter(filterPredicate(parsed)).map(record => record.uid),
      text,
    )
  }
})

test('a filter on a key of a map finds the same in ClickHouse and in memory', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  const maps = [{}, { a: 'x' }, { a: 'y', b: 'x' }, { b: '' }, { "it's": 'x' }]
  const records = maps.map((attributes, i) => ({ time: start, span_id: String(i), attributes }))
  await store(clickhouse, 'span', records)
  for (const text of [
    "attributes['a'] = x",
    "attributes['a'] != x",
    "attributes['a'] IN (x, '')",
    "attributes['b'] IS EMPTY",
    "attributes['b'] IS NOT EMPTY AND attributes['a'] LIKE '_'",
    "attributes['it''s'] >= x",
    "attributes['a'] BETWEEN x AND z",
  ]) {
    const parsed = parseFilter(text, kinds.span.fields)!
    const parameters = new Parameters()
    const { rows } = await clickhouse.query<{ span_id: string }>(
      `SELECT span_id FROM span WHERE ${filterSql(parsed, parameters)} ORDER BY span_id`,
      { params: parameters.values },
    )
    t.deepEqual(
      rows.map(row => row.span_id),
      records.filter(filterPredicate(parsed)).map(record => record.span_id),
      text,
    )
  }
})
