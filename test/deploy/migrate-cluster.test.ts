import test from 'ava'
import { migrate } from '../../deploy/migrate.ts'
import { migrateCluster } from '../../deploy/migrate-cluster.ts'
import { MigrationError } from '../../deploy/plan.ts'
import { ClickHouseError, openClickHouse } from '../../runtime/clickhouse/client.ts'
import { openCluster } from '../../runtime/clickhouse/cluster.ts'
import { ConfigError } from '../../runtime/error.ts'
import { createTable, tables, views } from '../../schema/clickhouse.ts'
import { clusterLayout } from '../../schema/cluster.ts'
import { kinds } from '../../schema/record.ts'
import { blockOf } from '../helpers/arbitrary.ts'
import { hasClickHouse, quietLog as log } from '../helpers/clickhouse.ts'
import { type TestShards, clusterName, openClusterDatabase, startShards } from '../helpers/cluster.ts'

let shards: TestShards
test.before(async t => {
  if (await hasClickHouse(t)) shards = await startShards(2)
})
test.after.always(() => shards?.[Symbol.asyncDispose]())

const hostOf = (server: number) => new URL(shards.urls[server]).host
const raise = (result: PromiseSettledResult<void>) => {
  if (result.status === 'rejected') throw result.reason
}

const whatOf = (changes: { what: string }[]) => changes.map(({ what }) => what)

test.serial('a second migration changes nothing, and several may run at once', async t => {
  if (!shards) return t.pass()
  await using database = await openClusterDatabase(shards, { migrated: false })
  const { cluster } = database
  const made = await Promise.all(Array.from({ length: 3 }, () => migrateCluster({ cluster, log })))
  t.true(made.flat().length > 0)
  t.deepEqual(await migrateCluster({ cluster, log }), [])
})

test.serial('what a server lacks is put back there, in local tables and over them', async t => {
  if (!shards) return t.pass()
  await using database = await openClusterDatabase(shards)
  const { cluster } = database
  const [first, second] = await cluster.servers()
  for (const sql of [
    'ALTER TABLE flow_local DROP COLUMN conversation',
    'ALTER TABLE flow DROP COLUMN conversation',
    'DROP TABLE loss',
    'DROP VIEW request_1h_view',
  ])
    await second.clickhouse.command(sql).catch(() => {})
  await first.clickhouse.command("CREATE OR REPLACE TABLE loss (time DateTime) ENGINE = Distributed('test', 'weir', 'elsewhere')")
  t.deepEqual(whatOf(await migrateCluster({ cluster, log, days: { flow: 2 } })), [
    `${hostOf(0)}: flow_local: keeps toDateTime(time) + toIntervalDay(2)`,
    `${hostOf(0)}: loss: Distributed('test', '${database.database}', 'loss_local')`,
    `${hostOf(1)}: flow_local: new columns conversation`,
    `${hostOf(1)}: flow_local: keeps toDateTime(time) + toIntervalDay(2)`,
    `${hostOf(1)}: view request_1h_view`,
    `${hostOf(1)}: flow: new columns conversation`,
    `${hostOf(1)}: table loss over the cluster`,
  ])
  t.deepEqual(await migrateCluster({ cluster, log, days: { flow: 2 } }), [])
  t.deepEqual((await database.clickhouse.query('SELECT conversation FROM flow')).rows, [])
})

