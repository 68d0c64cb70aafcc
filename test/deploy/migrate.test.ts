import test from 'ava'
import { randomBytes } from 'node:crypto'
import { migrate } from '../../deploy/migrate.ts'
import { MigrationError, planChanges } from '../../deploy/plan.ts'
import { readLayout } from '../../deploy/layout.ts'
import { openClickHouse } from '../../runtime/clickhouse/client.ts'
import { type RecordKind, kinds } from '../../schema/record.ts'
import { tables, views } from '../../schema/clickhouse.ts'
import { blockOf } from '../helpers/arbitrary.ts'
import { hasClickHouse, openTestDatabase, quietLog as log, testServer } from '../helpers/clickhouse.ts'

test('a second run changes nothing', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  t.deepEqual(await migrate({ clickhouse: database.clickhouse, log }), [])
})

test('several processes may run it at once', async t => {
  if (!(await hasClickHouse(t))) return
  const { url } = await testServer()
  await using clickhouse = openClickHouse({ url, database: `weir_test_${randomBytes(6).toString('hex')}` })
  await Promise.all(Array.from({ length: 5 }, () => migrate({ clickhouse, log })))
  t.deepEqual(await migrate({ clickhouse, log }), [])
  await clickhouse.command(`DROP DATABASE ${clickhouse.database}`, { database: 'system' })
})

test('what is missing is put back: tables, views, columns, defaults, indexes, days', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  for (const sql of [
    'DROP TABLE loss',
    'DROP VIEW request_1h_view',
    'ALTER TABLE flow DROP COLUMN conversation',
    'ALTER TABLE flow DROP COLUMN proxy_port',
    'ALTER TABLE request DROP INDEX request_id_lookup',
    'ALTER TABLE span DROP INDEX trace_id_lookup, ADD INDEX trace_id_lookup trace_id TYPE set(100) GRANULARITY 4',
    'ALTER TABLE flow ADD INDEX mine src_address TYPE minmax GRANULARITY 1',
    "ALTER TABLE flow MODIFY COLUMN verdict DEFAULT 'forwarded'",
    'ALTER TABLE flow MODIFY TTL toDateTime(time) + toIntervalDay(1)',
  ])
    await clickhouse.command(sql)
  const changes = await migrate({ clickhouse, log })
  t.deepEqual(
    changes.map(({ what }) => what),
    [
      'flow: new columns proxy_port, conversation',
      "flow: verdict DEFAULT 'unknown'",
      'flow: keeps toDateTime(time) + toIntervalDay(7)',
      'request: index request_id_lookup',
      'span: index trace_id_lookup',
      'table loss',
      'view request_1h_view',
    ],
  )
  t.deepEqual(await migrate({ clickhouse, log }), [])
})

test('days to keep can be configured', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  const days = { flow: 2, flow_1m: 10 }
  t.deepEqual(
    (await migrate({ clickhouse, log, days })).map(({ what }) => what),
    ['flow: keeps toDateTime(time) + toIntervalDay(2)', 'flow_1m: keeps bucket + toIntervalDay(10)'],
  )
  t.deepEqual(await migrate({ clickhouse, log, days }), [])
})

test('a field that becomes a dimension reaches the rollups and what fills them, and old rows stay', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  const flows = (token: string) =>
    clickhouse.insertNative('flow', [blockOf(kinds.flow, [{ time: Date.now() * 1000, src_pod: 'web-1' }]).encode()], { token })
  await flows('before')

  const flow: RecordKind = {
    ...kinds.flow,
    fields: {
      ...kinds.flow.fields,
      src_pod: { ...kinds.flow.fields.src_pod, rollup: true },
      ring: { type: 'uint16', about: 'Ring.', rollup: true },
    },
  }
  const wanted = { database: database.database, tables: tables({ of: [flow] }), views: views(database.database, [flow]) }
  const apply = async () => {
    const { changes } = planChanges(await readLayout(clickhouse, wanted), wanted)
    for (const { sql } of changes) await clickhouse.command(sql)
    return changes.map(({ what }) => what)
  }
  t.deepEqual(await apply(), [
    'flow: new columns ring',
    'flow_1m: new columns src_pod, ring',
    'flow_1h: new columns src_pod, ring',
    'flow_1m_view: new query',
    'flow_1h_view: new query',
  ])
  t.deepEqual(await apply(), [])
  await flows('after')
  for (const table of ['flow_1m', 'flow_1h']) {
    const { rows } = await clickhouse.query(`SELECT src_pod, sum(records) AS n FROM ${table} FINAL GROUP BY src_pod ORDER BY src_pod`)
    t.deepEqual(rows, [
      { src_pod: '', n: 1 },
      { src_pod: 'web-1', n: 1 },
    ])
  }
})

test('a column the schema does not know stays', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  await clickhouse.command('ALTER TABLE flow ADD COLUMN mine String')
  const wanted = { database: database.database, tables: tables(), views: views(database.database) }
  t.deepEqual(planChanges(await readLayout(clickhouse, wanted), wanted), { changes: [], leftAlone: ['flow.mine'] })
  t.deepEqual(await migrate({ clickhouse, log }), [])
})

const losing: Record<string, [change: string[], message: RegExp]> = {
  'a column of another type': [
    ['ALTER TABLE flow MODIFY COLUMN src_port UInt32'],
    /flow\.src_port is UInt32, expected UInt16: rename the table/,
  ],
  'another sorting key': [
    ['DROP TABLE loss', "CREATE TABLE loss (time DateTime64(6, 'UTC'), source LowCardinality(String)) ENGINE = MergeTree ORDER BY source"],
    /loss is sorted by \(source\), expected \(time, source, reporter\): rename the table/,
  ],
  'another engine': [
    ['DROP TABLE object', "CREATE TABLE object (time DateTime64(6, 'UTC')) ENGINE = MergeTree ORDER BY time"],
    /object is a MergeTree, expected ReplacingMergeTree: rename the table/,
  ],
}

for (const [what, [statements, message]] of Object.entries(losing))
  test(`${what} is refused before anything is changed, with what to do`, async t => {
    if (!(await hasClickHouse(t))) return
    await using database = await openTestDatabase()
    const { clickhouse } = database
    await clickhouse.command('DROP VIEW flow_1h_view')
    for (const sql of statements) await clickhouse.command(sql)
    await t.throwsAsync(migrate({ clickhouse, log }), { instanceOf: MigrationError, message })
    const { rows } = await clickhouse.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND name = 'flow_1h_view'")
    t.is(rows.length, 0)
  })
