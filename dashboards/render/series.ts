import type { Answer, Column, Value } from '../question.ts'
import { isCount } from './units.ts'

export interface Point {
  time: number
  value: number | null
}

/** One line of a chart: a metric of one group. */
export interface Series {
  name: string
  metric: string
  unit: string
  perSecond: boolean
  points: Point[]
}

export interface SeriesOptions {
  /** Seconds per point: counts are shown per second. */
  every?: number
  names?: Readonly<Record<string, string>>
  /** Ends of the range in milliseconds. */
  from?: number
  to?: number
}

export const isTime = (column: Column) => /^(time|bucket)$/.test(column.name) || /time/i.test(column.type)
export const isNumber = (column: Column) => !isTime(column) && (column.unit !== undefined || /int|float|number|decimal/i.test(column.type))

/** A value of a time column in milliseconds. */
export const timeOf = (value: Value) => (typeof value === 'number' ? (value > 1e14 ? value / 1000 : value) : Date.parse(String(value)))

export interface Parts {
  time: number
  groups: number[]
  metrics: number[]
}

/** Which columns of an answer are the time, the groups and the metrics. */
export function partsOf({ columns }: Answer, metrics: readonly string[]): Parts {
  const index = columns.map((column, at) => ({ column, at }))
  const chosen = index.filter(({ column }) => metrics.includes(column.name))
  const time = index.find(({ column }) => isTime(column) && !metrics.includes(column.name))
  const groups = index.filter(part => !chosen.includes(part) && part !== time)
  return { time: time?.at ?? -1, groups: groups.map(({ at }) => at), metrics: chosen.map(({ at }) => at) }
}

/** The rows of an answer by the names of its columns. */
export const recordsOf = ({ columns, rows }: Answer): Readonly<Record<string, Value>>[] =>
  rows.map(row => Object.fromEntries(columns.map(({ name }, at) => [name, row[at]!])))

const emptyWords: Readonly<Record<string, string>> = {
  policy_name: '(no policy named)',
  src_workload: '(no workload)',
  dst_workload: '(no workload)',
  src_namespace: '(outside)',
  dst_namespace: '(outside)',
}

/** Words for a value of a column: what is empty is said to be so. */
export function wordsOf(value: Value, name = ''): string {
  if (value === '' || value === null) return emptyWords[name] ?? '(none)'
  return Array.isArray(value) ? value.join(', ') : String(value)
}

/** The name of a row's group: `shop / checkout`. */
export const groupName = (row: readonly Value[], groups: readonly number[], columns: readonly Column[] = []) =>
  groups.map(at => wordsOf(row[at]!, columns[at]?.name)).join(' / ')

/** The lines of an answer over time, in the order the answer names their groups; all have the same points. */
export function seriesOf(answer: Answer, metrics: readonly string[], options: SeriesOptions = {}): Series[] {
  const { time, groups, metrics: chosen } = partsOf(answer, metrics)
  const lines = new Map<string, { line: Omit<Series, 'points'>; values: Map<number, number | null> }>()
  const times = new Set<number>()
  for (const row of answer.rows) {
    times.add(timeOf(row[time]!))
    const group = groupName(row, groups, answer.columns)
    for (const at of chosen) {
      const line = lineOf(answer.columns[at]!, group, { ...options, several: chosen.length > 1 })
      const known = lines.get(line.name) ?? { line, values: new Map<number, number | null>() }
      lines.set(line.name, known)
      known.values.set(timeOf(row[time]!), scaled(row[at]!, line.perSecond ? options.every! : 1))
    }
  }
  const grid = gridOf(times, answer, options)
  return [...lines.values()].map(({ line, values }) => ({
    ...line,
    // Where nothing was counted the count is zero; where nothing was measured there is nothing.
    points: grid.map(time => ({ time, value: values.get(time) ?? (isCount(line.unit) && !values.has(time) ? 0 : null) })),
  }))
}

function lineOf(
  { name: metric, unit = '' }: Column,
  group: string,
  { every, names = {}, several }: SeriesOptions & { several: boolean },
): Omit<Series, 'points'> {
  const label = names[metric] ?? metric
  const name = group ? (several ? `${group} · ${label}` : group) : label
  return { name, metric, unit, perSecond: every !== undefined && isCount(unit) }
}

const fewPoints = 4
const mostPoints = 5000

/** Every point in time from the first to the last that is complete; the incomplete ones too when there are few. */
function gridOf(times: ReadonlySet<number>, { meta }: Answer, { every, from, to }: SeriesOptions): number[] {
  const seen = [...times].sort((a, b) => a - b)
  if (!every || !seen.length) return seen
  const step = every * 1000
  const first = from === undefined ? seen[0]! : Math.min(seen[0]!, seen[0]! - Math.floor((seen[0]! - from) / step) * step)
  const known = meta.watermark ? Math.min(timeOf(meta.watermark), to ?? Infinity) : seen.at(-1)! + step
  const last = Math.max(seen.at(-1)!, first + Math.floor((known - first) / step - 1) * step)
  const count = Math.min(mostPoints, Math.round((last - first) / step) + 1)
  const partial = new Set((meta.partial ?? []).map(timeOf))
  const grid = Array.from({ length: count }, (_, at) => first + at * step)
  const complete = grid.filter(time => !partial.has(time))
  return complete.length >= fewPoints ? complete : grid
}

const scaled = (value: Value, seconds: number) => (value === null ? null : Number(value) / seconds)
