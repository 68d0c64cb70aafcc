import { communityId, communityIdOver } from './community-id.ts'
import { type Field, type FieldType, clickhouseTypes } from './field.ts'
import { edgeNumber, placeNumber } from './ranking.ts'
import { reattributionDays, reattributionTable } from './reattribution.ts'
import { type Measure, type RecordKind, kinds } from './record.ts'
import { spanEdge, spanEdgeDays } from './span-edge.ts'

export interface ColumnDefinition {
  name: string
  type: string
  about: string
  /** `DEFAULT …`, `MATERIALIZED …` or `ALIAS …`. */
  expression?: string
  codec?: string
}

/** What a table keeps beside its rows to skip those that cannot have a value. */
export interface IndexDefinition {
  name: string
  column: string
  type: string
  granularity: number
}

export interface TableDefinition {
  name: string
  about: string
  columns: readonly ColumnDefinition[]
  indexes?: readonly IndexDefinition[]
  engine: string
  partitionBy: string
  /** A prefix of `orderBy`; new keys are appended to that only. */
  primaryKey: readonly string[]
  orderBy: readonly string[]
  /** As ClickHouse shows it. */
  ttl: string
  settings: Readonly<Record<string, number>>
}

export interface ViewDefinition {
  name: string
  /** Table it writes to. */
  to: string
  select: string
}

/** A table of a kind added up by interval. */
export interface Rollup {
  suffix: '1m' | '1h'
  seconds: number
  days: number
  /** Start of the interval of a time. */
  bucket: (time: string) => string
}

export const rollups: readonly Rollup[] = [
  { suffix: '1m', seconds: 60, days: 30, bucket: time => `toStartOfMinute(${time})` },
  { suffix: '1h', seconds: 3600, days: 400, bucket: time => `toStartOfHour(${time})` },
]

export const rollupTable = (kind: RecordKind, { suffix }: Pick<Rollup, 'suffix'>) => `${kind.name}_${suffix}`

/** Names of the fields a kind's rollups keep apart. */
export const rollupKeys = (kind: RecordKind) => Object.keys(kind.fields).filter(name => kind.fields[name].rollup)

/** Codecs where the server's default (LZ4) is not the better choice. */
const codecs: Partial<Record<FieldType, string>> = {
  time: 'DoubleDelta, ZSTD(1)',
  uint64: 'T64, ZSTD(1)',
  uint32: 'T64, ZSTD(1)',
  float64: 'ZSTD(1)',
  address: 'ZSTD(1)',
  text: 'ZSTD(1)',
  texts: 'ZSTD(1)',
  numbers: 'ZSTD(1)',
  attributes: 'ZSTD(1)',
}

/**
 * Merging is most of what it costs to store what floods: a part grows tenfold with each merge in place of fivefold, so that a row is merged less
 * often, and a question reads some more parts.
 */
const rarelyMerged = { merge_selector_base: 10 }

/** Inserts whose repeat is recognised. */
export const deduplicationWindow = 10_000

export const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
export const quoteName = (text: string) => '`' + text.replaceAll('\\', '\\\\').replaceAll('`', '\\`') + '`'

/** What a column holds when nobody wrote it. */
function defaultOf({ type, values, default: number }: Field): string | undefined {
  if (number !== undefined) return `DEFAULT ${number}`
  return type === 'label' && values?.[0] ? `DEFAULT ${quoted(values[0])}` : undefined
}

const columnOf = (name: string, field: Field): ColumnDefinition => ({
  name,
  type: clickhouseTypes[field.type],
  about: field.about,
  expression: defaultOf(field),
  codec: codecs[field.type],
})

/** A rollup's numbers of the edge and of the place, stored as they are in every question that counts once. */
const edgeColumnsOf = (kind: 'flow' | 'request'): ColumnDefinition[] => [
  {
    name: 'edge',
    type: 'UInt64',
    about: 'What two views must agree on to be views of the same traffic, as a number.',
    expression: `MATERIALIZED ${edgeNumber(kind)}`,
  },
  {
    name: 'place',
    type: 'UInt64',
    about: 'Between which two workloads it was, as a number.',
    expression: `MATERIALIZED ${placeNumber}`,
  },
]
const edgeColumns: Readonly<Record<string, readonly ColumnDefinition[]>> = {
  flow: edgeColumnsOf('flow'),
  request: edgeColumnsOf('request'),
}

const conversation = (expression: string): ColumnDefinition => ({
  name: 'conversation',
  type: 'String',
  about: 'Community ID v1, the same for both directions and at every reporter.',
  expression: `ALIAS ${expression}`,
})

/** Columns that are computed when they are read. Sources often leave out that what they tell of went over TCP. */
const computed: Readonly<Record<string, readonly ColumnDefinition[]>> = {
  flow: [conversation(communityId)],
  request: [conversation(communityIdOver("if(transport = '' AND protocol != 'dns', 'tcp', toString(transport))"))],
  span: [conversation(communityIdOver("'tcp'"))],
}

