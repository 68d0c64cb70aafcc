import test from 'ava'
import { setTimeout as sleep } from 'node:timers/promises'
import { migrateTo } from '../../deploy/migrate.ts'
import { makeSpanEdges } from '../../enricher/edges/edges.ts'
import { runEnricher } from '../../enricher/main.ts'
import { reattribute } from '../../enricher/reattribution/run.ts'
import { makeRoom } from '../../enricher/sink/budget.ts'
import type { Inserter } from '../../runtime/clickhouse/client.ts'
import type { Cluster } from '../../runtime/clickhouse/cluster.ts'
import { clusterLayout } from '../../schema/cluster.ts'
import { openEnd } from '../../schema/object.ts'
import { kinds, topicOf } from '../../schema/record.ts'
import { blockOf } from '../helpers/arbitrary.ts'
import { messageOf } from '../helpers/blocks.ts'
import { openTestBus } from '../helpers/bus.ts'
import { hasClickHouse, quietLog } from '../helpers/clickhouse.ts'
import { type TestShards, clusterName, openClusterDatabase, startShards } from '../helpers/cluster.ts'
import { testService } from '../helpers/service.ts'
import { until } from '../helpers/wait.ts'
import { digests, edges, flows, hour, openWorld, spanHour, spans, steps } from './reattributing.ts'

const flowTopic = topicOf(kinds.flow)
const batch = { maxRows: 100, maxWaitMs: 20 }
const started = Date.now() * 1000

const flowsOf = (block: number) =>
  Array.from({ length: 50 }, (_, row) => ({
    time: started + block * 1000 + row,
    source: 'test',
    verdict: 'forwarded',
    src_port: row,
    bytes: 1,
  }))

/** What each shard holds: records, and what its rollups add up to. */
async function held(cluster: Cluster): Promise<{ flows: number; minute: number; hour: number }[]> {
  const sql = `SELECT (SELECT count() FROM flow_local) AS flows, (SELECT sum(records) FROM flow_1m_local) AS minute, (SELECT sum(records) FROM flow_1h_local) AS hour`
  const servers = await cluster.servers()
  return Promise.all(
    servers.map(async ({ clickhouse }) => (await clickhouse.query<{ flows: number; minute: number; hour: number }>(sql)).rows[0]),
  )
}

const total = (shards: { flows: number }[]) => shards.reduce((sum, { flows }) => sum + flows, 0)

let shards: TestShards
test.before(async t => {
  if (await hasClickHouse(t)) shards = await startShards(2)
})
test.after.always(() => shards?.[Symbol.asyncDispose]())

test.serial('a shard that is killed and comes back has lost and doubled nothing', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openClusterDatabase(shards)
  await using bus = await openTestBus()
  const { context, statuses, stop } = testService()
  using _stopping = { [Symbol.dispose]: stop }
  const running = runEnricher({ bus: bus.bus, clickhouse: database.cluster.inserter, options: { batch } }, context)
  const blocks = 60
  let published = 0
  const publishUpTo = async (count: number) => {
    for (; published < count; published++) await bus.bus.publish(flowTopic, [await messageOf('flow', flowsOf(published), published)])
  }
  for (const upTo of [20, 40]) {
    await publishUpTo(upTo)
    await sleep(100)
    const { pid } = shards.servers[1]
    process.kill(pid!, 'SIGKILL')
    await publishUpTo(upTo + 10)
    await until('another in its place', () => shards.servers[1].pid !== pid)
    await shards.servers[1].ready()
  }
  await publishUpTo(blocks)
  await until('everything read', async () => (await bus.bus.lag()).every(({ messages }) => !messages))
  await until('nothing in the way', () => statuses.get('store')?.ready)
  const result = await held(database.cluster)
  t.is(total(result), blocks * 50)
  for (const { flows, minute, hour } of result) {
    t.true(flows > 0)
    t.deepEqual([minute, hour], [flows, flows])
  }
  stop()
  await running.catch(() => {})
})

