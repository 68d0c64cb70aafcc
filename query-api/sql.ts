import { type Metric, metrics as allMetrics } from '../schema/metric.ts'
import { type RankingName, rankings } from '../schema/ranking.ts'
import { Parameters, filterSql } from './filter/sql.ts'
import type { Plan } from './plan.ts'
import { asksForPolicy, dimensionSql, policyFields, policyOfEdge } from './policy.ts'
import { type Best, bestViews, countsSql, edgeSql, rankingColumns } from './view.ts'

export interface Statement {
  sql: string
  params: Record<string, unknown>
}

export const otherGroup = 'Other'

/**
 * The plan as one statement. `views` are the rows of the range, each with its edge and how its view ranks; `best_of_edge` has the best of each
 * edge; `counted` are the rows that count; the rest adds up.
 */
export function toSql(plan: Plan, limit: number): Statement {
  const parameters = new Parameters()
  const where = plan.filter && filterSql(plan.filter, parameters)
  const names = rankingsOf(plan.metrics)
  const best = bestViews(names, asksForPolicy(plan.by, names) ? { denials: policyOfEdge } : {})
  const parts: [name: string, sql: string][] = [
    ['views', viewsSql(plan, names, where)],
    ...best.map(({ name, sql }): [string, string] => [name, sql]),
    ['counted', countedSql(plan, names, best)],
    ...(plan.top === undefined ? [] : [['top', topSql(plan)] as [string, string]]),
  ]
  const ctes = parts.map(([name, sql]) => `${name} AS (\n${indent(sql)}\n)`)
  return { sql: `WITH\n${ctes.join(',\n')}\n${answerSql(plan, limit)}`, params: parameters.values }
}

const indent = (sql: string) => sql.replace(/^/gm, '  ')

/** Names of the orders of views the metrics need. */
export function rankingsOf(metrics: readonly Metric[]): RankingName[] {
  const of = ({ calculation }: Metric): RankingName[] => {
    if ('difference' in calculation) return calculation.difference.flatMap(name => of(allMetrics.get(name)!))
    return 'ranking' in calculation ? [calculation.ranking] : []
  }
  return [...new Set(metrics.flatMap(of))]
}

/** Columns of measures the metrics read. */
function measuresOf(metrics: readonly Metric[]): string[] {
  const of = ({ calculation }: Metric): string[] => {
    if ('difference' in calculation) return calculation.difference.flatMap(name => of(allMetrics.get(name)!))
    if ('ratio' in calculation) return [...calculation.ratio]
    if ('quantile' in calculation) return [calculation.of]
    return ['sum' in calculation ? calculation.sum : calculation.all]
  }
  return [...new Set(metrics.flatMap(of))]
}

/** Not the measure's own name, which may be that of a metric. */
const measured = (measure: string) => `measured_${measure}`

function countedSql(plan: Plan, names: RankingName[], best: Best[]): string {
  const dimensions = plan.by.map(name => dimensionSql(name, plan.by, names))
  const measures = measuresOf(plan.metrics).map(name => `${name} AS ${measured(name)}`)
  const only = onlyRanking(plan.metrics)
  const flags = only ? [] : names.map(name => `${countsSql(name)} AS in_${name}`)
  const columns = [...timeColumns(plan), ...(plan.seen ? ['bucket'] : []), ...dimensions, ...measures, ...flags]
  const join = best.map(({ name, edge }) => `JOIN ${name} USING ${edge}`)
  const where = only
    ? [`WHERE ${countsSql(only)}`]
    : countsAll(plan.metrics)
      ? []
      : [`WHERE ${names.map(name => `in_${name}`).join(' OR ')}`]
  return [`SELECT\n  ${columns.join(',\n  ')}`, 'FROM views', ...join, ...where].join('\n')
}

/** The one order of views that all metrics share, so that only rows that count need be kept. */
function onlyRanking(metrics: readonly Metric[]): RankingName | undefined {
  const names = rankingsOf(metrics)
  return names.length === 1 && !countsAll(metrics) ? names[0] : undefined
}

/** Whether some metric counts every row, so that none may be left out. */
const countsAll = (metrics: readonly Metric[]) => metrics.some(({ calculation }) => 'all' in calculation)

function timeColumns({ every, compare, from }: Plan): string[] {
  const before = compare ? [`bucket < ${time(from)} AS before`] : []
  if (!every) return before
  const point = compare ? `if(bucket < ${time(from)}, bucket + ${compare}, bucket)` : 'bucket'
  return [`toStartOfInterval(${point}, INTERVAL ${every} SECOND) AS time`, ...before]
}

const time = (micros: number) => {
  const text = new Date(micros / 1000).toISOString().replace('T', ' ')
  const fraction = micros % 1e6
  return fraction === 0
    ? `toDateTime('${text.slice(0, 19)}', 'UTC')`
    : `toDateTime64('${text.slice(0, 20)}${String(fraction).padStart(6, '0')}', 6, 'UTC')`
}

/** Rows of the table with the number of their edge and of their view. */
function viewsSql(plan: Plan, names: RankingName[], where: string | undefined): string {
  const kind = plan.kind.name as 'flow' | 'request'
  const filtered = onlyRanking(plan.metrics) !== undefined
  const edge = names.length === 0 ? [] : [`${edgeSql(kind, plan.by)} AS edge`]
  const columns = ['*', ...edge, ...names.flatMap(name => rankingColumns(name, kind, filtered))]
  const selected = `SELECT\n${indent(columns.join(',\n'))}`
  const conditions = [rangeSql(plan), amongSql(plan.metrics, names), where && `(${where})`].filter(Boolean).join('\n  AND ')
  if (plan.resolution > 0) return `${selected}\nFROM ${plan.table}\nWHERE ${conditions}`
  return `${selected}\nFROM (\n${indent(recordsSql(plan, conditions, selected))}\n)`
}

