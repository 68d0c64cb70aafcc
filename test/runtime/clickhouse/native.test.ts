import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import test from 'ava'
import fc from 'fast-check'
import { Block } from '../../../runtime/block/block.ts'
import { LabelColumn } from '../../../runtime/block/columns.ts'
import { Writer } from '../../../runtime/block/writer.ts'
import { clickhouseTypes } from '../../../schema/field.ts'
import { type RecordKind, collectedFields, kinds } from '../../../schema/record.ts'
import { arbitraryRecord, blockOf } from '../../helpers/arbitrary.ts'
import { hasClickHouse, openTestDatabase } from '../../helpers/clickhouse.ts'

/** A field that numbers the rows, so that they come back in the order they were written. */
const numbering: Record<string, string> = {
  flow: 'socket_cookie',
  request: 'correlation_id',
  span: 'duration',
  sample: 'series',
  loss: 'count',
  object: 'uid',
}

const numbered = (kind: RecordKind, records: Record<string, unknown>[]) =>
  records.map((record, row) => ({ ...record, [numbering[kind.name]]: kind.name === 'object' ? String(row).padStart(6, '0') : row }))

for (const kind of Object.values(kinds))
  test(`${kind.name}: what is inserted is what was written, whatever it is`, async t => {
    if (!(await hasClickHouse(t))) return
    await using database = await openTestDatabase()
    const { clickhouse } = database
    const columns = collectedFields(kind).map(([name]) => name)
    // Records of any time are older than the table keeps.
    await clickhouse.command(`SYSTEM STOP MERGES ${database.database}.${kind.name}`)
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryRecord(kind), { minLength: 1, maxLength: 30 }), async records => {
        await clickhouse.command(`TRUNCATE TABLE ${kind.name}`)
        const written = Buffer.from(blockOf(kind, numbered(kind, records)).encode())
        await clickhouse.insertNative(kind.name, [written], { token: `run-${run++}` })
        const select = `SELECT ${columns.join(', ')} FROM ${kind.name} ORDER BY ${numbering[kind.name]}`
        // One thread, so that the answer is one block.
        const read = new Block(await buffer(await clickhouse.stream(`${select} FORMAT Native`, { settings: { max_threads: 1 } })), kind)
        const expected = new Block(written, kind).records()
        assert.deepStrictEqual(read.records(), expected)

        const plain = collectedFields(kind).filter(([, { type }]) => !['time', 'address', 'float64', 'numbers'].includes(type))
        const { rows } = await clickhouse.query<Record<string, unknown>>(select)
        const only = (records: Record<string, unknown>[]) => records.map(record => plain.map(([name]) => record[name]))
        assert.deepStrictEqual(only(rows), only(expected))
      }),
      { numRuns: 12, endOnFailure: true },
    )
    t.pass()
  })

test('several blocks in one insert are one part a partition', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const time = Date.now() * 1000
  const blocks = Array.from({ length: 20 }, () =>
    Buffer.from(
      blockOf(
        kinds.flow,
        Array.from({ length: 500 }, () => ({ time })),
      ).encode(),
    ),
  )
  await database.clickhouse.insertNative('flow', blocks, { token: 'many' })
  const { rows } = await database.clickhouse.query(
    "SELECT count() AS parts, sum(rows) AS rows FROM system.parts WHERE database = currentDatabase() AND table = 'flow' AND level = 0",
  )
  t.deepEqual(rows, [{ parts: 1, rows: 10_000 }])
})

test('records of more hours than a server takes partitions of are one insert all the same', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const now = Date.now()
  const hours = Array.from({ length: 150 }, (_, hour) => ({ time: (now - hour * 3_600_000) * 1000 }))
  const blocks = [hours.slice(0, 75), hours.slice(75)].map(records => Buffer.from(blockOf(kinds.flow, records).encode()))
  await database.clickhouse.insertNative('flow', blocks, { token: 'replayed' })
  for (const [table, sum] of [
    ['flow', 'count()'],
    ['flow_1h', 'sum(records)'],
  ]) {
    const { rows } = await database.clickhouse.query(`SELECT ${sum} AS n FROM ${table}`)
    t.deepEqual(rows, [{ n: 150 }], table)
  }
})

test('blocks of one insert may each leave out what holds only defaults', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const time = Date.now() * 1000
  const records = [
    { time, verdict: 'dropped', dst_port: 1 },
    { time, weight: 5, dst_port: 2 },
    { time, src_address: '10.0.0.1', dst_port: 3 },
  ]
  const blocks = records.map(record => Buffer.from(blockOf(kinds.flow, [record]).encode()))
  t.deepEqual([...new Block(blocks[1]).columns].map(({ name }) => name).sort(), ['dst_port', 'time', 'weight'])
  await database.clickhouse.insertNative('flow', blocks, { token: 'different' })
  const { rows } = await database.clickhouse.query('SELECT verdict, weight, src_address, type FROM flow ORDER BY dst_port')
  t.deepEqual(rows, [
    { verdict: 'dropped', weight: 1, src_address: '::', type: 'unknown' },
    { verdict: 'unknown', weight: 5, src_address: '::', type: 'unknown' },
    { verdict: 'unknown', weight: 1, src_address: '::ffff:10.0.0.1', type: 'unknown' },
  ])
})

test('a block with a subset of the columns in any order is taken', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const label = new LabelColumn(2)
  label.set(1, 'web')
  const empty = new Block(Buffer.from([0, 0]))
  t.is(empty.rows, 0)
  const out = new Writer()
  out.varuint(2)
  out.varuint(2)
  for (const [name, type, write] of [
    ['dst_workload', clickhouseTypes.label, () => label.write(out, 2)],
    ['time', clickhouseTypes.time, () => out.raw(new BigUint64Array(2).fill(BigInt(Date.now()) * 1000n))],
  ] as const) {
    out.text(name)
    out.text(type)
    write()
  }
  await database.clickhouse.insertNative('flow', [out.bytes()], { token: 'subset' })
  const { rows } = await database.clickhouse.query('SELECT dst_workload, verdict, weight FROM flow ORDER BY dst_workload')
  t.deepEqual(rows, [
    { dst_workload: '', verdict: 'unknown', weight: 1 },
    { dst_workload: 'web', verdict: 'unknown', weight: 1 },
  ])
})
