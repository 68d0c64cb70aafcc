import { flowFields } from '../../schema/flow.ts'
import { requestFields } from '../../schema/request.ts'
import { metrics } from '../../schema/metric.ts'
import type { Meta } from '../../query-api/meta.ts'
import { filterPredicate } from './filter-predicate.ts'
import { parseFilter } from '../../query-api/filter/parse.ts'
import { readTime } from '../../query-api/time.ts'
import { type FactRow, factsBetween } from './fixture-world.ts'

export interface FixtureQuestion {
  from: string
  to: string
  metrics: string[]
  by?: string[]
  where?: string
  every?: number
  top?: number
}

const fields = { ...flowFields, ...requestFields }

/** The rows of the made-up shop in a range that a filter lets through. */
export function factsOf({ from, to, where = '' }: Pick<FixtureQuestion, 'from' | 'to' | 'where'>, stepSeconds = 30): FactRow[] {
  const now = Date.now()
  const ends = [from, to].map(point => (readTime(point, now) ?? now * 1000) / 1000)
  const filter = parseFilter(where, fields)
  const passes = filter ? filterPredicate(filter) : () => true
  return factsBetween(ends[0]!, ends[1]!, now, stepSeconds * 1000).filter(passes)
}

const sum = (rows: readonly FactRow[], name: string) => rows.reduce((total, row) => total + Number(row[name] ?? 0), 0)

function latencyOf(rows: readonly FactRow[], factor: number): number | null {
  const requests = sum(rows, 'requests')
  return requests ? (rows.reduce((total, row) => total + Number(row.requests) * Number(row.latency), 0) / requests) * factor : null
}

const calculations: Readonly<Record<string, (rows: readonly FactRow[]) => number | null>> = {
  error_ratio: rows => (sum(rows, 'requests') ? sum(rows, 'errors') / sum(rows, 'requests') : null),
  latency_p50: rows => latencyOf(rows, 1),
  latency_p95: rows => latencyOf(rows, 2.4),
  latency_p99: rows => latencyOf(rows, 4.1),
  drops: rows => sum(rows, 'denials'),
  records: rows => sum(rows, 'flows'),
}

/** A metric over some rows. */
export const calculate = (name: string, rows: readonly FactRow[]) => (calculations[name] ?? (all => sum(all, name)))(rows)

/** Rows with something of what was asked for: a flow has no latency, a request no connections. */
const belongs = (names: readonly string[]) => (row: FactRow) => {
  if (names.every(name => name === 'denials' || name === 'drops')) return Number(row.denials) > 0
  const isAboutRequests = names.some(name => metrics.get(name)?.kinds[0] === 'request')
  return !isAboutRequests || Number(row.requests) > 0
}

/** The answer to a query over the made-up shop, in the shape of the API. */
export function answerOf(question: FixtureQuestion): object {
  const { metrics: names, by = [], every, top = 100 } = question
  const groups = new Map<string, FactRow[]>()
  for (const row of factsOf(question, every && every < 30 ? every : 30).filter(belongs(names))) {
    const bucket = every ? [new Date(Math.floor(row.time / 1000 / every) * every * 1000).toISOString()] : []
    const key = JSON.stringify([...bucket, ...by.map(name => row[name] ?? '')])
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  const rows = [...groups].map(([key, facts]) => [
    ...(JSON.parse(key) as (string | number)[]),
    ...names.map(name => calculate(name, facts)),
  ])
  const first = by.length + (every ? 1 : 0)
  if (!every) rows.sort((a, b) => Number(b[first]) - Number(a[first]))
  return {
    columns: [
      ...(every ? [{ name: 'time', type: 'time' }] : []),
      ...by.map(name => ({ name, type: name.endsWith('port') ? 'uint16' : 'label' })),
      ...names.map(name => ({ name, type: 'float64', unit: metrics.get(name)?.unit ?? '' })),
    ],
    rows: every ? rows : rows.slice(0, top),
    meta: metaOf(every),
  }
}

export const metaOf = (every?: number): Meta => ({
  table: 'flow_1m',
  resolution: every ?? 60,
  approximate: false,
  estimates: {},
  watermark: new Date(Date.now() - 4000).toISOString(),
  lost: 0,
  gaps: 0,
  from: '',
  to: '',
  partial: [],
  truncated: false,
  sql: 'SELECT sum(flows) FROM flow_1m',
  params: {},
  elapsed_ms: 12,
  rows_read: 3200,
})
