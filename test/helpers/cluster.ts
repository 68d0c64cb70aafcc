import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { migrateCluster } from '../../deploy/migrate-cluster.ts'
import { type ClickHouse, openClickHouse } from '../../runtime/clickhouse/client.ts'
import { type Cluster, openCluster } from '../../runtime/clickhouse/cluster.ts'
import { type EmbeddedClickHouse, openEmbeddedClickHouse } from '../../runtime/clickhouse/embedded.ts'
import { withSiblings } from '../../runtime/clickhouse/failover.ts'
import { freePort } from '../../runtime/clickhouse/ports.ts'
import { openLog } from '../../runtime/log.ts'

const log = openLog({ level: 'error' })

export const clusterName = 'test'

/** Embedded servers that know each other as the shards of one cluster. */
export interface TestShards extends AsyncDisposable {
  servers: EmbeddedClickHouse[]
  urls: string[]
}

interface Shape {
  /** Servers of each shard. */
  replicas?: number
  /** What the servers call each other's machine. */
  host?: string
  /** Of each server, by its number from 0. */
  macros?: (server: number) => Partial<Record<'shard' | 'replica', string>>
}

export async function startShards(
  count: number,
  { replicas = 1, host = '127.0.0.1', macros = plainMacros(replicas) }: Shape = {},
): Promise<TestShards> {
  await using stack = new AsyncDisposableStack()
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-cluster-'))
  const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  stack.defer(remove)
  process.once('exit', remove)
  const ports = await Promise.all(Array.from({ length: count * replicas }, () => freePort()))
  const passwords = JSON.stringify({ weir: randomBytes(9).toString('hex'), reader: randomBytes(9).toString('hex') })
  const servers: EmbeddedClickHouse[] = []
  for (const [index, tcpPort] of ports.entries()) {
    const dataDir = path.join(directory, String(index))
    await mkdir(dataDir)
    await writeFile(path.join(dataDir, 'passwords.json'), passwords)
    const config =
      remoteServers(ports, { replicas, host }) +
      element('macros', ...Object.entries(macros(index)).map(([name, value]) => element(name, value)))
    servers.push(stack.use(await openEmbeddedClickHouse({ dataDir, log, readable: 'weir*.*', cluster: { tcpPort, config } })))
  }
  const held = stack.move()
  return { servers, urls: servers.map(({ url }) => url), [Symbol.asyncDispose]: () => held.disposeAsync() }
}

const plainMacros = (replicas: number) => (server: number) => ({
  shard: `${Math.floor(server / replicas) + 1}`,
  replica: `${(server % replicas) + 1}`,
})

const element = (name: string, ...content: string[]) => `<${name}>${content.join('')}</${name}>`

function remoteServers(ports: readonly number[], { replicas, host }: { replicas: number; host: string }): string {
  const all = ports.map(port => element('replica', element('host', host), element('port', String(port))))
  const shards = all.flatMap((_, at) => (at % replicas ? [] : [element('shard', ...all.slice(at, at + replicas))]))
  return element('remote_servers', element(clusterName, element('secret', 'test'), ...shards))
}

/** A database of its own on every shard: what is inserted goes to the shard it names, what is asked is asked of the first server. */
export interface ClusterDatabase extends AsyncDisposable {
  cluster: Cluster
  clickhouse: ClickHouse
  database: string
}

export async function openClusterDatabase({ urls, servers }: TestShards, { migrated = true } = {}): Promise<ClusterDatabase> {
  await using stack = new AsyncDisposableStack()
  const database = `weir_test_${randomBytes(6).toString('hex')}`
  const cluster = stack.use(await openCluster({ urls, database, cluster: clusterName }))
  const reader = stack.use(withSiblings(servers.map(({ url }) => openClickHouse({ url, database, cluster: clusterName }))))
  if (migrated) await migrateCluster({ cluster, log })
  const held = stack.move()
  return {
    cluster,
    clickhouse: { ...reader, ...cluster.inserter },
    database,
    async [Symbol.asyncDispose]() {
      const servers = urls.map(url => openClickHouse({ url, database: 'system' }))
      // A server may have been stopped in between.
      await Promise.allSettled(servers.map(server => server.command(`DROP DATABASE IF EXISTS ${database} SYNC`)))
      await Promise.all(servers.map(server => server[Symbol.asyncDispose]()))
      await held.disposeAsync()
    },
  }
}
