import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import type { Cluster, ClusterServer } from '../runtime/clickhouse/cluster.ts'
import { type ClusterLayout, clusterLayout, clusterMacros } from '../schema/cluster.ts'
import { readLayout } from './layout.ts'
import { type MigrateOptions, migrateTo } from './migrate.ts'
import { type Change, MigrationError, planChanges } from './plan.ts'

/**
 * The same as `migrate`, on every server of a cluster, one after the other, each by what it lacks; all must be there. `replicated` keeps
 * replicated tables although no shard has a second replica yet.
 */
export async function migrateCluster({
  cluster,
  replicated = false,
  log,
  days = {},
}: MigrateOptions & { cluster: Cluster; replicated?: boolean }): Promise<Change[]> {
  const servers = await cluster.servers()
  const { database, name } = cluster
  const hasReplicas = servers.some(({ replica }) => replica > 1)
  if (replicated || hasReplicas) await checkMacros(servers)
  const layout: ClusterLayout = clusterLayout({ database, cluster: name, replicated: replicated || hasReplicas, days })
  const wanted = { database, ...layout }
  for (const { clickhouse } of servers) planChanges(await readLayout(clickhouse, wanted), wanted)
  const made: Change[] = []
  for (const { clickhouse } of servers) {
    const changes = await migrateTo(wanted, clickhouse, log)
    made.push(...changes.map(({ what, sql }) => ({ what: `${hostOf(clickhouse)}: ${what}`, sql })))
  }
  return made
}

const hostOf = ({ where }: ClickHouse) => new URL(where).host

interface Named extends ClusterServer {
  macros: Record<string, string>
}

/** Replicas find each other by their macros: with wrong ones shards would hold one another's rows. */
async function checkMacros(servers: readonly ClusterServer[]): Promise<void> {
  const named = await Promise.all(servers.map(async server => ({ ...server, macros: await readMacros(server.clickhouse) })))
  const wrong = named.flatMap(server => [...missing(server), ...clashes(server, named)])
  if (wrong.length) throw new MigrationError(`the cluster's servers cannot replicate:\n${wrong.map(text => `- ${text}`).join('\n')}`)
}

async function readMacros(clickhouse: ClickHouse): Promise<Record<string, string>> {
  const { rows } = await clickhouse.query<{ macro: string; substitution: string }>('SELECT macro, substitution FROM system.macros', {
    database: 'system',
  })
  return Object.fromEntries(rows.map(({ macro, substitution }) => [macro, substitution]))
}

function missing({ macros, clickhouse }: Named): string[] {
  return clusterMacros
    .filter(macro => !macros[macro])
    .map(macro => `${hostOf(clickhouse)} has no macro {${macro}}: give it one in its configuration`)
}

function clashes(server: Named, all: readonly Named[]): string[] {
  const before = all.slice(0, all.indexOf(server)).filter(({ macros }) => macros.shard && server.macros.shard)
  return before.flatMap(other => {
    const [one, two] = [other, server].map(({ clickhouse }) => hostOf(clickhouse))
    const sameShard = other.shard === server.shard
    const sameMacro = other.macros.shard === server.macros.shard
    if (sameShard !== sameMacro)
      return [
        `${one} and ${two} are of ${sameShard ? 'one shard' : 'different shards'}, but their macros {shard} ${sameMacro ? 'are the same' : 'differ'}`,
      ]
    return sameShard && other.macros.replica === server.macros.replica
      ? [`${one} and ${two} are replicas of one shard, but their macros {replica} are the same`]
      : []
  })
}
