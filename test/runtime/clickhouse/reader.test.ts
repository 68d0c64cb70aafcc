import test from 'ava'
import { ClickHouseError, openClickHouse } from '../../../runtime/clickhouse/client.ts'
import { ForbiddenSqlError, guardedSql } from '../../../runtime/clickhouse/guard.ts'
import { type TestDatabase, hasClickHouse, openTestDatabase } from '../../helpers/clickhouse.ts'

let opened: Promise<TestDatabase> | undefined
// Nothing is written, so one database will do.
const openShared = () => (opened ??= openTestDatabase())
test.after.always(async () => (await opened?.catch(() => undefined))?.[Symbol.asyncDispose]())

const forbidden: Record<string, string> = {
  'INSERT INTO loss (time) VALUES (now())': 'ACCESS_DENIED',
  'CREATE TABLE mine (n UInt8) ENGINE = Memory': 'ACCESS_DENIED',
  'CREATE TEMPORARY TABLE mine (n UInt8)': 'ACCESS_DENIED',
  'DROP TABLE flow': 'ACCESS_DENIED',
  'ALTER TABLE flow DELETE WHERE 1': 'ACCESS_DENIED',
  'SYSTEM SHUTDOWN': 'ACCESS_DENIED',
  'SELECT * FROM system.users': 'ACCESS_DENIED',
  'SELECT * FROM system.processes': 'ACCESS_DENIED',
  "SELECT * FROM file('/etc/passwd', 'LineAsString')": 'ACCESS_DENIED',
  "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')": 'ACCESS_DENIED',
  "SELECT * FROM remote('127.0.0.1', system.one)": 'ACCESS_DENIED',
  "SELECT * FROM executable('ls', 'TSV', 'line String')": 'ACCESS_DENIED',
  "SELECT * FROM s3('http://bucket.example/key', 'CSV', 'line String')": 'ACCESS_DENIED',
  "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')": 'ACCESS_DENIED',
  'SELECT 1 SETTINGS max_execution_time = 0': 'SETTING_CONSTRAINT_VIOLATION',
  'SELECT 1 SETTINGS max_execution_time = 3600': 'SETTING_CONSTRAINT_VIOLATION',
  'SELECT 1 SETTINGS max_memory_usage = 0': 'SETTING_CONSTRAINT_VIOLATION',
  'SELECT 1 SETTINGS max_rows_to_read = 0': 'SETTING_CONSTRAINT_VIOLATION',
  'SELECT 1 SETTINGS max_result_rows = 100000000': 'SETTING_CONSTRAINT_VIOLATION',
  'SELECT 1 SETTINGS readonly = 0': 'READONLY',
  'SELECT number FROM numbers(2000000)': 'TOO_MANY_ROWS_OR_BYTES',
  'SELECT groupArray(number) FROM numbers(1000000000)': 'MEMORY_LIMIT_EXCEEDED',
}

for (const [sql, type] of Object.entries(forbidden))
  test(`a reader is refused: ${sql}`, async t => {
    if (!(await hasClickHouse(t))) return
    const database = await openShared()
    if (!database.readerUrl) return t.pass()
    await using reader = openClickHouse({ url: database.readerUrl, database: database.database })
    const error = (await t.throwsAsync(sql.startsWith('SELECT') ? reader.query(sql) : reader.command(sql))) as ClickHouseError
    t.is(error.type, type, error.message)
    t.false(error.message.includes(new URL(database.readerUrl).password))
  })

test('a reader selects from the records, and may lower its limits', async t => {
  if (!(await hasClickHouse(t))) return
  const database = await openShared()
  if (!database.readerUrl) return t.pass()
  await using reader = openClickHouse({ url: database.readerUrl, database: database.database })
  const { rows } = await reader.query('SELECT count() AS n FROM flow SETTINGS max_execution_time = 3')
  t.deepEqual(rows, [{ n: 0 }])
})

const evasions = [
  "SELECT file('/etc/passwd')",
  "SELECT `file`('/etc/passwd')",
  'SELECT "file"(\'/etc/passwd\')',
  "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
  "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
  "/* ' */ SELECT file('/etc/passwd') /* ' */",
  "SELECT 1 AS `'`, file('/etc/passwd') AS `'`",
  "SELECT 'a\\'', file('/etc/passwd'), ''",
  "SELECT $q$'$q$, file('/etc/passwd'), $q$'$q$",
  "SELECT arrayMap(file, ['/etc/passwd'])",
  "SELECT 1 -- '\n, file('/etc/passwd') -- '",
  "SELECT * FROM file('/etc/passwd')",
  "WITH (SELECT file('/etc/passwd')) AS x SELECT x",
]

for (const sql of evasions)
  test(`the guard refuses what reads files: ${sql}`, async t => {
    if (!(await hasClickHouse(t))) return
    const database = await openShared()
    await t.throwsAsync(guardedSql(database.clickhouse, sql), { instanceOf: ForbiddenSqlError })
  })

const harmless = [
  "SELECT count() FROM request WHERE path LIKE '%/file%'",
  "SELECT 'it''s a file' AS profile, \"path\" FROM request",
  'SELECT $q$file$q$ AS text FORMAT JSON',
]

for (const sql of harmless)
  test(`the guard lets pass: ${sql}`, async t => {
    if (!(await hasClickHouse(t))) return
    const database = await openShared()
    await t.notThrowsAsync(guardedSql(database.clickhouse, sql))
  })