test.serial('a batch that was stored but not committed is repeated in the same shards, also when there are more of them', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openClusterDatabase(shards)
  await using bus = await openTestBus()
  const { inserter } = database.cluster
  for (let block = 0; block < 8; block++) await bus.bus.publish(flowTopic, [await messageOf('flow', flowsOf(block), block)])
  const first = testService()
  let inserts = 0
  const dying: Inserter = {
    shards: 2,
    async insertNative(...call) {
      await inserter.insertNative(...call)
      if (++inserts < 2) return
      first.stop()
      throw new Error('died')
    },
  }
  await runEnricher({ bus: bus.bus, clickhouse: dying, options: { batch } }, first.context).catch(() => {})
  const before = await held(database.cluster)
  t.deepEqual(
    before.map(({ flows }) => flows),
    [100, 100],
  )
  const second = testService()
  using _stopping = { [Symbol.dispose]: second.stop }
  const seen: number[] = []
  const grown: Inserter = {
    shards: 5,
    insertNative: (table, data, options) =>
      inserter.insertNative(table, data, { ...options, shard: seen[seen.push(options.shard!) - 1] % 2 }),
  }
  const running = runEnricher({ bus: bus.bus, clickhouse: grown, options: { batch } }, second.context)
  await until('everything read', async () => (await bus.bus.lag()).every(({ messages }) => !messages))
  t.deepEqual(seen.slice(0, 2).sort(), [0, 1])
  const after = await held(database.cluster)
  t.is(total(after), 400)
  for (const { flows, minute, hour } of after) t.deepEqual([minute, hour], [flows, flows])
  second.stop()
  await running.catch(() => {})
})

test.serial('versions of an object meet, whichever shard other records go to', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openClusterDatabase(shards)
  await using bus = await openTestBus()
  const { context, stop } = testService()
  using _stopping = { [Symbol.dispose]: stop }
  const running = runEnricher(
    { bus: bus.bus, clickhouse: database.cluster.inserter, options: { batch: { maxRows: 1, maxWaitMs: 10 } } },
    context,
  )
  for (let version = 0; version < 6; version++) {
    const object = {
      time: started + version,
      kind: 'pod',
      cluster: 'east',
      uid: 'a',
      name: `version-${version}`,
      valid_from: started,
      valid_to: openEnd,
    }
    await bus.bus.publish(topicOf(kinds.object), [{ ...(await messageOf('object', [object])), key: `a/${version}` }])
    await sleep(20)
  }
  await until('everything read', async () => (await bus.bus.lag()).every(({ messages }) => !messages))
  const { rows } = await database.clickhouse.query('SELECT name FROM object FINAL')
  t.deepEqual(rows, [{ name: 'version-5' }])
  stop()
  await running.catch(() => {})
})

test.serial('records are attributed again in the shard where they are', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openClusterDatabase(shards)
  await using fresh = await openWorld({ knows: true })
  await using bus = await openTestBus()
  const { cluster } = database
  const { context, stop } = testService()
  using _stopping = { [Symbol.dispose]: stop }
  const byShard = async () => (await cluster.servers()).map(({ clickhouse }) => [clickhouse])
  const stores = { reader: database.clickhouse, inserter: cluster.inserter, shards: byShard }
  const enricher = { bus: bus.bus, clickhouse: cluster.inserter, servers: cluster.addressed, shards: byShard, options: { batch } }
  const running = runEnricher(enricher, context)
  for (let block = 0; block < 12; block++) {
    const rows = flows(100, { seed: block })
    await bus.bus.publish(flowTopic, [await messageOf('flow', rows)])
    await fresh.publish('flow', rows)
  }
  await until('everything read', async () => (await bus.bus.lag()).every(({ messages }) => !messages))
  await fresh.settled()
  const before = await held(cluster)
  const request = { id: 'cluster', kind: 'flow' as const, from: hour, to: hour + 3600, provisional: false }
  const options = { stores, bus: bus.bus, group: 'enricher', steps: steps(), log: quietLog, settleMs: 0, maxRows: 300 }
  const report = await reattribute(request, options, AbortSignal.timeout(60_000))
  t.is(report.rows, 1_200)
  t.deepEqual(await held(cluster), before)
  t.true(before.every(({ flows }) => flows > 0))
  t.deepEqual(await digests(database.clickhouse, 'flow', hour, hour + 3600), await digests(fresh.clickhouse, 'flow', hour, hour + 3600))
  stop()
  await running.catch(() => {})
})

