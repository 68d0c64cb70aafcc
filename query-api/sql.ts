import { type Metric, metrics as allMetrics } from '../schema/metric.ts'
import type { RankingName } from '../schema/ranking.ts'
import { Parameters, filterSql } from './filter/sql.ts'
import type { Plan } from './plan.ts'
import { asksForPolicy, policyFields, policyOfEdge, withPolicy } from './policy.ts'
import { shareColumns, sharedSql, sharesSql } from './exporters.ts'
import { type Best, amongSql, bestViews, countsSql, rankingColumns, sharedConditions } from './view.ts'

export interface Statement {
  sql: string
  params: Record<string, unknown>
}

export const otherGroup = 'Other'

/**
 * The plan as one statement. `views` are the rows of the range, each with its edge and how its view ranks; `best_of_…` has the best of each
 * edge; the rest adds up the rows that count. The analyzer's time grows with columns times depth and is most of what a short statement
 * takes, so there are no columns that are not needed, and `counted` is there only for who needs it.
 */
export function toSql(plan: Plan, limit: number): Statement {
  const parameters = new Parameters()
  const where = plan.filter && filterSql(plan.filter, parameters)
  const names = rankingsOf(plan.metrics)
  const policy = asksForPolicy(plan.by, names)
  const best = bestViews(names, { last: plan.last ?? true, more: policy ? { denials: policyOfEdge } : {} })
  const counted = countedSql(plan, names, best)
  const apart = policy || plan.shared || plan.top !== undefined
  const parts: [name: string, sql: string][] = [
    ['views', viewsSql(plan, names, where)],
    ...best.map(({ name, sql }): [string, string] => [name, sql]),
    ...(plan.shared ? [['shares', sharesSql] as [string, string]] : []),
    ...(apart ? [['counted', `SELECT ${policy ? withPolicy : '*'}${sharesOf(plan)}\nFROM ${counted}`] as [string, string]] : []),
    ...(plan.top === undefined ? [] : [['top', topSql(plan)] as [string, string]]),
  ]
  const ctes = parts.map(([name, sql]) => `${name} AS (\n${indent(sql)}\n)`)
  return { sql: `WITH\n${ctes.join(',\n')}\n${answerSql(plan, apart ? 'counted' : counted, limit)}`, params: parameters.values }
}

/** The rows of a plan without rankings: for each group the values of one of its rows, and what each view of it has, with the number of its records. */
export function viewsStatement(plan: Plan, view: readonly string[], limit: number): Statement {
  const parameters = new Parameters()
  const where = plan.filter && filterSql(plan.filter, parameters)
  const views = viewsSql({ ...plan, by: [...new Set([...plan.by, ...view])] }, [], where)
  const ofViews = [groupColumn, 'sum(measured_records) AS records', ...[...view, ...plan.by].map(name => `any(${name}) AS any_${name}`)]
  // One number in place of the columns: a label's hash is taken once for each entry of its dictionary.
  const hash = view.map(name => `cityHash64('${name}', ${name})`).join(' + ')
  const ofGroups = [
    `toString(${groupColumn}) AS ${groupName}`,
    ...plan.by.map(name => `any(any_${name}) AS ${name}`),
    `groupArray((${[...view.map(name => `any_${name}`), 'records'].join(', ')})) AS seen_by`,
  ]
  const inner = `SELECT ${ofViews.join(', ')}\nFROM (\n${indent(views)}\n)\nGROUP BY ${groupColumn}, ${hash}`
  const sql = `SELECT\n${indent(ofGroups.join(',\n'))}\nFROM (\n${indent(inner)}\n)\nGROUP BY ${groupColumn}\nLIMIT ${limit}`
  return { sql, params: parameters.values }
}

const indent = (sql: string) => sql.replace(/^/gm, '  ')

/** Names of the orders of views the metrics need. */
export function rankingsOf(metrics: readonly Metric[]): RankingName[] {
  const of = ({ calculation }: Metric): RankingName[] => {
    if ('difference' in calculation) return calculation.difference.flatMap(name => of(allMetrics.get(name)!))
    return 'ranking' in calculation && calculation.ranking ? [calculation.ranking] : []
  }
  return [...new Set(metrics.flatMap(of))]
}

