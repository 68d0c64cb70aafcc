import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { ClickHouseError, openClickHouse } from '../../../runtime/clickhouse/client.ts'
import { type EmbeddedStatus, openEmbeddedClickHouse } from '../../../runtime/clickhouse/embedded.ts'
import { openLog } from '../../../runtime/log.ts'
import { hasClickHouse } from '../../helpers/clickhouse.ts'

// A server that is killed on purpose is an error in the log.
const log = openLog({ write: () => {} })

async function directory(t: ExecutionContext): Promise<string> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'weir-embedded-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  return dataDir
}

const running = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function until(what: () => boolean, withinMs = 15_000): Promise<boolean> {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; await sleep(20)) if (what()) return true
  return false
}

test('a second start finds the data of the first, and the passwords are for the owner only', async t => {
  if (!(await hasClickHouse(t))) return
  const dataDir = await directory(t)
  const urls: string[] = []
  for (const expected of [1, 2]) {
    await using server = await openEmbeddedClickHouse({ dataDir, log })
    await using clickhouse = openClickHouse({ url: server.url, database: 'default' })
    urls.push(new URL(server.url).password)
    await clickhouse.command('CREATE TABLE IF NOT EXISTS kept (n UInt8) ENGINE = MergeTree ORDER BY n')
    await clickhouse.command(`INSERT INTO kept VALUES (${expected})`)
    t.is((await clickhouse.query('SELECT * FROM kept')).rows.length, expected)
  }
  t.is(urls[0], urls[1])
  for (const file of ['passwords.json', 'users.xml', 'config.xml']) t.is((await stat(path.join(dataDir, file))).mode & 0o077, 0, file)
  t.false((await readFile(path.join(dataDir, 'users.xml'), 'utf8')).includes(urls[0]))
})

test('after kill -9 it is back at the same address with every acknowledged row', async t => {
  if (!(await hasClickHouse(t))) return
  const statuses: EmbeddedStatus[] = []
  await using server = await openEmbeddedClickHouse({ dataDir: await directory(t), log, onStatus: status => statuses.push(status) })
  await using clickhouse = openClickHouse({ url: server.url, database: 'default' })
  await clickhouse.command('CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n')
  let acknowledged = 0
  for (let kill = 0; kill < 2; kill++) {
    const { pid } = server
    const timer = setTimeout(() => process.kill(pid!, 'SIGKILL'), 100)
    const insert = async () => {
      for (;;) {
        await clickhouse.command(`INSERT INTO kept VALUES (${acknowledged})`)
        acknowledged++
      }
    }
    const error = await t.throwsAsync(insert, { instanceOf: ClickHouseError })
    t.true((error as ClickHouseError).retriable)
    clearTimeout(timer)
    await until(() => server.status === 'restarting')
    await server.ready()
    t.not(server.pid, pid)
    const { rows } = await clickhouse.query<{ n: number }>(
      'SELECT countIf(n < {acknowledged:UInt64}) AS n FROM (SELECT DISTINCT n FROM kept)',
      {
        params: { acknowledged },
      },
    )
    t.is(rows[0].n, acknowledged)
  }
  t.deepEqual(statuses, ['ready', 'restarting', 'ready', 'restarting', 'ready'])
})

test('it ends when its parent is killed, and the directory is free again', async t => {
  if (!(await hasClickHouse(t))) return
  const dataDir = await directory(t)
  const module = (file: string) => JSON.stringify(new URL(`../../../runtime/${file}`, import.meta.url).href)
  const script = `const { openEmbeddedClickHouse } = await import(${module('clickhouse/embedded.ts')})
const { openLog } = await import(${module('log.ts')})
const server = await openEmbeddedClickHouse({ dataDir: ${JSON.stringify(dataDir)}, log: openLog({ level: 'error' }) })
console.log(server.pid)`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  t.true(running(pid))

  await t.throwsAsync(openEmbeddedClickHouse({ dataDir, log }), { message: new RegExp(`${dataDir} is in use by process ${parent.pid}`) })
  parent.kill('SIGKILL')
  t.true(await until(() => !running(pid)))
  await using again = await openEmbeddedClickHouse({ dataDir, log })
  t.is(again.status, 'ready')
})

test('a port that is taken is named together with its setting', async t => {
  if (!(await hasClickHouse(t))) return
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const httpPort = typeof address === 'object' && address ? address.port : 0
  await t.throwsAsync(openEmbeddedClickHouse({ dataDir: await directory(t), log, httpPort }), {
    message: new RegExp(`port ${httpPort} is taken.*clickhouse.http_port.*WEIR_CLICKHOUSE_HTTP_PORT`),
  })
  taken.close()
  await once(taken, 'close')
  await using server = await openEmbeddedClickHouse({ dataDir: await directory(t), log, httpPort })
  t.is(new URL(server.url).port, String(httpPort))
})

test('nobody comes in without the credentials of a user', async t => {
  if (!(await hasClickHouse(t))) return
  await using server = await openEmbeddedClickHouse({ dataDir: await directory(t), log })
  const { origin } = new URL(server.url)
  const sql = `query=${encodeURIComponent("SELECT file('/etc/hostname')")}`
  const attempts: Record<string, Record<string, string>> = {
    [`${origin}/?${sql}`]: {},
    [`${origin}/?user=default&${sql}`]: {},
    [`${origin}/?${sql}&user=weir&password=x`]: {},
    [`${origin}/play?${sql}`]: {},
    [`${origin}/?a=1&${sql}`]: { 'X-ClickHouse-User': 'default', 'X-ClickHouse-Key': '' },
    [`${origin}/?b=1&${sql}`]: { authorization: `Basic ${btoa('default:')}` },
    [`${origin}/?c=1&${sql}`]: { authorization: `Basic ${btoa('weir:wrong')}` },
  }
  for (const [url, headers] of Object.entries(attempts)) t.not((await fetch(url, { headers })).status, 200, url)
})