test.serial('edges are made again of the spans of all shards', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openClusterDatabase(shards)
  await using fresh = await openWorld({ knows: true })
  await using bus = await openTestBus()
  const { cluster, clickhouse } = database
  const { context, stop } = testService()
  using _stopping = { [Symbol.dispose]: stop }
  const running = runEnricher({ bus: bus.bus, clickhouse: cluster.inserter, options: { batch } }, context)
  const all = spans(400)
  for (let at = 0; at < all.length; at += 100) {
    await bus.bus.publish(topicOf(kinds.span), [await messageOf('span', all.slice(at, at + 100))])
    await fresh.publish('span', all.slice(at, at + 100))
  }
  await until('everything read', async () => (await bus.bus.lag()).every(({ messages }) => !messages))
  await fresh.settled()
  const made = { reader: clickhouse, inserter: cluster.inserter, bus: bus.bus, group: 'enricher', log: quietLog }
  await makeSpanEdges(made)
  const before = await edges(clickhouse)
  const stores = {
    reader: clickhouse,
    inserter: cluster.inserter,
    shards: async () => (await cluster.servers()).map(({ clickhouse }) => [clickhouse]),
  }
  const request = { id: 'edges', kind: 'span' as const, from: spanHour - 3600, to: spanHour + 7200, provisional: false }
  const options = { stores, bus: bus.bus, group: 'enricher', steps: steps(), log: quietLog, settleMs: 0 }
  const report = await reattribute(request, options, AbortSignal.timeout(120_000))
  t.is(report.rows, all.length)
  const after = await edges(clickhouse)
  t.notDeepEqual(after, before)
  t.deepEqual(after, await edges(fresh.clickhouse, { madeNow: true }))
  stop()
  await running.catch(() => {})
})

test.serial('each server has a budget of its own', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openClusterDatabase(shards)
  const { inserter, addressed } = database.cluster
  const block = blockOf(kinds.flow, [{ time: started - 7_200_000_000 }]).encode()
  for (const shard of [0, 1]) await inserter.insertNative('flow', [block], { token: `budget ${shard}`, shard })
  await makeRoom({ clickhouse: addressed[0], maxBytes: 1, log: quietLog, instruments: { discarded: () => {} } })
  t.deepEqual(
    (await held(database.cluster)).map(({ flows, hour }) => [flows, hour]),
    [
      [0, 1],
      [1, 1],
    ],
  )
})

test.serial('while a shard is away its parts wait, the status says where, and what goes to others is stored', async t => {
  if (!(await hasClickHouse(t))) return
  await using shards = await startShards(2)
  await using database = await openClusterDatabase(shards)
  await using bus = await openTestBus()
  const { context, statuses, stop } = testService()
  using _stopping = { [Symbol.dispose]: stop }
  const running = runEnricher({ bus: bus.bus, clickhouse: database.cluster.inserter, options: { batch } }, context)
  await shards.servers[1][Symbol.asyncDispose]()
  for (let block = 0; block < 8; block++) await bus.bus.publish(flowTopic, [await messageOf('flow', flowsOf(block), block)])
  const reason = await until('a reason', () => statuses.get('store')?.reason)
  t.true(reason.includes(`:${shards.servers[1].httpPort}`), reason)
  const object = { time: started, kind: 'pod', cluster: 'east', uid: 'b', valid_from: started, valid_to: openEnd }
  await bus.bus.publish(topicOf(kinds.object), [{ ...(await messageOf('object', [object])), key: 'b' }])
  const [{ clickhouse }] = await database.cluster.servers()
  await until('the object', async () => (await clickhouse.query<{ n: number }>('SELECT count() AS n FROM object_local')).rows[0].n === 1)
  t.true((await bus.bus.lag()).some(({ topic, messages }) => topic === flowTopic && messages > 0))
  t.false(statuses.get('store')?.ready)
  await t.throwsAsync(
    database.clickhouse.query('SELECT count() FROM flow'),
    { message: /NETWORK_ERROR|ALL_CONNECTION_TRIES_FAILED/ },
    'no answer in part',
  )
  stop()
  await running.catch(() => {})
})

test.serial('a replica that is away is replaced by its sibling', async t => {
  if (!(await hasClickHouse(t))) return
  await using shards = await startShards(1, { replicas: 2 })
  await using database = await openClusterDatabase(shards, { migrated: false })
  const { cluster } = database
  // Replicas of embedded servers cannot fetch from each other: here each keeps what it took.
  const wanted = { database: database.database, ...clusterLayout({ database: database.database, cluster: clusterName, replicated: false }) }
  for (const { clickhouse } of await cluster.servers()) await migrateTo(wanted, clickhouse, quietLog)
  const insert = (token: string) => cluster.inserter.insertNative('flow', [blockOf(kinds.flow, flowsOf(0)).encode()], { token, shard: 0 })
  await insert('one')
  t.deepEqual(
    (await held(cluster)).map(({ flows }) => flows),
    [50, 0],
  )
  await shards.servers[0][Symbol.asyncDispose]()
  await insert('two')
  await insert('three')
  const { rows } = await (await cluster.servers())[1].clickhouse.query('SELECT count() AS flows FROM flow_local')
  t.deepEqual(rows, [{ flows: 100 }])
  await shards.servers[1][Symbol.asyncDispose]()
  await t.throwsAsync(insert('four'), { message: /cannot reach ClickHouse/ })
})
