import { rollupTable, rollups } from '../schema/clickhouse.ts'
import { dimensionsOf } from '../schema/catalog.ts'
import { type Metric, metrics as allMetrics } from '../schema/metric.ts'
import { type KindName, type RecordKind, kinds } from '../schema/record.ts'
import { QueryError } from './error.ts'
import { type Filter, fieldsOf, isOneOf } from './filter/ast.ts'
import { nearest } from './filter/nearest.ts'
import { parseFilter } from './filter/parse.ts'
import { readRange } from './range.ts'

/** A question, as it is asked over HTTP. */
export interface Query {
  /** Implied by the metrics, but for `records`. */
  kind?: KindName
  /** RFC 3339 or `now-15m`; the last hour when absent. */
  from?: string
  to?: string
  metrics: string[]
  by?: string[]
  where?: string
  /** Seconds per point; one row per group when absent. */
  every?: number
  /** Groups to keep, by the first metric over the whole range; the rest is `Other`. */
  top?: number
  /** Seconds by which the range lies earlier that is compared with: adds `<metric>_before`. */
  compare?: number
}

/** How a question is answered. Times are microseconds, the rest seconds. */
export interface Plan {
  kind: RecordKind
  table: string
  /** Resolution of the table; 0 for records as they came. */
  resolution: number
  /** In which of several views the one that counts is chosen. */
  interval: number
  from: number
  to: number
  metrics: Metric[]
  by: string[]
  filter?: Filter
  every?: number
  top?: number
  compare?: number
  /** Adds when each group was first and last seen, to the interval. */
  seen?: boolean
  /** By what rows are grouped in place of `by`, of which each group then has the values of one of its rows. */
  group?: { fields: readonly string[]; sql: string }
  /** Whether several exporters told of the range, so that each has a share in what they told. */
  shared?: boolean
  /** Whether the range has views that count only where they are alone; as if it had, when that is not known. */
  last?: boolean
  /** Adds a row of each group over the whole range, with the earliest of all times; and one of everything. */
  totals?: boolean
  /** SQL of what rows are to be seen of, while some are attributed again. */
  visible?: string
}

export const queryLimits = { dimensions: 8, metrics: 10, rows: 10_000, points: 10_000 } as const

/** Shorter ranges than this are answered from the records, which are exact to the second. */
const shortestRollupRange = 120
/** Without `every`, ranges from this length on are answered by the hour. */
const shortestHourlyRange = 2 * 86_400

export interface PlanOptions {
  /** Most dimensions; the API's own questions have more than others may. */
  dimensions?: number
  /** Most rows of the answer. */
  rows?: number
  seen?: boolean
  group?: Group
  /** Adds a row of each group over the whole range to its points; with `group` and `every` only. */
  totals?: boolean
}

/** A number that says which rows are of one group, where that is not what `by` says. */
export interface Group {
  fields: readonly string[]
  /** `stored` when a rollup is asked. */
  sql(stored: boolean): string
}

/** Decides which table answers. Throws QueryError or FilterError; `now` is in milliseconds. */
export function planQuery(
  query: Query,
  now: number,
  { dimensions = queryLimits.dimensions, seen = false, group, totals }: PlanOptions = {},
): Plan {
  const metrics = readMetrics(query.metrics)
  const kind = kindOf(query.kind, metrics)
  const by = readDimensions(kind, query.by ?? [], dimensions)
  const filter = parseFilter(query.where ?? '', kind.fields, now)
  const range = readRange(query, now)
  const { every, top, compare } = query
  checkWithin(metrics, by, filter, top)
  if (top !== undefined && by.length === 0) throw new QueryError('top', 'needs a dimension in by')
  const resolution = chooseResolution(kind, [...by, ...(group?.fields ?? []), ...(filter ? fieldsOf(filter) : [])], {
    ...range,
    every,
    now,
  })
  const table =
    resolution === 0
      ? kind.name
      : rollupTable(
          kind,
          rollups.find(({ seconds }) => seconds === resolution)!,
        )
  const aligned = align(range, every ?? resolution)
  checkPoints(aligned, every)
  checkCompare(aligned, compare, every ?? resolution)
  const interval = resolution || intervalOf(every)
  const grouped = group && { fields: group.fields, sql: group.sql(resolution > 0) }
  return { kind, table, resolution, interval, ...aligned, metrics, by, filter, every, top, compare, seen, group: grouped, totals }
}

