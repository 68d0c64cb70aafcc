import test from 'ava'
import fc from 'fast-check'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { rollupKeys, tables, views } from '../../schema/clickhouse.ts'
import { collectedFields, kinds } from '../../schema/record.ts'
import { storedTable } from '../../schema/cluster.ts'
import { hasClickHouse, openTestDatabase } from '../helpers/clickhouse.ts'

const nowMicros = () => Date.now() * 1000

type End = [address: string, portOrIcmp: number]

/** Vectors published with the specification: protocol, both ends (or ICMP type and code), Community ID. */
const conversations: [protocol: string, source: End, destination: End, id: string][] = [
  ['tcp', ['128.232.110.120', 34855], ['66.35.250.204', 80], '1:LQU9qZlK+B5F3KDmev6m5PMibrg='],
  ['tcp', ['66.35.250.204', 80], ['128.232.110.120', 34855], '1:LQU9qZlK+B5F3KDmev6m5PMibrg='],
  ['udp', ['192.168.1.52', 54585], ['8.8.8.8', 53], '1:d/FP5EW3wiY1vCndhwleRRKHowQ='],
  ['udp', ['8.8.8.8', 53], ['192.168.1.52', 54585], '1:d/FP5EW3wiY1vCndhwleRRKHowQ='],
  ['sctp', ['192.168.170.8', 7], ['192.168.170.56', 80], '1:jQgCxbku+pNGw8WPbEc/TS/uTpQ='],
  ['icmpv4', ['192.168.0.89', 8], ['192.168.0.1', 0], '1:X0snYXpgwiv9TZtqg64sgzUn6Dk='],
  ['icmpv4', ['192.168.0.1', 0], ['192.168.0.89', 0], '1:X0snYXpgwiv9TZtqg64sgzUn6Dk='],
  ['icmpv4', ['192.168.0.89', 20], ['192.168.0.1', 0], '1:3o2RFccXzUgjl7zDpqmY7yJi8rI='],
  ['icmpv4', ['192.168.0.89', 20], ['192.168.0.1', 1], '1:tz/fHIDUHs19NkixVVoOZywde+I='],
  ['icmpv6', ['fe80::200:86ff:fe05:80da', 135], ['fe80::260:97ff:fe07:69ea', 0], '1:dGHyGvjMfljg6Bppwm3bg0LO8TY='],
  ['icmpv6', ['fe80::260:97ff:fe07:69ea', 136], ['fe80::200:86ff:fe05:80da', 0], '1:dGHyGvjMfljg6Bppwm3bg0LO8TY='],
  ['icmpv6', ['3ffe:507:0:1:260:97ff:fe07:69ea', 3], ['3ffe:507:0:1:200:86ff:fe05:80da', 0], '1:NdobDX8PQNJbAyfkWxhtL2Pqp5w='],
  ['icmpv6', ['3ffe:507:0:1:200:86ff:fe05:80da', 3], ['3ffe:507:0:1:260:97ff:fe07:69ea', 0], '1:/OGBt9BN1ofenrmSPWYicpij2Vc='],
]

test('the conversation of a flow is the Community ID others compute', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const block = new BlockBuilder(kinds.flow)
  for (const [row, [protocol, source, destination]] of conversations.entries()) {
    const ends = { src_address: source[0], dst_address: destination[0] }
    const detail = protocol.startsWith('icmp')
      ? { icmp_type: source[1], icmp_code: destination[1] }
      : { src_port: source[1], dst_port: destination[1] }
    block.add({ time: nowMicros(), socket_cookie: row, protocol, ...ends, ...detail })
  }
  await database.clickhouse.insertNative('flow', [block.encode()], { token: 'vectors' })
  const { rows } = await database.clickhouse.query<{ id: string }>('SELECT conversation AS id FROM flow ORDER BY socket_cookie')
  t.deepEqual(
    rows.map(({ id }) => id),
    conversations.map(([, , , id]) => id),
  )
})

