import test from 'ava'
import { denials } from '../../query-api/denials.ts'
import type { Query } from '../../query-api/plan.ts'
import { ask } from '../../query-api/query.ts'
import { quality } from '../../query-api/quality.ts'
import { readRecords } from '../../query-api/records.ts'
import { signals } from '../../query-api/signals.ts'
import { topology } from '../../query-api/topology.ts'
import { type ClickHouse, openClickHouse } from '../../runtime/clickhouse/client.ts'
import { openEnd } from '../../schema/object.ts'
import { type KindName, kinds } from '../../schema/record.ts'
import { hasClickHouse, openTestDatabase, quietLog } from '../helpers/clickhouse.ts'
import { clusterName, openClusterDatabase, startShards } from '../helpers/cluster.ts'
import { store } from './records.ts'
import { at, delivered, denied, departed, dropped, exchange, now, range, verdict } from './traffic.ts'

/** Traffic of three workloads in which the views of an edge come one after the other, so that they fall on different shards. */
const views = [
  delivered,
  departed,
  verdict,
  { ...departed, observation_point: 'from_endpoint' },
  { ...delivered, source: 'netobserv', bytes: 900, packets: 3 },
]
const rows = 600
const flows = Array.from({ length: rows }, (_, i) => ({
  ...(i % 7 === 0 ? [denied, { ...dropped, policy_name: 'only-web', policy_kind: 'CiliumNetworkPolicy' }][i % 2] : views[i % views.length]),
  time: at((i * 870) / rows),
  src_workload: ['web', 'admin', 'job'][Math.floor(i / 11) % 3],
  weight: 1 + (i % 3),
  src_address: `10.0.0.${i % 50}`,
}))
const requests = Array.from({ length: rows }, (_, i) => ({
  ...exchange,
  direction: i % 2 ? 'ingress' : 'egress',
  time: at((i * 870) / rows),
  src_workload: ['web', 'admin'][Math.floor(i / 5) % 2],
  latency: 1_000_000 * (1 + ((i * 37) % 400)),
  error: i % 13 === 0,
}))
const losses = Array.from({ length: 9 }, (_, i) => ({
  time: at(i * 60),
  source: 'hubble',
  reporter: `node-${i % 2}`,
  stage: 'agent',
  reason: 'ring',
  count: i,
  known: i % 3 > 0,
}))
const objects = Array.from({ length: 8 }, (_, i) => ({
  time: at(i),
  kind: 'pod',
  cluster: 'one',
  uid: `pod-${i % 4}`,
  valid_from: at(0),
  valid_to: openEnd,
  name: `version-${i}`,
}))

const stored: [KindName, Record<string, unknown>[]][] = [
  ['flow', flows],
  ['request', requests],
  ['loss', losses],
  ['object', objects],
]

const flowMetrics = ['records', 'flows', 'connections', 'bytes', 'packets', 'sent', 'received', 'lost', 'drops', 'denials']
const requestMetrics = ['records', 'requests', 'errors', 'error_ratio', 'latency_p50', 'latency_p95', 'latency_p99']
const minute = { from: new Date(now - 800_000).toISOString(), to: new Date(now - 740_000).toISOString() }

const half = { from: new Date(now - 420_000).toISOString(), to: new Date(now).toISOString() }

