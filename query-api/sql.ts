import { type Metric, metrics as allMetrics } from '../schema/metric.ts'
import { type RankingName, rankings } from '../schema/ranking.ts'
import { Parameters, filterSql } from './filter/sql.ts'
import type { Plan } from './plan.ts'
import { dimensionSql, policyFields } from './policy.ts'
import { apartColumns, edgeSql, partitionSql, rankSql, viewColumn, viewSql } from './view.ts'

export interface Statement {
  sql: string
  params: Record<string, unknown>
}

export const otherGroup = 'Other'

/**
 * The plan as one statement. `counted` are the rows of the range with, for each order of views, whether the row is of the view that counts;
 * the rest adds up.
 */
export function toSql(plan: Plan, limit: number): Statement {
  const parameters = new Parameters()
  const where = plan.filter && filterSql(plan.filter, parameters)
  const counted = countedSql(plan, where)
  const ctes = [`counted AS (\n${indent(counted)}\n)`, ...(plan.top ? [`top AS (\n${indent(topSql(plan))}\n)`] : [])]
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

function countedSql(plan: Plan, where: string | undefined): string {
  const names = rankingsOf(plan.metrics)
  const dimensions = plan.by.map(name => dimensionSql(name, plan.by, names))
  const measures = measuresOf(plan.metrics).map(name => `${name} AS ${measured(name)}`)
  const columns = [...timeColumns(plan), ...(plan.seen ? ['bucket'] : []), ...dimensions, ...measures, ...names.map(chosenSql)]
  const outer = `SELECT\n  ${columns.join(',\n  ')}\nFROM (\n${indent(viewsSql(plan, names, where))}\n) AS views`
  return countsAll(plan.metrics) ? outer : `SELECT * FROM (\n${indent(outer)}\n)\nWHERE ${names.map(name => `in_${name}`).join(' OR ')}`
}

/** Not the measure's own name, which may be that of a metric. */
const measured = (measure: string) => `measured_${measure}`

function chosenSql(name: RankingName): string {
  const view = viewColumn(name)
  return `${view}.1 > 0 AND ${view} = max(${view}) OVER (PARTITION BY ${partitionSql(name)}) AS in_${name}`
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

/** Rows of the table with the number of their edge and the rank of their view. */
function viewsSql(plan: Plan, names: RankingName[], where: string | undefined): string {
  const kind = plan.kind.name as 'flow' | 'request'
  const apart = names.flatMap(apartColumns).map(({ column, sql }) => `${sql} AS ${column}`)
  const ranks = names.map(name => `(${rankSql(name)}, view) AS ${viewColumn(name)}`)
  const added = names.length === 0 ? [] : [`${edgeSql(kind, plan.by)} AS edge`, `${viewSql(kind)} AS view`, ...apart, ...ranks]
  const columns = ['*', ...added].join(',\n  ')
  const conditions = [rangeSql(plan), amongSql(plan.metrics, names), where && `(${where})`].filter(Boolean).join('\n  AND ')
  if (plan.resolution > 0) return `SELECT ${columns}\nFROM ${plan.table}\nWHERE ${conditions}`
  return `SELECT ${columns}\nFROM (\n${indent(recordsSql(plan, conditions, columns))}\n)`
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
  return `(${conditions.map(sql => `(${sql})`).join(' OR ')})`
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

/** What a metric is over rows that `condition` chooses from. */
function metricSql({ calculation }: Metric, condition?: string): string {
  const given = (ranking: RankingName) => [`in_${ranking}`, condition].filter(Boolean).join(' AND ')
  if ('all' in calculation) return condition ? `sumIf(${measured(calculation.all)}, ${condition})` : `sum(${measured(calculation.all)})`
  if ('sum' in calculation) return `sumIf(${measured(calculation.sum)}, ${given(calculation.ranking)})`
  if ('ratio' in calculation) {
    const [part, whole] = calculation.ratio.map(name => `sumIf(${measured(name)}, ${given(calculation.ranking)})`)
    return `${part} / ${whole}`
  }
  if ('quantile' in calculation) {
    const { of, quantile, divideBy, ranking } = calculation
    return `quantilesDDMergeIf(0.01, 0.5, 0.95, 0.99)(${measured(of)}, ${given(ranking)})[${quantile}] / ${divideBy}`
  }
  const [more, less] = calculation.difference.map(name => metricSql(allMetrics.get(name)!, condition))
  return `greatest(${more} - ${less}, 0)`
}

/** The groups to keep, by the first metric. */
function topSql({ by, metrics, top, compare }: Plan): string {
  const groups = by.join(', ')
  return `SELECT ${groups} FROM counted\nGROUP BY ${groups}\nORDER BY ${metricSql(metrics[0], compare ? 'NOT before' : undefined)} DESC, ${groups}\nLIMIT ${top}`
}

function answerSql(plan: Plan, limit: number): string {
  const { by, metrics, every, top, compare } = plan
  const times = every ? ['time'] : []
  const other = top ? ['other'] : []
  const groups = top ? by.map(name => `if(other, '${otherGroup}', toString(groups.${name})) AS ${name}`) : by
  const values = metrics.map(metric => `${metricSql(metric, compare ? 'NOT before' : undefined)} AS ${metric.name}`)
  const earlier = compare ? metrics.map(metric => `${metricSql(metric, 'before')} AS ${metric.name}_before`) : []
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
