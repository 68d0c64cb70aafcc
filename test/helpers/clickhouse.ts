import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import { migrate } from '../../deploy/migrate.ts'
import { type ClickHouse, openClickHouse } from '../../runtime/clickhouse/client.ts'
import { openEmbeddedClickHouse } from '../../runtime/clickhouse/embedded.ts'
import { describe, openLog } from '../../runtime/log.ts'
import { type TestShards, openClusterDatabase, startShards } from './cluster.ts'

export interface TestDatabase extends AsyncDisposable {
  clickhouse: ClickHouse
  /** Address of the server with user and password; the database is not part of it. */
  url: string
  /** The same as a user who may only read. Absent on a server that is not ours. */
  readerUrl?: string
  database: string
}

interface TestServer {
  url: string
  readerUrl?: string
}

export const quietLog = openLog({ level: 'error' })

let server: Promise<TestServer> | undefined

/** The server of this test process: WEIR_TEST_CLICKHOUSE_URL, or an embedded one that ends with the process. */
export function testServer(): Promise<TestServer> {
  server ??= process.env.WEIR_TEST_CLICKHOUSE_URL ? Promise.resolve({ url: process.env.WEIR_TEST_CLICKHOUSE_URL }) : startEmbedded()
  return server
}

async function startEmbedded(): Promise<TestServer> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'weir-clickhouse-'))
  const removed = { recursive: true, force: true, maxRetries: 5 }
  process.once('exit', () => rmSync(dataDir, removed))
  const embedded = await openEmbeddedClickHouse({ dataDir, log: quietLog, readable: 'weir*.*' })
  embedded.unref()
  // Before the directory goes, so that nothing is written into it any more.
  process.prependOnceListener('exit', () => embedded.pid && process.kill(embedded.pid, 'SIGKILL'))
  return embedded
}

let shards: Promise<TestShards> | undefined

/** A database of its own over as many shards as WEIR_TEST_CLICKHOUSE_SHARDS says. */
async function openSharded(count: number): Promise<TestDatabase> {
  shards ??= startShards(count)
  const started = await shards
  for (const server of started.servers) server.unref()
  const opened = await openClusterDatabase(started)
  return { ...opened, url: started.urls[0], readerUrl: started.servers[0].readerUrl }
}

/** A database of its own with every table, dropped at the end. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const count = Number(process.env.WEIR_TEST_CLICKHOUSE_SHARDS)
  if (count) return openSharded(count)
  const { url, readerUrl } = await testServer()
  const database = `weir_test_${randomBytes(6).toString('hex')}`
  const clickhouse = openClickHouse({ url, database })
  await migrate({ clickhouse, log: quietLog })
  return {
    clickhouse,
    url,
    readerUrl,
    database,
    async [Symbol.asyncDispose]() {
      await clickhouse.command(`DROP DATABASE IF EXISTS ${database} SYNC`)
      await clickhouse[Symbol.asyncDispose]()
    },
  }
}

/** Whether there is a server to test with; says so in the test when there is none, and fails it in CI. */
export async function hasClickHouse(t: ExecutionContext): Promise<boolean> {
  try {
    await testServer()
    return true
  } catch (error) {
    if (process.env.CI) throw error
    t.log(`skipped: no ClickHouse (${describe(error)})`)
    t.pass()
    return false
  }
}