test('what is no transport has no conversation, and what has no ports has one', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const block = new BlockBuilder(kinds.flow)
  for (const protocol of ['', 'igmp', 'vrrp']) block.add({ time: nowMicros(), protocol, src_address: '10.0.0.1', dst_address: '10.0.0.2' })
  await database.clickhouse.insertNative('flow', [block.encode()], { token: 'others' })
  const { rows } = await database.clickhouse.query("SELECT protocol, conversation != '' AS has FROM flow ORDER BY protocol")
  t.deepEqual(rows, [
    { protocol: '', has: 0 },
    { protocol: 'igmp', has: 1 },
    { protocol: 'vrrp', has: 1 },
  ])
})

test('columns nobody wrote hold the defaults of their fields', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  await database.clickhouse.command(
    `INSERT INTO ${storedTable('flow', database.clickhouse)} (time, src_address) VALUES (now(), toIPv6('10.0.0.1'))`,
  )
  const { rows } = await database.clickhouse.query(
    'SELECT verdict, orientation, orientation_source, weight, src_pod, src_attribution, bytes FROM flow',
  )
  t.deepEqual(rows, [
    { verdict: 'unknown', orientation: 'unknown', orientation_source: 'none', weight: 1, src_pod: '', src_attribution: 'none', bytes: 0 },
  ])
})

test('both rollups hold what the records add up to', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const block = new BlockBuilder(kinds.request)
  const start = Math.floor(Date.now() / 3_600_000) * 3_600_000_000 - 3_600_000_000
  for (let i = 0; i < 1000; i++)
    block.add({
      time: start + i * 1_000_000,
      phase: 'exchange',
      latency: (i + 1) * 1_000_000,
      error: i % 10 === 0,
      weight: 2,
      verdict: 'forwarded',
    })
  block.add({ time: start, phase: 'request', verdict: 'forwarded' })
  await database.clickhouse.insertNative('request', [block.encode()], { token: 'requests' })
  for (const [table, buckets] of [
    ['request_1m', 17],
    ['request_1h', 1],
  ] as const) {
    const measures = Object.entries(kinds.request.measures!).map(([name, { merge }]) => `${merge} AS m_${name}`)
    const { rows } = await database.clickhouse.query<Record<string, unknown>>(
      `SELECT uniqExact(bucket) AS buckets, ${measures.join(', ')} FROM ${table}`,
    )
    const { m_latency: latency, ...sums } = rows[0]
    t.deepEqual(sums, { buckets, m_records: 1001, m_requests: 2001, m_responses: 2000, m_errors: 200 }, table)
    for (const [i, expected] of [500e6, 950e6, 990e6].entries())
      t.true(Math.abs((latency as number[])[i] / expected - 1) < 0.015, `${table}: ${String(latency)}`)
  }
})

test('what comes late is in the rollups of its own minute and hour, and what is sent again is not there twice', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  const [early, late] = [2, 1].map(hours => (Math.floor(Date.now() / 3_600_000) - hours) * 3_600_000_000)
  const insert = (time: number, bytes: number, token: string) => {
    const block = new BlockBuilder(kinds.flow)
    block.add({ time, received: nowMicros(), bytes })
    return clickhouse.insertNative('flow', [block.encode()], { token })
  }
  await insert(late, 10, 'in time')
  await insert(early + 61e6, 7, 'an hour late')
  await insert(early + 61e6, 7, 'an hour late')
  const ofTable = async (table: string) =>
    (
      await clickhouse.query<{ bucket: number; bytes: number }>(
        `SELECT toUnixTimestamp(bucket) * 1000000 AS bucket, sum(bytes) AS bytes FROM ${table} GROUP BY bucket ORDER BY bucket`,
      )
    ).rows
  t.deepEqual(await ofTable('flow_1m'), [
    { bucket: early + 60e6, bytes: 7 },
    { bucket: late, bytes: 10 },
  ])
  t.deepEqual(await ofTable('flow_1h'), [
    { bucket: early, bytes: 7 },
    { bucket: late, bytes: 10 },
  ])
})

