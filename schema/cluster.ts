import {
  type ColumnDefinition,
  type TableDefinition,
  type TablesOptions,
  type ViewDefinition,
  columnSql,
  deduplicationWindow,
  quoteName,
  quoted,
  tables,
  views,
} from './clickhouse.ts'

/** A table that holds nothing: it asks the servers of a cluster, one of each shard, for the rows of `of`. */
export interface DistributedDefinition {
  name: string
  about: string
  columns: readonly ColumnDefinition[]
  engine: string
}

/** What every server of a cluster has. */
export interface ClusterLayout {
  tables: TableDefinition[]
  views: ViewDefinition[]
  distributed: DistributedDefinition[]
}

export interface ClusterOptions extends TablesOptions {
  database: string
  /** As the servers know it. */
  cluster: string
  replicated: boolean
}

/** The table in which a server of a cluster keeps its share of the rows. */
export const localTable = (table: string) => `${table}_local`

/** The table that holds the rows of a table on a server, which may be one of a cluster. */
export const storedTable = (table: string, { cluster }: { cluster?: string }) => (cluster === undefined ? table : localTable(table))

/** The sizes of the tables of every shard. */
export const tableSizes = 'table_sizes'

/** Macros of each server that tell it apart from the others. */
export const clusterMacros = ['shard', 'replica'] as const

const replicaPath = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"

/** How long the replicas know that an insert was made; by default only for an hour, less than a server may be away. */
const deduplicationSeconds = 7 * 86_400

/**
 * The tables as a cluster has them: each server keeps its share of the rows in a local table, which the rollups are made of where the
 * rows are, and has a Distributed table under the name that questions use.
 */
export function clusterLayout({ database, cluster, replicated, ...of }: ClusterOptions): ClusterLayout {
  const whole = tables(of)
  return {
    tables: whole.map(table => localOf(table, replicated)),
    views: views(database, of.of, localTable),
    distributed: [...whole.map(table => distributedOf(table, database, cluster)), sizesOf(cluster)],
  }
}

function localOf(table: TableDefinition, replicated: boolean): TableDefinition {
  const local = { ...table, name: localTable(table.name) }
  return replicated ? { ...local, engine: replicatedEngine(table.engine), settings: replicatedSettings(table.settings) } : local
}

/** ReplacingMergeTree(time) becomes ReplicatedReplacingMergeTree('…', '…', time). */
function replicatedEngine(engine: string): string {
  const [, name, parameters] = /^(\w+)(?:\((.*)\))?$/.exec(engine)!
  return `Replicated${name}(${[replicaPath, ...(parameters ? [parameters] : [])].join(', ')})`
}

function replicatedSettings(settings: TableDefinition['settings']): TableDefinition['settings'] {
  return {
    ...Object.fromEntries(Object.entries(settings).filter(([name]) => name !== 'non_replicated_deduplication_window')),
    replicated_deduplication_window: deduplicationWindow,
    replicated_deduplication_window_seconds: deduplicationSeconds,
  }
}

const engineOf = (cluster: string, database: string, table: string) => `Distributed(${[cluster, database, table].map(quoted).join(', ')})`

function distributedOf({ name, about, columns }: TableDefinition, database: string, cluster: string): DistributedDefinition {
  return {
    name,
    about,
    columns: columns.map(column => ({ ...column, codec: undefined })),
    engine: engineOf(cluster, database, localTable(name)),
  }
}

const sizesOf = (cluster: string): DistributedDefinition => ({
  name: tableSizes,
  about: 'Sizes of the tables of each shard.',
  columns: [
    { name: 'database', type: 'String', about: 'Database of the table.' },
    { name: 'name', type: 'String', about: 'Name of the table.' },
    { name: 'total_rows', type: 'Nullable(UInt64)', about: 'Its rows.' },
    { name: 'total_bytes', type: 'Nullable(UInt64)', about: 'Its bytes on the disk.' },
  ],
  engine: engineOf(cluster, 'system', 'tables'),
})

/** Replaces a table of the same name that asks others: it holds nothing. */
export function createDistributed(
  { name, columns, engine, about }: DistributedDefinition,
  database: string,
  { replace = false } = {},
): string {
  const create = replace ? 'CREATE OR REPLACE TABLE' : 'CREATE TABLE IF NOT EXISTS'
  return [
    `${create} ${quoteName(database)}.${quoteName(name)} (\n  ${columns.map(columnSql).join(',\n  ')}\n)`,
    `ENGINE = ${engine}`,
    `COMMENT ${quoted(about)}`,
  ].join('\n')
}
