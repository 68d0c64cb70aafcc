import { tables } from '../schema/clickhouse.ts'
import { storedTable, tableSizes } from '../schema/cluster.ts'
import type { ApiContext } from './context.ts'
import { statementSettings } from './query.ts'
import { readRange } from './range.ts'
import { writeTime } from './time.ts'
import { type Visible, readVisible } from './visible.ts'

export interface Quality {
  from: string
  to: string
  /** Seconds from being seen to being received, per kind of agent. */
  lateness: { kind: string; source: string; records: number; p50: number; p95: number }[]
  /** How surely the ends of flows are known, and why not. */
  attribution: { end: 'src' | 'dst'; attribution: string; reason: string; records: number; share: number }[]
  /** Reporters whose records came before they were made: by how many seconds their clocks are ahead at least. */
  clocks: { cluster: string; source: string; reporter: string; ahead: number }[]
  losses: { stage: string; reason: string; source: string; reporter: string; count: number; gaps: number; last_seen: string }[]
  services: Record<string, { ready: boolean; reason?: string; detail?: unknown }>
  bus: { topic: string; group: string; messages: number; bytes: number; age_seconds: number }[]
  tables: { table: string; rows: number; bytes: number; bytes_per_row: number; oldest: string | null; newest: string | null }[]
}

const times = 'time >= fromUnixTimestamp64Micro({from:Int64}) AND time < fromUnixTimestamp64Micro({to:Int64})'

/** All rows of the statements, in the same order each time. */
const together = (statements: readonly string[], order: string) =>
  `SELECT * FROM (\n${statements.join('\nUNION ALL\n')}\n) ORDER BY ${order}`

/** Of rows in the range that shall be seen. */
const seen = (kind: string, visible: Visible) => [times, visible.condition({ name: kind }, 'time') ?? []].flat().join(' AND ')

const latenessSql = (visible: Visible) =>
  together(
    ['flow', 'request'].map(
      kind => `SELECT '${kind}' AS kind, source, count() AS records,
  quantilesTDigest(0.5, 0.95)(greatest(0, toUnixTimestamp64Micro(received) - toUnixTimestamp64Micro(time)) / 1e6) AS lateness
FROM ${kind} WHERE ${seen(kind, visible)} GROUP BY source`,
    ),
    'kind, source',
  )

const attributionSql = (visible: Visible) =>
  together(
    ['src', 'dst'].map(
      end => `SELECT '${end}' AS end, ${end}_attribution AS attribution, ${end}_attribution_reason AS reason, count() AS records
FROM flow WHERE ${seen('flow', visible)} GROUP BY attribution, reason`,
    ),
    'records DESC, end DESC, attribution, reason',
  )

/** Those that are ahead the most. That a clock is behind nobody can tell from a delay. */
const clocksSql = `SELECT cluster, source, reporter, max(by) AS ahead FROM (
${['flow', 'request']
  .map(
    kind => `SELECT cluster, source, reporter, max(toUnixTimestamp64Micro(time) - toUnixTimestamp64Micro(received)) / 1e6 AS by
FROM ${kind} WHERE ${times} AND received > fromUnixTimestamp64Micro(0) GROUP BY cluster, source, reporter`,
  )
  .join('\nUNION ALL\n')}
) GROUP BY cluster, source, reporter HAVING ahead > 0 ORDER BY ahead DESC, cluster, source, reporter LIMIT 20`

const lossesSql = `SELECT stage, reason, source, reporter, sumIf(count, known) AS count, countIf(NOT known) AS gaps, toUnixTimestamp64Micro(max(time)) AS last_seen
FROM loss WHERE ${times} GROUP BY stage, reason, source, reporter ORDER BY count DESC, gaps DESC, stage, reason, source, reporter LIMIT 500`

/** The oldest and newest come from the index of the partitions, without reading the rows. */
const tablesSql = together(
  tables().map(({ name, columns }) => {
    const time = columns[0].name
    return `SELECT '${name}' AS name, toUnixTimestamp(min(${time})) AS oldest, toUnixTimestamp(max(${time})) AS newest FROM ${name}`
  }),
  'name',
)

const sizesSql = (from: string) =>
  `SELECT name, sum(total_rows) AS rows, sum(total_bytes) AS bytes FROM ${from} WHERE database = {database:String} GROUP BY name`

/** How good the data are: how late, how surely attributed, what is missing, and who works. */
export async function quality(
  query: { from?: string; to?: string },
  { clickhouse, bus, services, now }: ApiContext,
  signal: AbortSignal,
): Promise<Quality> {
  const range = readRange({ from: query.from ?? 'now-15m', to: query.to }, now())
  const visible = await readVisible(clickhouse)
  const rows = async <T>(sql: string, params: Record<string, unknown> = range) =>
    (await clickhouse.query<T>(sql, { params, signal, settings: statementSettings })).rows
  const [lateness, attribution, clocks, losses, reaches, sizes, lag] = await Promise.all([
    rows<Omit<Quality['lateness'][number], 'p50' | 'p95'> & { lateness: [number, number] }>(latenessSql(visible)),
    rows<Omit<Quality['attribution'][number], 'share'>>(attributionSql(visible)),
    rows<Quality['clocks'][number]>(clocksSql),
    rows<Omit<Quality['losses'][number], 'last_seen'> & { last_seen: number }>(lossesSql),
    rows<Reach>(tablesSql),
    rows<Size>(sizesSql(clickhouse.cluster ? tableSizes : 'system.tables'), { database: clickhouse.database }),
    bus?.lag().catch(() => []) ?? [],
  ])
  return {
    from: writeTime(range.from),
    to: writeTime(range.to),
    lateness: lateness.map(({ lateness: [p50, p95], ...rest }) => ({ ...rest, p50, p95 })),
    attribution: withShares(attribution),
    clocks,
    losses: losses.map(({ last_seen, ...loss }) => ({ ...loss, last_seen: writeTime(last_seen) })),
    services: Object.fromEntries(Object.entries(services()).map(([name, { ready, reason, detail }]) => [name, { ready, reason, detail }])),
    bus: lag.map(({ ageMs, ...rest }) => ({ ...rest, age_seconds: ageMs / 1000 })),
    tables: withSizes(reaches, sizes, name => storedTable(name, clickhouse)),
  }
}

function withShares(rows: readonly Omit<Quality['attribution'][number], 'share'>[]): Quality['attribution'] {
  const all = (end: string) => rows.reduce((sum, row) => sum + (row.end === end ? row.records : 0), 0)
  const totals = { src: all('src'), dst: all('dst') }
  return rows.map(row => ({ ...row, share: row.records / totals[row.end] }))
}

interface Reach {
  name: string
  oldest: number
  newest: number
}

interface Size {
  name: string
  rows: number
  bytes: number
}

function withSizes(reaches: readonly Reach[], sizes: readonly Size[], stored: (table: string) => string): Quality['tables'] {
  const known = new Map(sizes.map(size => [size.name, size]))
  return reaches.map(({ name, oldest, newest }) => {
    const { rows = 0, bytes = 0 } = known.get(stored(name)) ?? {}
    const reach = { oldest: rows > 0 ? pointInTime(oldest) : null, newest: rows > 0 ? pointInTime(newest) : null }
    return { table: name, rows, bytes, bytes_per_row: rows > 0 ? bytes / rows : 0, ...reach }
  })
}

const pointInTime = (seconds: number) => writeTime(seconds * 1e6)