function readMetrics(names: string[]): Metric[] {
  if (names.length === 0 || names.length > queryLimits.metrics)
    throw new QueryError('metrics', `${names.length} metrics, 1 to ${queryLimits.metrics} expected`)
  return names.map((name, i) => {
    if (names.indexOf(name) !== i) throw new QueryError(`metrics[${i}]`, `${name} is asked for twice`)
    return allMetrics.get(name) ?? unknown(`metrics[${i}]`, 'metric', name, [...allMetrics.keys()])
  })
}

function unknown(place: string, what: string, name: string, names: string[]): never {
  const near = nearest(name, names)
  throw new QueryError(place, `there is no ${what} ${JSON.stringify(name)}${near ? `; did you mean ${near}?` : ''}`, names)
}

/** Numbers of different metrics make no sense together, and the rest beside the `top` groups is of several. */
function checkWithin(metrics: Metric[], by: string[], filter: Filter | undefined, top: number | undefined): void {
  metrics.forEach(({ name, within }, i) => {
    if (!within || isOneOf(filter, within) || (by.includes(within) && top === undefined)) return
    const asked = top === undefined ? `${within} = … in where, or ${within} in by,` : `with top, ${within} = … in where`
    throw new QueryError(`metrics[${i}]`, `${name} would mix values of different ${within}s: ${asked} expected`)
  })
}

/** The kind of record all metrics are about. */
function kindOf(asked: KindName | undefined, metrics: Metric[]): RecordKind {
  const name = asked ?? metrics.find(({ kinds }) => kinds.length === 1)?.kinds[0] ?? metrics[0].kinds[0]
  const stranger = metrics.findIndex(({ kinds }) => !kinds.includes(name))
  if (stranger >= 0) {
    const { name: metric, kinds } = metrics[stranger]
    throw new QueryError(`metrics[${stranger}]`, `${metric} is about the kind ${kinds.join(', ')}, the rest of the query about ${name}`)
  }
  return kinds[name]
}

function readDimensions(kind: RecordKind, names: string[], most: number): string[] {
  const known = dimensionsOf(kind.name as KindName).filter(({ groupable }) => groupable)
  if (names.length > most) throw new QueryError('by', `${names.length} dimensions, at most ${most} expected`)
  names.forEach((name, i) => {
    const all = known.map(({ name }) => name)
    if (!all.includes(name)) unknown(`by[${i}]`, `dimension of ${kind.name}`, name, all)
    if (names.indexOf(name) !== i) throw new QueryError(`by[${i}]`, `${name} is asked for twice`)
  })
  return names
}

interface Span {
  from: number
  to: number
  every?: number
  now: number
}

/** The coarsest resolution that answers exactly, so that the least is read; 0 for the records themselves. */
function chooseResolution(kind: RecordKind, fields: string[], { from, to, every, now }: Span): number {
  if (!kind.measures || fields.some(name => !kind.fields[name].rollup)) return 0
  const seconds = (to - from) / 1e6
  const finest = every ?? (seconds >= shortestHourlyRange ? 3600 : seconds >= shortestRollupRange ? 60 : 1)
  const best = rollups.findLast(rollup => finest % rollup.seconds === 0)
  if (!best) return 0
  const reaches = ({ days }: (typeof rollups)[number]) => from >= now * 1000 - days * 86_400e6
  // Points have a length; without them a coarser table that still has the range is better than a finer one that has lost it.
  return every === undefined && !reaches(best) ? (rollups.find(reaches) ?? best).seconds : best.seconds
}

/** Intervals of records: a minute like the finest rollup, or what divides both it and the points. */
const intervalOf = (every = 60): number => divisor(every, 60)
const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b))

/** Outward, so that no point is cut. */
function align({ from, to }: { from: number; to: number }, seconds: number): { from: number; to: number } {
  if (seconds === 0) return { from, to }
  const step = seconds * 1e6
  return { from: Math.floor(from / step) * step, to: Math.ceil(to / step) * step }
}

function checkPoints({ from, to }: { from: number; to: number }, every?: number): void {
  const points = every ? (to - from) / 1e6 / every : 1
  if (points > queryLimits.points) throw new QueryError('every', `${points} points, at most ${queryLimits.points} expected`)
}

function checkCompare({ from, to }: { from: number; to: number }, compare: number | undefined, step: number): void {
  if (compare === undefined) return
  if (compare * 1e6 < to - from)
    throw new QueryError('compare', `${compare} seconds, at least the ${(to - from) / 1e6} of the range expected`)
  if (step && compare % step) throw new QueryError('compare', `${compare} seconds, a multiple of ${step} expected`)
}