/** Columns of measures the metrics read. */
function measuresOf(metrics: readonly Metric[]): string[] {
  const of = ({ calculation }: Metric): string[] => {
    if ('difference' in calculation) return calculation.difference.flatMap(name => of(allMetrics.get(name)!))
    if ('ratio' in calculation) return [...calculation.ratio]
    if ('quantile' in calculation || 'bucketQuantile' in calculation) return [calculation.of]
    return ['sum' in calculation ? calculation.sum : calculation.all]
  }
  return [...new Set(metrics.flatMap(of))]
}

/** Not the measure's own name, which may be that of a metric. */
const measured = (measure: string) => `measured_${measure}`

/** The rows that count in some metric, with the best views of their edges. */
function countedSql({ metrics, shared }: Plan, names: RankingName[], best: Best[]): string {
  const where = countsAll(metrics) || names.length === 0 ? [] : [`WHERE ${names.map(countsSql).join(' OR ')}`]
  const shares = shared ? ['LEFT JOIN shares USING (bucket_edge, teller)'] : []
  return ['views', ...best.map(({ name, edge }) => `JOIN ${name} USING ${edge}`), ...shares, ...where].join('\n')
}

/** The measures with the shares of exporters; rows are counted as they came. */
function sharesOf({ shared, metrics }: Plan): string {
  const measures = measuresOf(metrics).filter(name => name !== 'records')
  return shared ? ` REPLACE (${measures.map(name => sharedSql(measured(name))).join(', ')})` : ''
}

/** The one order of views that all metrics share, so that only rows that count need be kept. */
function onlyRanking(metrics: readonly Metric[]): RankingName | undefined {
  const names = rankingsOf(metrics)
  return names.length === 1 && !countsAll(metrics) ? names[0] : undefined
}

/** Whether some metric counts every row, so that none may be left out. */
const countsAll = (metrics: readonly Metric[]) =>
  metrics.some(({ calculation }) => 'all' in calculation || ('quantile' in calculation && !calculation.ranking))

/** The number by which rows are grouped, where it is not what they are asked by. */
const groupColumn = 'ends'

/** Its column in the answer. */
export const groupName = 'pair'

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

/** Rows of the table with what is asked of them, the number of their edge and of their view. */
function viewsSql(plan: Plan, names: RankingName[], where: string | undefined): string {
  const { by, metrics } = plan
  const among = countsAll(metrics) ? [] : names
  const columns = [
    ...new Set([...by, ...policyFields(by, names)]),
    ...measuresOf(metrics).map(name => `${name} AS ${measured(name)}`),
    ...rankingColumns(names, {
      kind: plan.kind.name as 'flow' | 'request',
      by: [...by, ...(plan.group?.fields ?? [])],
      met: sharedConditions(among),
      stored: plan.resolution > 0,
      last: plan.last ?? true,
    }),
  ]
  if (plan.shared) columns.push(...shareColumns)
  const grouped = plan.group ? [`${plan.group.sql} AS ${groupColumn}`] : []
  const selected = `SELECT\n${indent([...timeColumns(plan), ...(plan.seen ? ['bucket'] : []), ...columns, ...grouped].join(',\n'))}`
  const conditions = [rangeSql(plan), plan.visible, ...amongSql(among), where && `(${where})`].filter(Boolean).join('\n  AND ')
  if (plan.resolution > 0) return `${selected}\nFROM ${plan.table}\nWHERE ${conditions}`
  return `${selected}\nFROM (\n${indent(recordsSql(plan, conditions, [...columns, ...grouped].join(' ')))}\n)`
}

/** SQL of the condition that a row is of the range. */
export function rangeSql({ from, to, compare, resolution }: Plan): string {
  const column = resolution > 0 ? 'bucket' : 'time'
  const range = (less: number) => `${column} >= ${time(from - less)} AND ${column} < ${time(to - less)}`
  return compare ? `(${range(0)} OR ${range(compare * 1e6)})` : range(0)
}

/** Records added up to the rows a rollup would have; `columns` says which of them are read. */
function recordsSql({ kind, interval, table }: Plan, conditions: string, columns: string): string {
  const words = new Set(columns.match(/\w+/g))
  const measures = Object.entries(kind.measures ?? countOnly).filter(([name]) => words.has(name))
  const isMeasure = (name: string) => measures.some(([measure]) => measure === name)
  const keys = Object.keys(kind.fields).filter(name => words.has(name) && !isMeasure(name))
  const selected = measures.map(([name, { raw }]) => `${raw} AS ${name}`)
  const from = `${table}${kind.replacing ? ' FINAL' : ''}`
  const source = `SELECT *, toStartOfInterval(time, INTERVAL ${interval} SECOND) AS bucket\nFROM ${from}\nWHERE ${conditions}`
  return `SELECT ${['bucket', ...keys, ...selected].join(', ')}\nFROM (\n${indent(source)}\n)\nGROUP BY ${['bucket', ...keys].join(', ')}`
}

