import { createServer } from 'node:net'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { migrate } from '../../../deploy/migrate.ts'
import { type ClickHouse, ClickHouseError, openClickHouse } from '../../../runtime/clickhouse/client.ts'
import { openEmbeddedClickHouse } from '../../../runtime/clickhouse/embedded.ts'
import { openLog } from '../../../runtime/log.ts'
import { kinds } from '../../../schema/record.ts'
import { blockOf } from '../../helpers/arbitrary.ts'
import { hasClickHouse, openTestDatabase } from '../../helpers/clickhouse.ts'

const tables = ['flow', 'flow_1m', 'flow_1h']

/** Records by table: the rows of the first, the sum the rollups hold. */
const counts = (clickhouse: ClickHouse) =>
  Promise.all(
    tables.map(async table => {
      const sql = `SELECT ${table === 'flow' ? 'count()' : 'sum(records)'} AS n FROM ${table}`
      return (await clickhouse.query<{ n: number }>(sql)).rows[0].n
    }),
  )

/** Rows over three minutes and two namespaces, different for each seed. */
function someFlows(seed: number, count: number): Buffer {
  const start = Math.floor(Date.now() / 86_400_000) * 86_400_000_000
  const records = Array.from({ length: count }, (_, i) => ({
    time: start + (i % 3) * 60_000_000 + seed,
    dst_namespace: `n${i % 2}`,
    bytes: i,
  }))
  return Buffer.from(blockOf(kinds.flow, records).encode())
}

test('an insert that is repeated with its token counts once in the table and in both rollups', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  const blocks = [someFlows(1, 1000), someFlows(2, 500)]
  for (let i = 0; i < 3; i++) await clickhouse.insertNative('flow', blocks, { token: 'flow/0:1-2' })
  t.deepEqual(await counts(clickhouse), [1500, 1500, 1500])
  await clickhouse.insertNative('flow', blocks, { token: 'flow/0:3-4' })
  t.deepEqual(await counts(clickhouse), [3000, 3000, 3000], 'the same rows under another token are other rows')
})

test('inserts that are cut off by kill -9 and repeated count once', async t => {
  if (!(await hasClickHouse(t))) return
  const dataDir = await mkdtemp(path.join(tmpdir(), 'weir-kill-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const log = openLog({ write: () => {} })
  await using server = await openEmbeddedClickHouse({ dataDir, log })
  await using clickhouse = openClickHouse({ url: server.url })
  await migrate({ clickhouse, log })
  let kills = 0
  const inserts = 12
  for (let number = 0; number < inserts; number++) {
    const block = someFlows(number, 5000)
    // Later and later within the insert: before, between and after the parts of the table and its rollups are written.
    const { pid } = server
    const timer = number % 2 ? setTimeout(() => ++kills && process.kill(pid!, 'SIGKILL'), number * 4) : undefined
    for (;;)
      try {
        await clickhouse.insertNative('flow', [block, block], { token: `flow/0:${number}` })
        break
      } catch (error) {
        if (!(error instanceof ClickHouseError) || !error.retriable) throw error
        await sleep(20)
      }
    clearTimeout(timer)
    await clickhouse.insertNative('flow', [block, block], { token: `flow/0:${number}` }).catch(() => {})
  }
  await server.ready()
  t.true(kills > 0)
  const total = inserts * 10_000
  t.deepEqual(await counts(clickhouse), [total, total, total])
})

const refused: [sql: string, type: string][] = [
  ['SELEC 1', 'SYNTAX_ERROR'],
  ['SELECT nothing FROM flow', 'UNKNOWN_IDENTIFIER'],
  ['SELECT * FROM nothing', 'UNKNOWN_TABLE'],
  ["SELECT toUInt8('x')", 'CANNOT_PARSE_TEXT'],
]

for (const [sql, type] of refused)
  test(`${type} will not go away by trying again`, async t => {
    if (!(await hasClickHouse(t))) return
    await using database = await openTestDatabase()
    const error = await t.throwsAsync(database.clickhouse.query(sql), { instanceOf: ClickHouseError })
    t.like(error, { type, retriable: false })
    t.true((error as ClickHouseError).code > 0)
  })

test('limits of time and memory may be kept another time', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const slow = database.clickhouse.query('SELECT sum(sleepEachRow(0.1)) FROM numbers(50)', {
    settings: { max_execution_time: 1, max_block_size: '1' },
  })
  t.like(await t.throwsAsync(slow), { type: 'TIMEOUT_EXCEEDED', retriable: true })
  const large = database.clickhouse.query('SELECT groupArray(number) FROM numbers(10000000)', {
    settings: { max_memory_usage: '10000000' },
  })
  t.like(await t.throwsAsync(large), { type: 'MEMORY_LIMIT_EXCEEDED', retriable: true })
})

test('an insert into a table that is not there yet may succeed later, one of a wrong type never', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  t.like(await t.throwsAsync(database.clickhouse.insertNative('later', [someFlows(1, 1)], { token: 'a' })), {
    type: 'UNKNOWN_TABLE',
    retriable: true,
  })
  const truncated = someFlows(1, 10).subarray(0, 60)
  const error = (await t.throwsAsync(database.clickhouse.insertNative('flow', [truncated], { token: 'b' }))) as ClickHouseError
  t.false(error.retriable, error.message)
})

test('a server that is not there can be asked later, and its password is not told', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  server.close()
  await once(server, 'close')
  await using clickhouse = openClickHouse({ url: `http://weir:hushhush@127.0.0.1:${port}` })
  const error = (await t.throwsAsync(clickhouse.query('SELECT 1'), { instanceOf: ClickHouseError })) as ClickHouseError
  t.true(error.retriable)
  t.true(error.message.includes(`127.0.0.1:${port}`))
  t.false(error.stack!.includes('hushhush'))
  t.false(await clickhouse.ping())
})

test('what is asked for under a signal ends with it', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const asked = database.clickhouse.query('SELECT sum(sleepEachRow(0.1)) FROM numbers(50)', {
    settings: { max_block_size: '1' },
    signal: AbortSignal.timeout(200),
  })
  await t.throwsAsync(asked, { name: 'TimeoutError' })
})

test('an error in the midst of a long result is an error', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const late = database.clickhouse.query('SELECT throwIf(number = 900000) FROM numbers(1000000)', { settings: { max_block_size: '1000' } })
  t.like(await t.throwsAsync(late), { type: 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO' })
})

test('rows are objects, 64-bit numbers are numbers, parameters are values', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const text = "it's \\ a\ttab\nand 名"
  const { rows, columns } = await database.clickhouse.query(
    'SELECT toUInt64(9007199254740991) AS n, {text:String} AS text, nan AS none, {list:Array(String)} AS list',
    { params: { text, list: [text, ''] } },
  )
  t.deepEqual(rows, [{ n: 9007199254740991, text, none: null, list: [text, ''] }])
  t.deepEqual(columns[0], { name: 'n', type: 'UInt64' })
  t.true(await database.clickhouse.ping())
})
