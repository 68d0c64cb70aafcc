import { type ColumnDefinition, type TableDefinition, columnSql, indexSql, quoteName } from '../schema/clickhouse.ts'
import type { ExistingTable } from './layout.ts'

/** One statement that brings a database closer to the schema. */
export interface Change {
  /** For people: `flow: new column x`. */
  what: string
  sql: string
}

export const alterTable = ({ name }: { name: string }, database: string) => `ALTER TABLE ${quoteName(database)}.${quoteName(name)}`

interface Columns {
  name: string
  columns: readonly ColumnDefinition[]
  orderBy?: readonly string[]
}

/** What to do to the columns of a table, and to the sorting key they lengthen. */
export function columnChanges(table: Columns, found: ExistingTable, database: string): Change[] {
  const alter = alterTable(table, database)
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
  return changes
}

/** New columns, each after the one it follows in the schema, with the sorting key they lengthen. */
function additions({ orderBy = [] }: Columns, found: ExistingTable, missing: readonly ColumnDefinition[]): string {
  const clauses = missing.map(column => `ADD COLUMN IF NOT EXISTS ${columnSql(column)}`)
  const newKeys = orderBy.filter(key => missing.some(({ name }) => name === key))
  if (newKeys.length) clauses.push(`MODIFY ORDER BY (${[...found.sortingKey, ...newKeys].join(', ')})`)
  return clauses.join(', ')
}

/** New indexes are of what comes from now on: older parts get theirs when they are merged. Those the schema does not know stay. */
export function indexChanges({ name: table, indexes = [] }: TableDefinition, found: ExistingTable, database: string): Change[] {
  const alter = alterTable({ name: table }, database)
  return indexes.flatMap(index => {
    const { name, column, type, granularity } = index
    const is = found.indexes.get(name)
    if (is === `${column} ${type} ${granularity}`) return []
    const drop = is === undefined ? [] : [`DROP INDEX IF EXISTS ${quoteName(name)}`]
    return {
      what: `${table}: index ${name}`,
      sql: `${alter} ${[...drop, `ADD ${indexSql(index).replace('INDEX', 'INDEX IF NOT EXISTS')}`].join(', ')}`,
    }
  })
}