test.serial('nothing is changed anywhere when one server refuses', async t => {
  if (!shards) return t.pass()
  await using database = await openClusterDatabase(shards)
  const [first, second] = await database.cluster.servers()
  await first.clickhouse.command('DROP TABLE loss')
  await second.clickhouse.command('ALTER TABLE flow_local MODIFY COLUMN src_port UInt32')
  const message = /flow_local\.src_port is UInt32, expected UInt16: rename the table/
  await t.throwsAsync(migrateCluster({ cluster: database.cluster, log }), { instanceOf: MigrationError, message })
  t.deepEqual(
    (await first.clickhouse.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND name = 'loss'")).rows,
    [],
  )
})

test.serial('the tables of a single server are refused with what makes them a share of the cluster, and that works', async t => {
  if (!shards) return t.pass()
  await using database = await openClusterDatabase(shards, { migrated: false })
  await using single = openClickHouse({ url: shards.urls[0], database: database.database })
  await migrate({ clickhouse: single, log })
  const insert = (token: string) => single.insertNative('flow', [blockOf(kinds.flow, [{ time: Date.now() * 1000 }]).encode()], { token })
  await insert('before')
  const { cluster } = database
  const error = await t.throwsAsync(migrateCluster({ cluster, log }), {
    instanceOf: MigrationError,
    message: /belong to a single server: choose another database/,
  })
  const statements = error!.message.match(/(DROP VIEW|RENAME TABLE)[^;]*/g)!
  t.is(statements.length, tables().length + views('weir').length)
  for (const sql of statements) await single.command(sql)
  await migrateCluster({ cluster, log })
  for (const shard of [0, 1])
    await cluster.inserter.insertNative('flow', [blockOf(kinds.flow, [{ time: Date.now() * 1000 }]).encode()], { token: 'after', shard })
  const { rows } = await database.clickhouse.query('SELECT (SELECT count() FROM flow) AS flows, (SELECT sum(records) FROM flow_1h) AS hour')
  t.deepEqual(rows, [{ flows: 3, hour: 3 }])
  await t.throwsAsync(migrate({ clickhouse: single, log }), {
    instanceOf: MigrationError,
    message: /belong to a cluster: name it \(clickhouse\.cluster/,
  })
})

test.serial('wrong settings name the setting', async t => {
  if (!shards) return t.pass()
  const open = (urls: readonly string[], cluster = clusterName) => openCluster({ urls, cluster, database: 'weir' })
  await t.throwsAsync(open(shards.urls, 'nowhere'), {
    instanceOf: ConfigError,
    message: /^clickhouse\.cluster \(WEIR_CLICKHOUSE_CLUSTER\): expected a cluster that .* knows \(test\), got "nowhere"$/,
  })
  await using twice = await open([shards.urls[0], shards.urls[0]])
  await t.throwsAsync(twice.servers(), {
    instanceOf: ConfigError,
    message: /clickhouse\.url .* but none is replica 1 of shard 2 \(127\.0\.0\.1\)/,
  })
})

test.serial('of one address the others are made, with the names the servers have for each other', async t => {
  if (!shards) return t.pass()
  await using named = await startShards(2, { host: 'localhost' })
  await using cluster = await openCluster({ urls: named.urls.slice(0, 1), cluster: clusterName, database: 'weir' })
  const { port } = new URL(named.urls[0])
  t.deepEqual(
    (await cluster.servers()).map(({ shard, replica, clickhouse }) => [shard, replica, clickhouse.where]),
    [
      [1, 1, `http://localhost:${port}`],
      [2, 1, `http://localhost:${port}`],
    ],
  )
})

test.serial('a shard of which nobody knows yet where it is keeps no other waiting', async t => {
  if (!shards) return t.pass()
  await using database = await openClusterDatabase(shards)
  await using cluster = await openCluster({
    urls: ['http://127.0.0.1:9', shards.urls[0]],
    cluster: clusterName,
    database: database.database,
  })
  const block = blockOf(kinds.flow, [{ time: Date.now() * 1000 }]).encode()
  await cluster.inserter.insertNative('flow', [block], { token: 'one', shard: 0 })
  const lost = await Promise.allSettled(['two', 'three'].map(token => cluster.inserter.insertNative('flow', [block], { token, shard: 1 })))
  for (const insert of lost)
    t.throws(() => raise(insert), {
      instanceOf: ClickHouseError,
      message: /^nobody knows where shard 2 of the cluster test is: cannot reach ClickHouse at http:\/\/127\.0\.0\.1:9/,
    })
  await t.throwsAsync(cluster.servers(), { message: /cannot reach ClickHouse at http:\/\/127\.0\.0\.1:9/ })
})

test.serial('replicas that would not find each other, or find strangers, are refused', async t => {
  if (!shards) return t.pass()
  await using wrong = await startShards(2, { macros: server => (server ? { shard: '1', replica: 'a' } : { shard: '1' }) })
  await using database = await openClusterDatabase(wrong, { migrated: false })
  const [one, two] = wrong.urls.map(url => new URL(url).host)
  await t.throwsAsync(migrateCluster({ cluster: database.cluster, replicated: true, log }), {
    instanceOf: MigrationError,
    message: `the cluster's servers cannot replicate:
- ${one} has no macro {replica}: give it one in its configuration
- ${one} and ${two} are of different shards, but their macros {shard} are the same`,
  })
})

test.serial('replicated tables are what they are elsewhere, with a path of each shard and a week of tokens', async t => {
  if (!shards) return t.pass()
  const { tables: local } = clusterLayout({ database: 'weir', cluster: clusterName, replicated: true })
  const path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
  t.deepEqual(Object.fromEntries(local.map(({ name, engine }) => [name, engine])), {
    flow_local: `ReplicatedMergeTree(${path})`,
    flow_1m_local: `ReplicatedAggregatingMergeTree(${path})`,
    flow_1h_local: `ReplicatedAggregatingMergeTree(${path})`,
    request_local: `ReplicatedMergeTree(${path})`,
    request_1m_local: `ReplicatedAggregatingMergeTree(${path})`,
    request_1h_local: `ReplicatedAggregatingMergeTree(${path})`,
    span_local: `ReplicatedMergeTree(${path})`,
    span_1m_local: `ReplicatedAggregatingMergeTree(${path})`,
    span_1h_local: `ReplicatedAggregatingMergeTree(${path})`,
    span_edge_local: `ReplicatedMergeTree(${path})`,
    sample_local: `ReplicatedMergeTree(${path})`,
    sample_1m_local: `ReplicatedAggregatingMergeTree(${path})`,
    sample_1h_local: `ReplicatedAggregatingMergeTree(${path})`,
    loss_local: `ReplicatedMergeTree(${path})`,
    object_local: `ReplicatedReplacingMergeTree(${path}, time)`,
    reattribution_local: `ReplicatedReplacingMergeTree(${path}, step)`,
  })
  await using server = openClickHouse({ url: shards.urls[0], database: 'system' })
  for (const table of local) {
    const sql = createTable(table, 'weir')
    t.regex(sql, /replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800/)
    t.notRegex(sql, /non_replicated/)
    await t.notThrowsAsync(server.query('SELECT formatQuery({sql:String})', { params: { sql } }))
  }
})
