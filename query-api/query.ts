import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import type { FieldType } from '../schema/field.ts'
import type { Metric } from '../schema/metric.ts'
import { coverage } from './coverage.ts'
import { sharedError } from './exporters.ts'
import { mayBeShared, presentIn } from './present.ts'
import type { Meta } from './meta.ts'

import { type Plan, type PlanOptions, type Query, planQuery, queryLimits } from './plan.ts'
import { groupName, otherGroup, toSql } from './sql.ts'
import { writeTime } from './time.ts'
import { type Visible, conditionOf, keepingTo } from './visible.ts'
import { jsonValue } from './value.ts'

export interface Column {
  name: string
  type: FieldType | 'number'
  /** UCUM. */
  unit?: string
}

export type { Meta }
export type Cell = string | number | boolean | null

export interface Answer {
  columns: Column[]
  rows: Cell[][]
  meta: Meta
}

export interface Asking {
  clickhouse: ClickHouse
  /** Milliseconds since 1970. */
  now?: number
  /** Aborted when nobody waits for the answer any more. */
  signal?: AbortSignal
  /** What is seen of records that are attributed again; found out when absent. */
  visible?: Visible
}

/** Bounds of every statement of the API. Only what is said to be read-only is cancelled when its client leaves. */
export const statementSettings = { max_execution_time: 20, readonly: '2', cancel_http_readonly_queries_on_client_close: 1 } as const

/** Answers a question. Throws QueryError or FilterError when it can not be asked so. */
export async function ask(query: Query, asking: Asking, options: PlanOptions = {}): Promise<Answer> {
  const { clickhouse, now = Date.now(), signal } = asking
  const most = options.rows ?? queryLimits.rows
  const planned = planQuery(query, now, options)
  const { visible } = await keepingTo(asking)
  const plan = { ...planned, visible: conditionOf(visible, planned), ...(await presentIn(clickhouse, planned, now)) }
  const { sql, params } = toSql(plan, most + 1)
  const [result, covered] = await Promise.all([
    clickhouse.query<Record<string, unknown>>(sql, { params, signal, settings: statementSettings }),
    coverage(clickhouse, plan, { now, signal }),
  ])
  const columns = columnsOf(plan)
  const estimates = estimatesOf(plan)
  const rows = result.rows.slice(0, most).map(row => columns.map(column => cell(column, row[column.name], plan)))
  return {
    columns,
    rows,
    meta: {
      table: plan.table,
      resolution: plan.resolution,
      approximate: Object.keys(estimates).length > 0,
      estimates,
      ...covered,
      reattribution: visible.window(plan.kind, plan),
      from: writeTime(plan.from),
      to: writeTime(plan.to),
      partial: partialPoints(plan, covered.watermark, now),
      truncated: result.rows.length > most,
      sql,
      params,
      elapsed_ms: Math.round(result.statistics.elapsed * 1000),
      rows_read: result.statistics.rows_read,
    },
  }
}

/** Which metrics are estimates, with their error. */
function estimatesOf({ kind, metrics, shared }: Plan): Record<string, string> {
  const errorOf = (metric: Metric) => metric.approximate ?? (shared && mayBeShared({ kind, metrics: [metric] }) ? sharedError : undefined)
  return Object.fromEntries(
    metrics.flatMap(metric => {
      const error = errorOf(metric)
      return error ? [[metric.name, error]] : []
    }),
  )
}

const seenColumns: Column[] = [
  { name: 'first_seen', type: 'time' },
  { name: 'last_seen', type: 'time' },
]

function columnsOf({ every, by, metrics, compare, kind, seen, group }: Plan): Column[] {
  const metricColumn = (suffix: string) => metrics.map(({ name, unit }) => ({ name: name + suffix, type: 'number' as const, unit }))
  return [
    ...(every ? [{ name: 'time', type: 'time' as const }] : []),
    ...(group ? [{ name: groupName, type: 'label' as const }] : []),
    ...by.map(name => ({ name, type: kind.fields[name].type, unit: kind.fields[name].unit })),
    ...metricColumn(''),
    ...(compare ? metricColumn('_before') : []),
    ...(seen ? seenColumns : []),
  ]
}

/** Groups are texts where there is an `Other`; the kept ones get back their type. */
function cell({ type }: Column, value: unknown, { top }: Plan): Cell {
  if (!top || typeof value !== 'string' || value === otherGroup) return jsonValue(type, value) as Cell
  if (type.startsWith('uint')) return Number(value)
  return type === 'bool' ? value === 'true' : (jsonValue(type, value) as Cell)
}

/** A point is complete when it ended before the watermark; without one, when it ended before now. */
function partialPoints({ from, to, every }: Plan, watermark: string | null, now: number): string[] {
  const complete = Math.min(now, watermark ? Date.parse(watermark) : now) * 1000
  const length = every ? every * 1e6 : to - from
  const first = complete <= from ? from : from + Math.floor((complete - from) / length) * length
  const points: string[] = []
  for (let point = first; point < to; point += length) points.push(writeTime(point))
  return points
}

/** The time of a row that is of the whole range. */
export const wholeRange = writeTime(0)

/** The rows of an answer by the names of its columns. */
export function named(answer: Answer): Record<string, Cell>[] {
  return answer.rows.map(row => Object.fromEntries(answer.columns.map(({ name }, i) => [name, row[i]])))
}

/** Every point of an answer, also those without rows. */
export function pointsOf({ meta }: Answer, every: number): string[] {
  const [from, to] = [meta.from, meta.to].map(time => Date.parse(time))
  return Array.from({ length: (to - from) / 1000 / every }, (_, i) => writeTime((from + i * every * 1000) * 1000))
}
