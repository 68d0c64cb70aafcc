import type { Coverage } from './coverage.ts'

/** Where an answer comes from and how far it can be trusted. */
export interface Meta extends Coverage {
  table: string
  /** Seconds per row of the table; 0 for records as they came. */
  resolution: number
  /** Whether some metric is an estimate; `estimates` says which, with its error. */
  approximate: boolean
  estimates: Record<string, string>
  /** The window in the range that is attributed again at present: of each hour the answer has what was known before, or all that is known now. */
  reattribution?: { from: string; to: string }
  /** What was answered: the range that was asked for, widened to whole intervals. */
  from: string
  to: string
  /** Points that are not complete yet. */
  partial: string[]
  /** There are more rows than were sent. */
  truncated: boolean
  sql: string
  params: Record<string, unknown>
  elapsed_ms: number
  rows_read: number
}

/** One account of an answer that was put together from several over the same range and filter. */
export function mergeMeta([first, ...others]: readonly Meta[]): Meta {
  return others.reduce(
    (one, other) => ({
      ...one,
      table: one.table.split(', ').includes(other.table) ? one.table : `${one.table}, ${other.table}`,
      resolution: Math.max(one.resolution, other.resolution),
      approximate: one.approximate || other.approximate,
      estimates: { ...one.estimates, ...other.estimates },
      watermark: earlier(one.watermark, other.watermark),
      from: one.from < other.from ? one.from : other.from,
      to: one.to > other.to ? one.to : other.to,
      partial: [...new Set([...one.partial, ...other.partial])].sort(),
      truncated: one.truncated || other.truncated,
      reattribution: one.reattribution ?? other.reattribution,
      sql: `${one.sql};\n\n${other.sql}`,
      params: { ...one.params, ...other.params },
      elapsed_ms: Math.max(one.elapsed_ms, other.elapsed_ms),
      rows_read: one.rows_read + other.rows_read,
    }),
    first,
  )
}

/** The earlier of two watermarks; a kind of which nothing was heard does not hold the others back. */
const earlier = (a: string | null, b: string | null) => (a && b ? (Date.parse(a) < Date.parse(b) ? a : b) : (a ?? b))
