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

/** Words for a group's value: what is empty is said to be so. */
export const wordsOf = (value: Value) =>
  value === '' || value === null ? '(none)' : Array.isArray(value) ? value.join(', ') : String(value)

/** The name of a row's group: `shop / checkout`. */
export const groupName = (row: readonly Value[], groups: readonly number[]) => groups.map(at => wordsOf(row[at]!)).join(' / ')

/** The lines of an answer over time, in the order the answer names their groups. */
export function seriesOf(answer: Answer, metrics: readonly string[], { every, names = {} }: SeriesOptions = {}): Series[] {
  const { time, groups, metrics: chosen } = partsOf(answer, metrics)
  const lines = new Map<string, Series>()
  for (const row of answer.rows) {
    const group = groupName(row, groups)
    for (const at of chosen) {
      const { name: metric, unit = '' } = answer.columns[at]!
      const perSecond = every !== undefined && isCount(unit)
      const label = names[metric] ?? metric
      const name = group ? (chosen.length > 1 ? `${group} · ${label}` : group) : label
      const line = lines.get(name) ?? { name, metric, unit, perSecond, points: [] }
      lines.set(name, line)
      line.points.push({ time: timeOf(row[time]!), value: scaled(row[at]!, perSecond ? every : 1) })
    }
  }
  return [...lines.values()].map(line => ({ ...line, points: line.points.sort((a, b) => a.time - b.time) }))
}

const scaled = (value: Value, seconds: number) => (value === null ? null : Number(value) / seconds)
