import test from 'ava'
import { type Answer, ask } from '../../query-api/query.ts'
import { type TestDatabase, hasClickHouse, openTestDatabase } from '../helpers/clickhouse.ts'
import { store } from './records.ts'
import { at, edge, every, now, range } from './traffic.ts'

/** What an exporter told of one conversation in a minute. */
const told = (exporter: string, srcPort: number, more: object = {}) => ({
  ...edge,
  source: 'ipfix',
  reporter: exporter,
  exporter,
  reporter_kind: 'exporter',
  layer: 'exporter',
  src_cluster: '',
  dst_cluster: '',
  src_address: '10.0.0.1',
  src_port: srcPort,
  dst_address: '10.0.0.2',
  dst_port: 8080,
  bytes: 1000,
  packets: 2,
  tcp_flags: 2,
  time: at(90),
  ...more,
})
const conversations = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)
const through = (exporter: string, ports: readonly number[], more: object = {}) => ports.map(port => told(exporter, port, more))

/** What exporters told, and the bytes of it; `within` is the error that is let pass. */
const cases: Record<string, [flow: object[], bytes: number, within?: number]> = {
  'one exporter tells what it tells': [
    [...through('a', conversations(50)), ...through('a', conversations(50), { time: at(100) })],
    100_000,
  ],
  'two on one path tell the same once': [[...through('a', conversations(50)), ...through('b', conversations(50))], 50_000],
  'two between which conversations are divided both count': [
    [...through('a', conversations(30)), ...through('b', conversations(20, 30))],
    50_000,
  ],
  'of two of which one sees a part of the other the larger counts': [
    [...through('a', conversations(50)), ...through('b', conversations(10))],
    50_000,
  ],
  'of two that share some of what they see each counts what it alone saw': [
    [...through('a', conversations(30)), ...through('b', conversations(30, 20))],
    50_000,
  ],
  'three on one path, one of them by another protocol, tell the same once': [
    [...through('a', conversations(50)), ...through('b', conversations(50)), ...through('c', conversations(50), { source: 'sflow' })],
    50_000,
  ],
  'a router that tells of packets where they come in and where they go out tells them once': [
    [...through('a', conversations(50), { direction: 'ingress' }), ...through('a', conversations(50), { direction: 'egress' })],
    50_000,
  ],
  'one that samples beside one that does not counts no conversation the other has': [
    [...through('a', conversations(100)), ...through('b', conversations(5), { bytes: 1000, weight: 20 })],
    100_000,
  ],
  'each edge and minute is judged by itself': [
    [
      ...through('a', conversations(20)),
      ...through('b', conversations(20)),
      ...through('b', conversations(20), { time: at(200) }),
      ...through('b', conversations(20), { dst_workload: 'mail' }),
    ],
    60_000,
  ],
  'whatever the parts they were stored in': [
    conversations(40).flatMap(port => [
      told('a', port),
      told('b', port),
      told('a', port, { time: at(95) }),
      told('b', port, { time: at(95) }),
    ]),
    80_000,
  ],
  'many conversations are told apart to within 3 %': [
    [...through('a', conversations(20_000)), ...through('b', conversations(20_000, 20_000))],
    40_000_000,
    0.03,
  ],
}

let database: TestDatabase
test.before(async t => {
  if (await hasClickHouse(t)) database = await openTestDatabase()
})
test.after.always(() => database?.[Symbol.asyncDispose]())

const naive = (flow: object[]) => flow.reduce((sum, row) => sum + 1000 * ((row as { weight?: number }).weight ?? 1), 0)

Object.entries(cases).forEach(([promise, [flow, bytes, within = 0]], i) =>
  test(`of exporters, ${promise}`, async t => {
    if (!database) return t.pass()
    const { clickhouse } = database
    const cluster = `exporters-${i}`
    const own = flow.map(row => ({ ...row, cluster }))
    await store(clickhouse, 'flow', own.slice(0, own.length / 2))
    await store(clickhouse, 'flow', own.slice(own.length / 2))
    for (const where of [`cluster = ${cluster}`, `cluster = ${cluster} AND time >= now-400d`]) {
      const { rows } = await ask({ ...range, metrics: ['bytes', 'packets'], where }, { clickhouse, now })
      t.true(Math.abs(Number(rows[0][0]) - bytes) <= within * bytes + 1e-6, `${rows[0][0]} for ${bytes}; added up ${naive(flow)}`)
      t.true(Math.abs(Number(rows[0][1]) - bytes / 500) <= (within * bytes) / 500 + 1e-6)
    }
    return undefined
  }),
)

test('an answer of several exporters says that it is an estimate, and why; records are as they came', async t => {
  if (!(await hasClickHouse(t))) return
  await using own = await openTestDatabase()
  const { clickhouse } = own
  const asked = (metrics: string[]): Promise<Answer> => ask({ ...range, kind: 'flow', metrics }, { clickhouse, now })
  await store(clickhouse, 'flow', through('a', conversations(5)))
  const one = await asked(['bytes'])
  t.deepEqual([one.meta.approximate, one.meta.estimates], [false, {}])
  // What a range has is known for two seconds.
  await store(clickhouse, 'flow', [...through('b', conversations(5)), ...every(60, 2, told('c', 1, { dst_workload: 'mail' }))])
  const { meta, rows } = await ask({ ...range, kind: 'flow', metrics: ['bytes', 'records', 'denials'] }, { clickhouse, now: now + 3000 })
  t.true(meta.approximate)
  t.deepEqual(Object.keys(meta.estimates), ['bytes'])
  t.regex(meta.estimates.bytes, /exporters .* sample/)
  t.deepEqual(rows, [[7000, 12, 0]])
})