function rangeSql({ from, to, compare, resolution }: Plan): string {
  const column = resolution > 0 ? 'bucket' : 'time'
  const range = (less: number) => `${column} >= ${time(from - less)} AND ${column} < ${time(to - less)}`
  return compare ? `(${range(0)} OR ${range(compare * 1e6)})` : range(0)
}

/** What no metric counts need not be read. */
function amongSql(metrics: readonly Metric[], names: RankingName[]): string | undefined {
  const conditions = names.map(name => rankings[name].among as string)
  if (countsAll(metrics) || conditions.includes('1')) return undefined
  return `(${conditions.length === 1 ? conditions[0] : conditions.map(sql => `(${sql})`).join(' OR ')})`
}

/** Records added up to the rows a rollup would have; `columns` says which of them are read. */
function recordsSql({ kind, by, metrics, interval, table }: Plan, conditions: string, columns: string): string {
  const words = new Set(columns.match(/\w+/g))
  const wanted = [...by, ...policyFields(by, rankingsOf(metrics))]
  const measures = Object.entries(kind.measures ?? countOnly).filter(([name]) => measuresOf(metrics).includes(name) || words.has(name))
  const isMeasure = (name: string) => measures.some(([measure]) => measure === name)
  const keys = Object.keys(kind.fields).filter(name => (words.has(name) || wanted.includes(name)) && !isMeasure(name))
  const selected = measures.map(([name, { raw }]) => `${raw} AS ${name}`)
  const from = `${table}${kind.replacing ? ' FINAL' : ''}`
  const source = `SELECT *, toStartOfInterval(time, INTERVAL ${interval} SECOND) AS bucket\nFROM ${from}\nWHERE ${conditions}`
  return `SELECT ${['bucket', ...keys, ...selected].join(', ')}\nFROM (\n${indent(source)}\n)\nGROUP BY ${['bucket', ...keys].join(', ')}`
}

/** Of kinds without rollups. */
const countOnly = { records: { raw: 'count()' } }

/** What a metric is over the rows of `counted`, or over those of them for which `condition` holds. */
function metricSql(metric: Metric, metrics: readonly Metric[], condition?: string): string {
  const { calculation } = metric
  const flags = 'ranking' in calculation && !onlyRanking(metrics) ? [`in_${calculation.ranking}`] : []
  const given = [...flags, ...(condition ? [condition] : [])].join(' AND ')
  const add = (measure: string) => (given ? `sumIf(${measured(measure)}, ${given})` : `sum(${measured(measure)})`)
  if ('all' in calculation) return add(calculation.all)
  if ('sum' in calculation) return add(calculation.sum)
  if ('ratio' in calculation) return calculation.ratio.map(add).join(' / ')
  if ('quantile' in calculation) {
    const { of, quantile, divideBy } = calculation
    const merge = `quantilesDDMerge${given ? 'If' : ''}(0.01, 0.5, 0.95, 0.99)`
    return `${merge}(${[measured(of), ...(given ? [given] : [])].join(', ')})[${quantile}] / ${divideBy}`
  }
  const [more, less] = calculation.difference.map(name => metricSql(allMetrics.get(name)!, metrics, condition))
  return `greatest(${more} - ${less}, 0)`
}

/** The groups to keep, by the first metric. */
function topSql({ by, metrics, top, compare }: Plan): string {
  const groups = by.join(', ')
  return `SELECT ${groups} FROM counted\nGROUP BY ${groups}\nORDER BY ${metricSql(metrics[0], metrics, compare ? 'NOT before' : undefined)} DESC, ${groups}\nLIMIT ${top}`
}

function answerSql(plan: Plan, limit: number): string {
  const { by, metrics, every, top, compare } = plan
  const times = every ? ['time'] : []
  const other = top ? ['other'] : []
  const groups = top ? by.map(name => `if(other, '${otherGroup}', toString(groups.${name})) AS ${name}`) : by
  const values = metrics.map(metric => `${metricSql(metric, metrics, compare ? 'NOT before' : undefined)} AS ${metric.name}`)
  const earlier = compare ? metrics.map(metric => `${metricSql(metric, metrics, 'before')} AS ${metric.name}_before`) : []
  const seen = plan.seen ? ['min(bucket) AS first_seen', 'max(bucket) AS last_seen'] : []
  const from = top ? `(\n  SELECT *, (${by.join(', ')}) NOT IN top AS other FROM counted\n) AS groups` : 'counted'
  const keys = [...times, ...other, ...by]
  const order = [...times, ...other, ...(by.length > 0 ? [`${metrics[0].name} DESC`, ...by] : [])]
  return [
    `SELECT\n  ${[...times, ...groups, ...values, ...earlier, ...seen].join(',\n  ')}`,
    `FROM ${from}`,
    ...(keys.length > 0 ? [`GROUP BY ${keys.join(', ')}`] : []),
    ...(order.length > 0 ? [`ORDER BY ${order.join(', ')}`] : []),
    `LIMIT ${limit}`,
  ].join('\n')
}