const columnsOf = (kind: RecordKind) => [
  ...Object.entries(kind.fields).map(([name, field]) => columnOf(name, field)),
  ...(computed[kind.name] ?? []),
]

/** Each granule of 8,192 rows has a filter that is wrong about one value in a hundred. */
const indexesOf = ({ fields }: RecordKind): IndexDefinition[] =>
  Object.keys(fields)
    .filter(name => fields[name].lookup)
    .map(name => ({ name: `${name}_lookup`, column: name, type: 'bloom_filter(0.01)', granularity: 1 }))

const daysAfter = (time: string, days: number) => `${time} + toIntervalDay(${days})`

/** One version of a record replaces another only within a partition, so those are partitioned by a part of their key. */
function replacingTable(kind: RecordKind): TableDefinition {
  return {
    name: kind.name,
    about: kind.about,
    columns: columnsOf(kind),
    engine: 'ReplacingMergeTree(time)',
    partitionBy: 'toYYYYMM(valid_from)',
    primaryKey: kind.order,
    orderBy: kind.order,
    ttl: daysAfter(`toDateTime(${kind.expires ?? 'time'})`, kind.days),
    settings: {
      non_replicated_deduplication_window: deduplicationWindow,
      // An expired version must not uncover the one it replaced, so versions meet long before they expire.
      min_age_to_force_merge_seconds: 86_400,
      min_age_to_force_merge_on_partition_only: 1,
    },
  }
}

function recordTable(kind: RecordKind): TableDefinition {
  if (kind.replacing) return replacingTable(kind)
  return {
    name: kind.name,
    about: kind.about,
    columns: columnsOf(kind),
    indexes: indexesOf(kind),
    engine: 'MergeTree',
    // What floods goes by the hour: so much is removed at a time when the disk is short.
    partitionBy: kind.measures ? 'toStartOfHour(time)' : 'toDate(time)',
    primaryKey: kind.order,
    orderBy: kind.order,
    ttl: daysAfter(`toDateTime(${kind.expires ?? 'time'})`, kind.days),
    settings: { non_replicated_deduplication_window: deduplicationWindow, ttl_only_drop_parts: 1, ...(kind.measures && rarelyMerged) },
  }
}

const measuresOf = (kind: RecordKind) => Object.entries(kind.measures ?? {})

const measureColumn = ([name, { type, about }]: [string, Measure]): ColumnDefinition => ({ name, type, about, codec: 'ZSTD(1)' })

function rollupDefinition(kind: RecordKind, rollup: Rollup): TableDefinition {
  const keys = rollupKeys(kind)
  const prefix = kind.order.filter(name => keys.includes(name))
  return {
    name: rollupTable(kind, rollup),
    about: `${kind.about} Added up by ${rollup.seconds} seconds.`,
    columns: [
      { name: 'bucket', type: "DateTime('UTC')", about: 'Start of the interval.', codec: 'DoubleDelta, ZSTD(1)' },
      ...keys.map(name => columnOf(name, kind.fields[name])),
      ...measuresOf(kind).map(measureColumn),
      ...(edgeColumns[kind.name] ?? []),
    ],
    engine: 'AggregatingMergeTree',
    partitionBy: rollup.seconds < 3600 ? 'toDate(bucket)' : 'toYYYYMM(bucket)',
    primaryKey: ['bucket', ...prefix],
    orderBy: ['bucket', ...prefix, ...keys.filter(name => !prefix.includes(name))],
    ttl: daysAfter('bucket', rollup.days),
    settings: { non_replicated_deduplication_window: deduplicationWindow, ttl_only_drop_parts: 1 },
  }
}

/** What fills a rollup: the first from the records, each coarser one from the finer. */
function rollupView(kind: RecordKind, index: number, { database, stored }: ViewsOptions): ViewDefinition {
  const rollup = rollups[index]
  const finer = rollups[index - 1]
  const from = stored(finer ? rollupTable(kind, finer) : kind.name)
  // The bucket is computed inside: an alias named like the column it is made of would be taken for it.
  const source = `SELECT *, ${rollup.bucket(finer ? 'bucket' : 'time')} AS start FROM ${quoteName(database)}.${quoteName(from)}`
  return {
    name: `${rollupTable(kind, rollup)}_view`,
    to: stored(rollupTable(kind, rollup)),
    select: finer ? coarser(kind, source) : addedUp(kind, source),
  }
}

function coarser(kind: RecordKind, source: string): string {
  const keys = rollupKeys(kind)
  const measures = measuresOf(kind).map(([measure, { state }]) => `${state} AS ${measure}`)
  return `SELECT start AS bucket, ${[...keys, ...measures].join(', ')} FROM (${source}) GROUP BY ${['start', ...keys].join(', ')}`
}

/**
 * Every record passes here, so they are grouped by one number in place of thirty columns, which takes half the time: a key's hash, which its
 * name makes another for each, is taken once per entry of its dictionary. Two groups meet by chance once in 2^64.
 */