/** Of kinds without rollups. */
const countOnly = { records: { raw: 'count()' } }

/** What a metric is over the rows that count, or over those of them for which `condition` holds. */
function metricSql(metric: Metric, metrics: readonly Metric[], condition?: string): string {
  const { calculation } = metric
  const flags = 'ranking' in calculation && calculation.ranking && !onlyRanking(metrics) ? [countsSql(calculation.ranking)] : []
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
  if ('bucketQuantile' in calculation) {
    const merged = given ? `sumMapIf(${measured(calculation.of)}, ${given})` : `sumMap(${measured(calculation.of)})`
    return bucketQuantileSql(merged, calculation.bucketQuantile)
  }
  const [more, less] = calculation.difference.map(name => metricSql(allMetrics.get(name)!, metrics, condition))
  return `greatest(${more} - ${less}, 0)`
}

/**
 * As Prometheus' histogram_quantile: linear within the bucket that has it, from 0 in the first; the bound below where it is in the bucket
 * without an end. Nothing where nothing was observed.
 */
function bucketQuantileSql(merged: string, quantile: number): string {
  const at = `arrayFirstIndex(sum -> sum >= ${quantile} * sums[-1], sums)`
  const within = '(bounds[i] - bounds[i - 1]) * (wanted - sums[i - 1]) / (sums[i] - sums[i - 1])'
  const cases = ['i = 1 AND isInfinite(bounds[1]), nan', 'i = 1 AND bounds[1] <= 0, bounds[1]', 'isInfinite(bounds[i]), bounds[i - 1]']
  const value = `multiIf(${cases.join(', ')}, bounds[i - 1] + ${within})`
  const found = `arrayMap((i, wanted) -> ${value}, [${at}], [${quantile} * sums[-1]])[1]`
  const ofBuckets = `arrayMap((bounds, sums) -> if(sums[-1] > 0, ${found}, nan), [merged.1], [arrayCumSum(merged.2)])[1]`
  return `arrayMap(merged -> ${ofBuckets}, [${merged}])[1]`
}

/** The groups to keep, by the first metric. */
function topSql({ by, metrics, top, compare }: Plan): string {
  const groups = by.join(', ')
  return `SELECT ${groups} FROM counted\nGROUP BY ${groups}\nORDER BY ${metricSql(metrics[0], metrics, compare ? 'NOT before' : undefined)} DESC, ${groups}\nLIMIT ${top}`
}

function answerSql(plan: Plan, counted: string, limit: number): string {
  const { by, metrics, every, top, compare, group } = plan
  const times = every ? ['time'] : []
  const other = top ? ['other'] : []
  const groups = top
    ? by.map(name => `if(other, '${otherGroup}', toString(groups.${name})) AS ${name}`)
    : [...(group ? [`toString(${groupColumn}) AS ${groupName}`] : []), ...by.map(name => (group ? `any(${name}) AS ${name}` : name))]
  const values = metrics.map(metric => `${metricSql(metric, metrics, compare ? 'NOT before' : undefined)} AS ${metric.name}`)
  const earlier = compare ? metrics.map(metric => `${metricSql(metric, metrics, 'before')} AS ${metric.name}_before`) : []
  const seen = plan.seen ? ['min(bucket) AS first_seen', 'max(bucket) AS last_seen'] : []
  const from = top ? `(\n  SELECT *, (${by.join(', ')}) NOT IN top AS other FROM counted\n) AS groups` : counted
  const keys = [...times, ...other, ...(group ? [groupColumn] : by)]
  const order = [...times, ...other, ...(by.length > 0 ? [`${metrics[0].name} DESC`, ...by] : group ? [groupColumn] : [])]
  return [
    `SELECT\n  ${[...times, ...groups, ...values, ...earlier, ...seen].join(',\n  ')}`,
    `FROM ${from}`,
    ...(keys.length > 0 ? [`GROUP BY ${plan.totals ? `${groupColumn}, time WITH ROLLUP` : keys.join(', ')}`] : []),
    ...(order.length > 0 ? [`ORDER BY ${order.join(', ')}`] : []),
    `LIMIT ${limit}`,
  ].join('\n')
}
