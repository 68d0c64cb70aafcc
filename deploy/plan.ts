import {
  type ColumnDefinition,
  type TableDefinition,
  type ViewDefinition,
  columnSql,
  createTable,
  createView,
  quoteName,
} from '../schema/clickhouse.ts'
import type { ExistingTable, Layout } from './layout.ts'

/** One statement that brings a database closer to the schema. */
export interface Change {
  /** For people: `flow: new column x`. */
  what: string
  sql: string
}

export interface Plan {
  changes: Change[]
  /** Columns the schema does not know, as table.column. */
  leftAlone: string[]
}

export interface Wanted {
  database: string
  tables: readonly TableDefinition[]
  views: readonly ViewDefinition[]
}

/** The database holds something that can not become what the schema says without losing data. */
export class MigrationError extends Error {
  override name = 'MigrationError'
}

/** What to do to `existing` so that it becomes what is wanted; throws a MigrationError that lists everything it can not do. */
export function planChanges(existing: Layout, { database, tables, views }: Wanted): Plan {
  const refusals: string[] = []
  const changes: Change[] = []
  const leftAlone: string[] = []
  if (!existing.exists) changes.push({ what: `database ${database}`, sql: `CREATE DATABASE IF NOT EXISTS ${quoteName(database)}` })
  for (const table of tables) {
    const found = existing.tables.get(table.name)
    if (!found) {
      changes.push({ what: `table ${table.name}`, sql: createTable(table, database) })
      continue
    }
    refusals.push(...conflicts(table, found))
    changes.push(...tableChanges(table, found, database))
    const known = new Set(table.columns.map(({ name }) => name))
    leftAlone.push(...[...found.columns.keys()].filter(name => !known.has(name)).map(name => `${table.name}.${name}`))
  }
  for (const view of views) changes.push(...viewChanges(view, existing.views.get(view.name), database))
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
  const appendable = table.engine === 'AggregatingMergeTree'
  const differs = appendable ? late.length > 0 : table.orderBy.join() !== found.sortingKey.join()
  if (!differs && (appendable || had.join() === kept.join())) return undefined
  return `${table.name} is sorted by (${found.sortingKey.join(', ')}), expected (${table.orderBy.join(', ')}): ${remedy(table.name)}`
}

const isColumn = (table: TableDefinition, key: string) => table.columns.some(({ name }) => name === key)

function tableChanges(table: TableDefinition, found: ExistingTable, database: string): Change[] {
  const alter = `ALTER TABLE ${quoteName(database)}.${quoteName(table.name)}`
  const changes: Change[] = []
  const missing = table.columns.filter(({ name }) => !found.columns.has(name))
  if (missing.length)
    changes.push({
      what: `${table.name}: new columns ${missing.map(({ name }) => name).join(', ')}`,
      sql: `${alter} ${additions(table, found, missing)}`,
    })
  for (const column of table.columns) {
    const is = found.columns.get(column.name)
    if (is && !is.sameExpression)
      changes.push({
        what: `${table.name}: ${column.name} ${column.expression ?? 'without a default'}`,
        sql: `${alter} MODIFY COLUMN ${columnSql(column)}`,
      })
  }
  if (!found.engineFull.includes(` TTL ${table.ttl} `))
    changes.push({ what: `${table.name}: keeps ${table.ttl}`, sql: `${alter} MODIFY TTL ${table.ttl}` })
  return changes
}

/** New columns, each after the one it follows in the schema, with the sorting key they lengthen. */
function additions(table: TableDefinition, found: ExistingTable, missing: readonly ColumnDefinition[]): string {
  const clauses = missing.map(column => `ADD COLUMN IF NOT EXISTS ${columnSql(column)}`)
  const newKeys = table.orderBy.filter(key => missing.some(({ name }) => name === key))
  if (newKeys.length) clauses.push(`MODIFY ORDER BY (${[...found.sortingKey, ...newKeys].join(', ')})`)
  return clauses.join(', ')
}

function viewChanges(view: ViewDefinition, same: boolean | undefined, database: string): Change[] {
  if (same === undefined) return [{ what: `view ${view.name}`, sql: createView(view, database) }]
  if (same) return []
  const sql = `ALTER TABLE ${quoteName(database)}.${quoteName(view.name)} MODIFY QUERY ${view.select}`
  return [{ what: `${view.name}: new query`, sql }]
}