/** Over rollups of both lengths and over the records themselves. */
const questions: Record<string, Query> = {
  'every metric of flows': { ...range, metrics: flowMetrics },
  'every metric of flows by workload': { ...range, metrics: flowMetrics, by: ['src_workload', 'dst_workload'] },
  'every metric of flows from the records': { ...minute, metrics: flowMetrics, by: ['src_workload'] },
  'by what only records have': { ...range, metrics: ['flows', 'records'], by: ['src_address'] },
  'by the hour': { ...range, from: new Date(now - 3 * 86_400_000).toISOString(), metrics: ['flows', 'drops'] },
  'a line': { ...range, metrics: ['flows', 'denials'], by: ['src_workload'], every: 60 },
  'the largest and the rest': { ...range, metrics: ['flows', 'records'], by: ['src_workload'], top: 1 },
  'the largest, compared with before': {
    ...half,
    metrics: ['flows'],
    by: ['src_workload'],
    top: 2,
    compare: 420,
    every: 60,
  },
  'the policy that denied': { ...range, metrics: ['denials'], by: ['policy_name', 'policy_kind'] },
  'every metric of requests': { ...range, metrics: requestMetrics, by: ['src_workload'] },
  'every metric of requests from the records': { ...minute, metrics: requestMetrics },
  'some of the flows': { ...range, metrics: flowMetrics, where: "src_workload = web AND source IN ('hubble')" },
  losses: { ...range, kind: 'loss', metrics: ['records'], by: ['reporter'] },
  objects: { ...range, kind: 'object', metrics: ['records'], by: ['name'] },
}

async function allRecords(kind: KindName, clickhouse: ClickHouse): Promise<unknown[]> {
  const found: unknown[] = []
  for (let cursor: string | undefined; ;) {
    const page = await readRecords(kinds[kind], { ...range, limit: 250, cursor }, { clickhouse, now })
    found.push(...page.rows)
    if (!page.next) return found
    cursor = page.next
  }
}

for (const count of [1, 2])
  test(`questions to ${count === 1 ? 'one shard' : 'two shards'} are answered as by a server alone`, async t => {
    if (!(await hasClickHouse(t))) return
    await using alone = await openTestDatabase()
    await using shards = await startShards(count)
    await using together = await openClusterDatabase(shards)
    for (const { clickhouse } of [alone, together]) for (const [kind, records] of stored) await store(clickhouse, kind, records)
    await using reader = openClickHouse({ url: shards.servers.at(-1)!.readerUrl, database: together.database, cluster: clusterName })
    const both = async <T>(what: string, question: (clickhouse: ClickHouse) => Promise<T>) => {
      const [expected, answer] = [await question(alone.clickhouse), await question(reader)]
      t.deepEqual(answer, expected, what)
      return answer
    }
    for (const [what, query] of Object.entries(questions)) {
      const answer = await both(what, async clickhouse => (await ask(query, { clickhouse, now })).rows)
      t.true(answer.length > 0, what)
    }
    await both('coverage', async clickhouse => {
      const { watermark, lost, gaps } = (await ask({ ...range, metrics: ['flows'] }, { clickhouse, now })).meta
      return { watermark, lost, gaps }
    })
    for (const [kind] of stored) await both(`records of kind ${kind}`, clickhouse => allRecords(kind, clickhouse))
    await both('topology', async clickhouse => (await topology({ ...range, level: 'workload' }, { clickhouse, now })).edges)
    await both('signals', async clickhouse => (await signals({ ...range, by: 'edge', limit: 10 }, { clickhouse, now })).rows)
    await both('denials', async clickhouse => (await denials({ ...range, limit: 10 }, { clickhouse, now })).rows)
    const whole = await both('quality', async clickhouse => {
      const context = { clickhouse, log: quietLog, now: () => now, services: () => ({}) }
      const { attribution, lateness, clocks, losses, tables } = await quality(
        range,
        context as Parameters<typeof quality>[1],
        AbortSignal.timeout(20_000),
      )
      const ofRecords = tables.filter(({ table }) => table === 'flow' || table === 'request')
      return {
        attribution,
        lateness,
        clocks,
        losses,
        tables: ofRecords.map(({ bytes, bytes_per_row, ...table }) => ({ ...table, stored: bytes > 0 && bytes_per_row > 0 })),
      }
    })
    t.is(whole.tables[0].rows, rows)
    for (const { clickhouse } of await together.cluster.servers())
      t.is((await clickhouse.query<{ n: number }>('SELECT count() AS n FROM flow_local')).rows[0].n, rows / count)
  })
