import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import type { TableDefinition, ViewDefinition } from '../schema/clickhouse.ts'
import type { DistributedDefinition } from '../schema/cluster.ts'

export interface ExistingColumn {
  type: string
  /** Whether its DEFAULT or ALIAS is what it should be. */
  sameExpression: boolean
}

export interface ExistingTable {
  engine: string
  /** Everything after the columns, as ClickHouse shows it. */
  engineFull: string
  sortingKey: string[]
  columns: Map<string, ExistingColumn>
  /** Each skipping index as `column type granularity`. */
  indexes: Map<string, string>
}

/** What a database holds now. */
export interface Layout {
  exists: boolean
  tables: Map<string, ExistingTable>
  /** Of each view that exists, whether it selects what it should. */
  views: Map<string, boolean>
}

/** What a database should hold. */
export interface Wanted {
  database: string
  tables: readonly TableDefinition[]
  views: readonly ViewDefinition[]
  /** On a server of a cluster. */
  distributed?: readonly DistributedDefinition[]
}

interface TableRow {
  name: string
  engine: string
  engine_full: string
  keys: string[]
}

interface IndexRow {
  table: string
  name: string
  definition: string
}

interface ColumnRow {
  table: string
  name: string
  type: string
  same: number
}

/** `system` is there whatever the database, so this works before the database does. */
export async function readLayout(clickhouse: ClickHouse, wanted: Omit<Wanted, 'database'>): Promise<Layout> {
  const params = { database: clickhouse.database }
  const [database, tables, columns, indexes, views] = await Promise.all([
    clickhouse.query('SELECT 1 FROM system.databases WHERE name = {database:String}', { params, database: 'system' }),
    clickhouse.query<TableRow>(tablesSql, { params, database: 'system' }),
    readColumns(clickhouse, [...wanted.tables, ...(wanted.distributed ?? [])]),
    clickhouse.query<IndexRow>(indexesSql, { params, database: 'system' }),
    readViews(clickhouse, wanted.views),
  ])
  const found = new Map<string, ExistingTable>()
  for (const { name, engine, engine_full, keys } of tables.rows)
    found.set(name, { engine, engineFull: engine_full, sortingKey: keys, columns: new Map(), indexes: new Map() })
  for (const { table, name, type, same } of columns) found.get(table)?.columns.set(name, { type, sameExpression: Boolean(same) })
  for (const { table, name, definition } of indexes.rows) found.get(table)?.indexes.set(name, definition)
  return { exists: database.rows.length > 0, tables: found, views }
}

const tablesSql = `SELECT name, engine, engine_full, arrayMap(key -> trim(key), splitByString(', ', sorting_key)) AS keys
FROM system.tables WHERE database = {database:String} AND engine != 'MaterializedView'`

const indexesSql = `SELECT table, name, concat(expr, ' ', type_full, ' ', toString(granularity)) AS definition
FROM system.data_skipping_indices WHERE database = {database:String}`

const columnsSql = `WITH
  indexOf({columns:Array(String)}, concat(table, '.', name)) AS wanted,
  trim(concat(default_kind, ' ', default_expression)) AS found
SELECT table, name, type,
  formatQuerySingleLineOrNull(concat('CREATE TABLE t (c UInt8 ', found, ')')) <=>
    formatQuerySingleLineOrNull(concat('CREATE TABLE t (c UInt8 ', {expressions:Array(String)}[wanted], ')')) AS same
FROM system.columns WHERE database = {database:String} ORDER BY table, position`

/** Both texts of an expression go through ClickHouse's own formatter, so only a real difference is one. */
async function readColumns(clickhouse: ClickHouse, wanted: readonly Pick<TableDefinition, 'name' | 'columns'>[]): Promise<ColumnRow[]> {
  const special = wanted.flatMap(({ name: table, columns }) =>
    columns.flatMap(({ name, expression }) => (expression ? [{ column: `${table}.${name}`, expression }] : [])),
  )
  const params = {
    database: clickhouse.database,
    columns: special.map(({ column }) => column),
    expressions: special.map(({ expression }) => expression),
  }
  return (await clickhouse.query<ColumnRow>(columnsSql, { params, database: 'system' })).rows
}

/** Both texts go through ClickHouse's own formatter, so only a real difference is one. */
async function readViews(clickhouse: ClickHouse, wanted: readonly ViewDefinition[]): Promise<Map<string, boolean>> {
  const params = { database: clickhouse.database, names: wanted.map(view => view.name), selects: wanted.map(view => view.select) }
  const { rows } = await clickhouse.query<{ name: string; same: number }>(
    `SELECT name, formatQuerySingleLine(as_select) = formatQuerySingleLine({selects:Array(String)}[indexOf({names:Array(String)}, name)]) AS same
FROM system.tables WHERE database = {database:String} AND engine = 'MaterializedView' AND has({names:Array(String)}, name)`,
    { params, database: 'system' },
  )
  return new Map(rows.map(({ name, same }) => [name, Boolean(same)]))
}
