import { type End, type Level, better, endNumber, endOf, fieldsOfBothEnds, fieldsOfEnd } from './end.ts'
import { type Meta, mergeMeta } from './meta.ts'
import { type Answer, type Asking, type Cell, ask, named, pointsOf, wholeRange } from './query.ts'
import { pointLength } from './range.ts'
import { keepingTo } from './visible.ts'
import { whereOf } from './where.ts'

export const signalGroups = ['workload', 'namespace', 'service', 'edge'] as const

export interface SignalsQuery {
  from?: string
  to?: string
  by: (typeof signalGroups)[number]
  where?: string
  /** Seconds per point of the series. */
  every?: number
  /** Most groups. */
  limit: number
}

const flowMetrics = ['flows', 'connections', 'drops', 'denials'] as const
const mostRows = 100_000
const requestMetrics = ['requests', 'errors', 'error_ratio', 'latency_p50', 'latency_p95', 'latency_p99'] as const
const drawn = { flow: ['flows', 'denials'], request: ['requests', 'error_ratio', 'latency_p95'] } as const

type MetricName = (typeof flowMetrics)[number] | (typeof requestMetrics)[number]
type SeriesName = (typeof drawn)['flow' | 'request'][number]

/** Golden signals of a server, or of an edge to it: traffic, errors and latency of what it was asked. */
export interface Signals {
  /** The server. */
  target: End
  /** The client, of an edge. */
  source?: End
  metrics: Record<MetricName, number | null>
  /** One number per time. */
  series: Record<SeriesName, (number | null)[]>
}

export interface SignalsAnswer {
  times: string[]
  rows: Signals[]
  meta: Meta
}

/** Golden signals per workload, namespace or service that is called, or per edge, with the busiest first. */
export async function signals(query: SignalsQuery, given: Asking): Promise<SignalsAnswer> {
  const asking = await keepingTo(given)
  const { from, to, where, limit } = query
  const every = query.every ?? pointLength(query, asking.now)
  const level: Level = query.by === 'edge' ? 'workload' : query.by
  const by = query.by === 'edge' ? fieldsOfBothEnds(level) : fieldsOfEnd('dst', level)
  const group = query.by === 'edge' ? `cityHash64(${endNumber('src', level)}, ${endNumber('dst', level)})` : endNumber('dst', level)
  const filters = whereOf(where, asking.now)
  const forward = where?.trim() ? `(${where}) AND orientation != reply` : 'orientation != reply'
  const asked = (metrics: readonly string[], where: string | undefined, totals = false) =>
    ask({ from, to, by, where, metrics: [...metrics], every }, asking, {
      dimensions: by.length,
      rows: mostRows,
      group: { fields: by, sql: () => group },
      totals,
    })
  // Counts add up over time; ratios and latencies do not, so those of the whole range are asked for.
  const answers = await Promise.all([
    ...(filters.flow ? [asked(flowMetrics.slice(0, 2), forward), asked(flowMetrics.slice(2), forward)] : []),
    ...(filters.request ? [asked(requestMetrics, where, true)] : []),
  ])
  return merge(answers, { by: query.by, level, limit, every })
}

interface Shape {
  by: SignalsQuery['by']
  level: Level
  limit: number
  every: number
}

type Row = Record<string, Cell>

function merge(answers: readonly Answer[], shape: Shape): SignalsAnswer {
  const meta = mergeMeta(answers.map(({ meta }) => meta))
  // Every series has the same range and length of points.
  const times = pointsOf(
    answers.find(({ columns }) => columns[0].name === 'time')!,
    shape.every,
  )
  const groups = new Map<string, Signals>()
  for (const answer of answers) for (const row of named(answer)) if (!isOfEverything(row)) add(row, { groups, times, shape })
  const rows = [...groups.values()].sort(busiestFirst).slice(0, shape.limit)
  return { times, rows, meta: { ...meta, truncated: meta.truncated || groups.size > rows.length } }
}

const busiestFirst = ({ metrics: a }: Signals, { metrics: b }: Signals) =>
  Number(b.requests) - Number(a.requests) || Number(b.flows) - Number(a.flows)

const isOfEverything = ({ time, pair }: Row) => time === wholeRange && pair === '0'

function add(row: Row, { groups, times, shape }: { groups: Map<string, Signals>; times: string[]; shape: Shape }): void {
  const target = endOf(row, 'dst', shape.level)
  const source = shape.by === 'edge' ? endOf(row, 'src', shape.level) : undefined
  const key = JSON.stringify([source?.id, target.id])
  const group = groups.get(key) ?? nothingYet(target, source, times.length)
  group.target = better(group.target, target, shape.level)
  if (source) group.source = better(group.source!, source, shape.level)
  groups.set(key, group)
  if (row.time === wholeRange) Object.assign(group.metrics, pick(row, requestMetrics))
  else addPoint(group, row, times.indexOf(String(row.time)))
}

const pick = (row: Row, names: readonly string[]) => Object.fromEntries(names.map(name => [name, row[name]]))

function addPoint({ metrics, series }: Signals, row: Row, at: number): void {
  for (const name of seriesNames) if (row[name] !== undefined) series[name][at] = row[name] as number | null
  for (const name of flowMetrics) metrics[name] = Number(metrics[name]) + Number(row[name] ?? 0)
}

const metricNames = [...flowMetrics, ...requestMetrics]
const seriesNames = [...drawn.flow, ...drawn.request]

/** Counts of nothing are 0; ratios and latencies of nothing are not known. */
const absent = (name: MetricName) => (name === 'error_ratio' || name.startsWith('latency') ? null : 0)

function nothingYet(target: End, source: End | undefined, length: number): Signals {
  const metrics = Object.fromEntries(metricNames.map(name => [name, absent(name)])) as Signals['metrics']
  const series = Object.fromEntries(
    seriesNames.map(name => [name, Array.from({ length }, () => absent(name))]),
  ) as unknown as Signals['series']
  return { target, source, metrics, series }
}