function addedUp(kind: RecordKind, source: string): string {
  const keys = rollupKeys(kind)
  const group = keys.map(key => `cityHash64('${key}', ${key})`).join(' + ')
  const firsts = keys.map(key => `any(${key}) AS any_${key}`)
  const measures = measuresOf(kind)
  const raws = measures.map(([measure, { raw }]) => `${raw} AS ${measure}`)
  const groups = `SELECT start, ${[...firsts, ...raws].join(', ')} FROM (${source}) GROUP BY start, ${group}`
  const columns = [...keys.map(key => `any_${key} AS ${key}`), ...measures.map(([measure]) => measure)]
  return `SELECT start AS bucket, ${columns.join(', ')} FROM (${groups})`
}

/** What is computed from spans some minutes after they came. */
const spanEdgeTable = (days: number): TableDefinition => ({
  name: spanEdge.name,
  about: spanEdge.about,
  columns: spanEdge.columns,
  engine: 'MergeTree',
  partitionBy: 'toDate(bucket)',
  primaryKey: spanEdge.order,
  orderBy: spanEdge.order,
  ttl: daysAfter('bucket', days),
  settings: { non_replicated_deduplication_window: deduplicationWindow, ttl_only_drop_parts: 1 },
})

const reattributionDefinition = (days: number): TableDefinition => ({
  name: reattributionTable.name,
  about: reattributionTable.about,
  columns: reattributionTable.columns,
  engine: 'ReplacingMergeTree(step)',
  partitionBy: 'tuple()',
  primaryKey: reattributionTable.order,
  orderBy: reattributionTable.order,
  ttl: daysAfter('toDateTime(changed)', days),
  settings: { non_replicated_deduplication_window: deduplicationWindow },
})

const rolledUp = (kind: RecordKind) => (kind.measures ? rollups : [])

/** Every table, the finer before the coarser. `days` says how long tables keep, where the schema should not. */
export function tables({ of, days = {} }: TablesOptions = {}): TableDefinition[] {
  const kept = <T extends { days: number }>(table: string, what: T): T => ({ ...what, days: days[table] ?? what.days })
  const ofKind = (kind: RecordKind) => [
    recordTable(kept(kind.name, kind)),
    ...rolledUp(kind).map(rollup => rollupDefinition(kind, kept(rollupTable(kind, rollup), rollup))),
    ...(kind.name === 'span' ? [spanEdgeTable(days[spanEdge.name] ?? spanEdgeDays)] : []),
  ]
  if (of) return of.flatMap(ofKind)
  return [...Object.values(kinds).flatMap(ofKind), reattributionDefinition(days[reattributionTable.name] ?? reattributionDays)]
}

export interface TablesOptions {
  /** Only tables of these kinds. */
  of?: readonly RecordKind[]
  days?: Readonly<Record<string, number>>
}

interface ViewsOptions {
  database: string
  /** Name of the table that holds the rows of a table. */
  stored: (table: string) => string
}

/** Every view that fills a rollup. */
export function views(
  database: string,
  of: readonly RecordKind[] = Object.values(kinds),
  stored: ViewsOptions['stored'] = table => table,
): ViewDefinition[] {
  return of.flatMap(kind => rolledUp(kind).map((_, index) => rollupView(kind, index, { database, stored })))
}

/** A column as CREATE TABLE and ADD COLUMN take it. */
export function columnSql({ name, type, expression, about, codec }: ColumnDefinition): string {
  const parts = [quoteName(name), type, expression, `COMMENT ${quoted(about)}`, codec && `CODEC(${codec})`]
  return parts.filter(Boolean).join(' ')
}

/** An index as CREATE TABLE and ADD INDEX take it. */
export const indexSql = ({ name, column, type, granularity }: IndexDefinition) =>
  `INDEX ${quoteName(name)} ${quoteName(column)} TYPE ${type} GRANULARITY ${granularity}`

const tuple = (expressions: readonly string[]) => (expressions.length === 1 ? expressions[0] : `(${expressions.join(', ')})`)

export function createTable(table: TableDefinition, database: string): string {
  const settings = Object.entries(table.settings).map(([setting, value]) => `${setting} = ${value}`)
  const inside = [...table.columns.map(columnSql), ...(table.indexes ?? []).map(indexSql)]
  return [
    `CREATE TABLE IF NOT EXISTS ${quoteName(database)}.${quoteName(table.name)} (\n  ${inside.join(',\n  ')}\n)`,
    `ENGINE = ${table.engine}`,
    `PARTITION BY ${table.partitionBy}`,
    `PRIMARY KEY ${tuple(table.primaryKey)}`,
    `ORDER BY ${tuple(table.orderBy)}`,
    `TTL ${table.ttl}`,
    `SETTINGS ${settings.join(', ')}`,
    `COMMENT ${quoted(table.about)}`,
  ].join('\n')
}

export function createView({ name, to, select }: ViewDefinition, database: string): string {
  return `CREATE MATERIALIZED VIEW IF NOT EXISTS ${quoteName(database)}.${quoteName(name)} TO ${quoteName(database)}.${quoteName(to)} AS ${select}`
}
