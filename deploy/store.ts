import { setTimeout as sleep } from 'node:timers/promises'
import { type ClickHouse, ClickHouseError, type Inserter, openClickHouse } from '../runtime/clickhouse/client.ts'
import { type Cluster, openCluster } from '../runtime/clickhouse/cluster.ts'
import { withSiblings } from '../runtime/clickhouse/failover.ts'
import { ConfigError } from '../runtime/error.ts'
import { type Logger, describe } from '../runtime/log.ts'
import type { ServiceContext } from '../runtime/service.ts'
import type { Config } from './config.ts'
import { migrate } from './migrate.ts'
import { migrateCluster } from './migrate-cluster.ts'
import type { Change } from './plan.ts'

const retryMs = 1000

/** Who questions are asked: whichever server answers. */
export function openReader({ clickhouse: { url, reader_url, database, cluster } }: Config): ClickHouse {
  return withSiblings(addresses(reader_url ?? url, cluster).map(url => openClickHouse({ url, database, cluster })))
}

/** Where records are inserted, and every server that keeps some of them. */
export interface Shares extends AsyncDisposable {
  clickhouse: Inserter
  servers: readonly ClickHouse[]
  /** The servers of each shard. */
  shards(): Promise<readonly (readonly ClickHouse[])[]>
}

/** A cluster must answer once before anything can be inserted, so this waits until it does. */
export async function openShares(config: Config, { signal, status, log }: ServiceContext): Promise<Shares> {
  if (!config.clickhouse.cluster) {
    const clickhouse = openServer(config)
    return {
      clickhouse,
      servers: [clickhouse],
      shards: async () => [[clickhouse]],
      [Symbol.asyncDispose]: () => clickhouse[Symbol.asyncDispose](),
    }
  }
  for (let attempt = 0; ; attempt++)
    try {
      const cluster = await openShards(config)
      if (attempt) status('store', { ready: true })
      return {
        clickhouse: cluster.inserter,
        servers: cluster.addressed,
        shards: () => shardsOf(cluster),
        [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
      }
    } catch (error) {
      if (!(error instanceof ClickHouseError && error.retriable)) throw error
      if (!attempt) log.warn({ error }, 'no server of the cluster answers, trying again')
      status('store', { ready: false, reason: `clickhouse: ${describe(error)}` })
      await sleep(retryMs, undefined, { signal })
    }
}

const shardsOf = async (cluster: Cluster) =>
  [...Map.groupBy(await cluster.servers(), ({ shard }) => shard)]
    .sort(([a], [b]) => a - b)
    .map(([, servers]) => servers.map(({ clickhouse }) => clickhouse))

/** Creates or updates the tables, on every server there is. */
export async function migrateStore(config: Config, log: Logger): Promise<Change[]> {
  const { days, replicated } = config.clickhouse
  if (!config.clickhouse.cluster) {
    await using clickhouse = openServer(config)
    return await migrate({ clickhouse, log, days })
  }
  await using cluster = await openShards(config)
  return await migrateCluster({ cluster, replicated, log, days })
}

function openServer({ clickhouse: { url, database, cluster } }: Config): ClickHouse {
  return openClickHouse({ url: addresses(url, cluster)[0], database })
}

function openShards({ clickhouse: { url, database, cluster } }: Config): Promise<Cluster> {
  return openCluster({ urls: addresses(url, cluster), database, cluster: cluster! })
}

function addresses(url: string | undefined, cluster: string | undefined): string[] {
  if (!url)
    throw new ConfigError('clickhouse.url (WEIR_CLICKHOUSE_URL): expected the URL of a ClickHouse server; only weir up brings its own')
  const all = url.split(',')
  if (all.length > 1 && !cluster)
    throw new ConfigError(
      `clickhouse.url (WEIR_CLICKHOUSE_URL): ${all.length} addresses, expected one, or the name of their cluster in clickhouse.cluster`,
    )
  return all
}
