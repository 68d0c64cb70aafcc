import { type TableDefinition, type ViewDefinition, createTable, createView, quoteName } from '../schema/clickhouse.ts'
import { type Change, alterTable, columnChanges, indexChanges } from './columns.ts'
import { distributedChanges, isDistributed, strangers } from './distributed.ts'
import type { ExistingTable, Layout, Wanted } from './layout.ts'

export type { Wanted } from './layout.ts'
export type { Change } from './columns.ts'

export interface Plan {
  changes: Change[]
  /** Columns the schema does not know, as table.column. */
  leftAlone: string[]
}

/** The database holds something that can not become what the schema says without losing data. */
export class MigrationError extends Error {
  override name = 'MigrationError'
}

/** What to do to `existing` so that it becomes what is wanted; throws a MigrationError that lists everything it can not do. */
export function planChanges(existing: Layout, wanted: Wanted): Plan {
  const { database, tables, views, distributed = [] } = wanted
  const refusals = strangers(existing, wanted)
  const changes: Change[] = []
  const leftAlone: string[] = []
  if (!existing.exists) changes.push({ what: `database ${database}`, sql: `CREATE DATABASE IF NOT EXISTS ${quoteName(database)}` })
  for (const table of tables) {
    const found = existing.tables.get(table.name)
    if (!found) {
      changes.push({ what: `table ${table.name}`, sql: createTable(table, database) })
      continue
    }
    if (isDistributed(found)) continue
    refusals.push(...conflicts(table, found))
    changes.push(...tableChanges(table, found, database))
    const known = new Set(table.columns.map(({ name }) => name))
    leftAlone.push(...[...found.columns.keys()].filter(name => !known.has(name)).map(name => `${table.name}.${name}`))
  }
  for (const view of views) changes.push(...viewChanges(view, existing.views.get(view.name), database))
  for (const table of distributed) changes.push(...distributedChanges(table, existing.tables.get(table.name), database))
  if (refusals.length) throw new MigrationError(`database ${database} cannot be migrated:\n${refusals.map(text => `- ${text}`).join('\n')}`)
  return { changes, leftAlone }
}

const remedy = (table: string) =>
  `rename the table (RENAME TABLE ${table} TO ${table}_old), run the migration again, and copy what you need with INSERT INTO ${table} (…) SELECT … FROM ${table}_old`

/** What stands in the way of a table. */
function conflicts(table: TableDefinition, found: ExistingTable): string[] {
  const engine = table.engine.replace(/\(.*/, '')
  if (!found.engine.endsWith(engine)) return [`${table.name} is a ${found.engine}, expected ${engine}: ${remedy(table.name)}`]
  const types = table.columns.flatMap(({ name, type }) => {
    const is = found.columns.get(name)
    return is && is.type !== type ? [`${table.name}.${name} is ${is.type}, expected ${type}: ${remedy(table.name)}`] : []
  })
  const keys = keyConflict(table, found)
  return keys ? [...types, keys] : types
}

/** Keys can only be appended, and only together with the column they are. Keys the schema does not know stay. */
function keyConflict(table: TableDefinition, found: ExistingTable): string | undefined {
  const had = table.orderBy.filter(key => found.sortingKey.includes(key))
  const kept = found.sortingKey.filter(key => table.orderBy.includes(key))
  const late = table.orderBy.filter(key => !found.sortingKey.includes(key) && (found.columns.has(key) || !isColumn(table, key)))
  const appendable = table.engine.includes('AggregatingMergeTree')
  const differs = appendable ? late.length > 0 : table.orderBy.join() !== found.sortingKey.join()
  if (!differs && (appendable || had.join() === kept.join())) return undefined
  return `${table.name} is sorted by (${found.sortingKey.join(', ')}), expected (${table.orderBy.join(', ')}): ${remedy(table.name)}`
}

const isColumn = (table: TableDefinition, key: string) => table.columns.some(({ name }) => name === key)

function tableChanges(table: TableDefinition, found: ExistingTable, database: string): Change[] {
  const changes = [...columnChanges(table, found, database), ...indexChanges(table, found, database)]
  if (!found.engineFull.includes(` TTL ${table.ttl} `))
    changes.push({ what: `${table.name}: keeps ${table.ttl}`, sql: `${alterTable(table, database)} MODIFY TTL ${table.ttl}` })
  return changes
}

function viewChanges(view: ViewDefinition, same: boolean | undefined, database: string): Change[] {
  if (same === undefined) return [{ what: `view ${view.name}`, sql: createView(view, database) }]
  if (same) return []
  const sql = `ALTER TABLE ${quoteName(database)}.${quoteName(view.name)} MODIFY QUERY ${view.select}`
  return [{ what: `${view.name}: new query`, sql }]
}
