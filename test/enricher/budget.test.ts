import test from 'ava'
import { makeRoom } from '../../enricher/sink/budget.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { kinds } from '../../schema/record.ts'
import { hasClickHouse, openTestDatabase, quietLog } from '../helpers/clickhouse.ts'

const hourMicros = 3_600_000_000

test('near the budget the oldest hours of records go, the newest and all rollups stay, and what went is counted', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  const thisHour = Math.floor(Date.now() / 3_600_000) * hourMicros
  const hours = [0, 1, 2, 3]
  for (const kind of [kinds.flow, kinds.request])
    for (const hour of hours) {
      const block = new BlockBuilder(kind)
      for (let row = 0; row < 5000; row++)
        block.add({
          time: thisHour - hour * hourMicros + row,
          received: row ** 4,
          src_port: (row * 7919) % 65_536,
          trace_id: String(row ** 3),
        })
      await clickhouse.insertNative(kind.name, [block.encode()], { token: `${kind.name} ${hour}` })
    }
  const { rows: parts } = await clickhouse.query<{ bytes: number; raw: number }>(
    `SELECT sum(bytes_on_disk) AS bytes, sumIf(bytes_on_disk, table = 'flow') / 4 AS raw FROM system.parts WHERE active AND database = {database:String}`,
    { params: { database: clickhouse.database } },
  )
  const counted: object[] = []
  const instruments = {
    discarded: (count: number, reason: string, attributes?: object) => void counted.push({ count, reason, ...attributes }),
  }
  const stored = async (table: string, what = `count() AS n`) =>
    (await clickhouse.query<{ n: number }>(`SELECT ${what} FROM ${table}`)).rows[0].n
  const budget = (maxBytes: number) => makeRoom({ clickhouse, maxBytes, log: quietLog, instruments })

  t.true(await budget(parts[0].bytes / 0.89))
  t.is(await stored('flow'), 20_000, 'there is room')
  t.true(await budget((parts[0].bytes - parts[0].raw / 2) / 0.9))
  t.deepEqual([await stored('flow'), await stored('request')].sort(), [15_000, 20_000], 'one hour of one table is enough')
  t.false(await budget(1))
  t.deepEqual([await stored('flow'), await stored('request')], [5000, 5000], 'this hour stays whatever the budget')
  t.is(await stored('flow_1m', 'sum(records) AS n'), 20_000)
  t.is(await stored('request_1h', 'sum(records) AS n'), 20_000)
  t.is(counted.length, 6)
  for (const each of counted) t.like(each, { count: 5000, reason: 'over_budget' })
})
