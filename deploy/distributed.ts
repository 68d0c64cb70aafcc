import { type DistributedDefinition, createDistributed, localTable } from '../schema/cluster.ts'
import { type Change, columnChanges } from './columns.ts'
import type { ExistingTable, Layout, Wanted } from './layout.ts'

export const isDistributed = ({ engine }: ExistingTable) => engine === 'Distributed'

/** Tables of a cluster in the way of a single server's, or the other way round. */
export function strangers(existing: Layout, { database, tables, views, distributed = [] }: Wanted): string[] {
  const names = (of: readonly { name: string }[], wrong: (found: ExistingTable) => boolean) =>
    of.map(({ name }) => name).filter(name => existing.tables.has(name) && wrong(existing.tables.get(name)!))
  const clustered = names(tables, isDistributed)
  const single = names(distributed, found => !isDistributed(found))
  const ofCluster = `${clustered.join(', ')} belong to a cluster: name it (clickhouse.cluster, WEIR_CLICKHOUSE_CLUSTER), or choose another database`
  const drop = views.map(({ name }) => `DROP VIEW IF EXISTS ${database}.${name};`)
  const rename = single.map(name => `RENAME TABLE ${database}.${name} TO ${database}.${localTable(name)};`)
  const ofServer = `${single.join(', ')} belong to a single server: choose another database (clickhouse.database) for the cluster, or stop weir and make them its share of the rows: ${[...drop, ...rename].join(' ')}`
  return [...(clustered.length ? [ofCluster] : []), ...(single.length ? [ofServer] : [])]
}

/** A table that holds nothing is made anew where that is simpler. */
export function distributedChanges(table: DistributedDefinition, found: ExistingTable | undefined, database: string): Change[] {
  if (!found) return [{ what: `table ${table.name} over the cluster`, sql: createDistributed(table, database) }]
  if (!isDistributed(found)) return []
  const other = table.columns.some(({ name, type }) => found.columns.has(name) && found.columns.get(name)!.type !== type)
  if (!other && found.engineFull === table.engine) return columnChanges(table, found, database)
  return [{ what: `${table.name}: ${table.engine}`, sql: createDistributed(table, database, { replace: true }) }]
}