test('a rollup keeps apart every combination of its dimensions that came, whichever columns a text stands in', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const keys = rollupKeys(kinds.flow)
  const collected = new Map(collectedFields(kinds.flow))
  const value = (name: string) => (collected.get(name)!.type === 'label' ? fc.constantFrom('', 'a', 'b', 'ab') : fc.nat(2))
  const record = fc.record(Object.fromEntries(keys.filter(name => collected.has(name)).map(name => [name, value(name)])), {
    requiredKeys: [],
  })
  const time = Math.floor(Date.now() / 60_000) * 60_000_000
  const block = new BlockBuilder(kinds.flow)
  // Some are alike, so that there is something to add up.
  for (const given of fc.sample(record, 500)) for (let i = 0; i < 1 + (block.rows % 3); i++) block.add({ ...given, time })
  for (const names of [
    keys.filter(name => /^(src|dst)_(namespace|workload|service|cluster)$/.test(name)),
    keys.filter(name => collected.has(name)).slice(0, 8),
  ])
    for (const choice of Array(256).keys())
      block.add({ time, ...Object.fromEntries(names.map((name, i) => [name, (choice >> i) & 1 ? 'a' : 'b'])) })
  await database.clickhouse.insertNative('flow', [block.encode()], { token: 'flows' })
  const raw = `SELECT ${keys.join(', ')}, count() AS n FROM flow GROUP BY ALL`
  for (const table of ['flow_1m', 'flow_1h']) {
    const stored = `SELECT ${keys.join(', ')}, sum(records) AS n FROM ${table} GROUP BY ALL`
    const { rows } = await database.clickhouse.query(`(${raw} EXCEPT ${stored}) UNION ALL (${stored} EXCEPT ${raw})`)
    t.deepEqual(rows, [], table)
  }
})

test('every dimension of a rollup is a key, so that nothing is added up across it', t => {
  for (const kind of [kinds.flow, kinds.request])
    for (const table of tables({ of: [kind] }).filter(({ engine }) => engine === 'AggregatingMergeTree')) {
      t.deepEqual([...table.orderBy].sort(), ['bucket', ...rollupKeys(kind)].sort())
      t.deepEqual(table.orderBy.slice(0, table.primaryKey.length), table.primaryKey)
      const { select } = views('weir', [kind]).find(({ to }) => to === table.name)!
      for (const { name, expression } of table.columns)
        if (!expression?.startsWith('MATERIALIZED')) t.regex(select, new RegExp(`\\b${name}\\b`))
    }
})

test('every column is described', t => {
  for (const { columns } of tables()) for (const { about } of columns) t.regex(about, /[.…]$/)
})

test('days to keep can be other than the schema says', t => {
  const [flow] = tables({ days: { flow: 2 } })
  t.is(flow.ttl, 'toDateTime(time) + toIntervalDay(2)')
})

test('what goes over one TCP connection has one conversation in every kind of record', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const vectors = conversations.filter(([protocol]) => protocol === 'tcp')
  for (const kind of ['flow', 'request', 'span'] as const) {
    const block = new BlockBuilder(kinds[kind])
    for (const [row, [, source, destination]] of vectors.entries()) {
      const ends = { src_address: source[0], src_port: source[1], dst_address: destination[0], dst_port: destination[1] }
      block.add({ time: nowMicros(), trace_id: String(row), ...ends, ...(kind === 'flow' && { protocol: 'tcp' }) })
    }
    await database.clickhouse.insertNative(kind, [block.encode()], { token: kind })
    const { rows } = await database.clickhouse.query<{ id: string }>(`SELECT conversation AS id FROM ${kind} ORDER BY trace_id`)
    t.deepEqual(
      rows.map(({ id }) => id),
      vectors.map(([, , , id]) => id),
      kind,
    )
  }
})

test('a request has the conversation of its transport, and none where a port is unknown', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const dns = { time: nowMicros(), protocol: 'dns', src_address: '192.168.1.52', src_port: 54585, dst_address: '8.8.8.8', dst_port: 53 }
  const block = new BlockBuilder(kinds.request)
  for (const [row, request] of [{ ...dns, transport: 'udp' }, dns, { ...dns, transport: 'udp', src_port: 0 }].entries())
    block.add({ ...request, correlation_id: row })
  await database.clickhouse.insertNative('request', [block.encode()], { token: 'dns' })
  const { rows } = await database.clickhouse.query<{ id: string }>('SELECT conversation AS id FROM request ORDER BY correlation_id')
  t.deepEqual(
    rows.map(({ id }) => id),
    ['1:d/FP5EW3wiY1vCndhwleRRKHowQ=', '', ''],
  )
})
