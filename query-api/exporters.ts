import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import { sharedRankings, teller } from '../schema/ranking.ts'
import type { Plan } from './plan.ts'
import { rangeSql, rankingsOf } from './sql.ts'

/** What is said of numbers that several exporters told together. */
export const sharedError = 'exporters that saw the same conversations are counted once; those that sample may add up'

/** Whether exporters have shares in what is asked for. */
export const mayBeShared = ({ kind, metrics }: Pick<Plan, 'kind' | 'metrics'>) =>
  kind.name === 'flow' && rankingsOf(metrics).some(name => sharedRankings.includes(name))

const keptMs = 2000
const mostKept = 100
const cached = new WeakMap<ClickHouse, Map<string, { at: number; value: Promise<boolean> }>>()

/** Whether several exporters told of the range. Asked for at most every two seconds, for everybody. */
export function haveSeveral(clickhouse: ClickHouse, plan: Plan, now: number): Promise<boolean> {
  const ranges = cached.get(clickhouse) ?? new Map<string, { at: number; value: Promise<boolean> }>()
  cached.set(clickhouse, ranges)
  const range = `${plan.table} WHERE ${rangeSql(plan)}`
  const known = ranges.get(range)
  if (known && Math.abs(now - known.at) < keptMs) return known.value
  if (ranges.size >= mostKept) ranges.clear()
  const value = countIn(clickhouse, range)
  ranges.set(range, { at: now, value })
  value.catch(() => ranges.delete(range))
  return value
}

async function countIn(clickhouse: ClickHouse, range: string): Promise<boolean> {
  const { rows } = await clickhouse.query<{ several: number }>(
    `SELECT uniqExact(${teller}) > 1 AS several FROM ${range} AND exporter != ''`,
  )
  return Boolean(rows[0].several)
}

/**
 * The share of what each exporter told of an edge in an interval that no other had told already: of its conversations, those that none
 * had that saw more. Two on one path tell the same ones, and the second has none; two between which flows are divided tell different ones,
 * and have all. Conversations of an edge are distinct counts, exact for some hundreds of them and within 1 % beyond.
 */
export const sharesSql = `SELECT bucket_edge, teller, greatest(toFloat64(heard) - lagInFrame(toFloat64(heard)) OVER known, 0) / own AS share
FROM (
  SELECT bucket_edge, teller, own, uniqCombinedMerge(14)(told) OVER (
    PARTITION BY bucket_edge ORDER BY own DESC, teller ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS heard
  FROM (
    SELECT bucket_edge, teller, uniqCombinedMerge(14)(conversations) AS own, uniqCombinedMergeState(14)(conversations) AS told
    FROM views
    WHERE exporter != ''
    GROUP BY bucket_edge, teller
  )
)
WINDOW known AS (PARTITION BY bucket_edge ORDER BY own DESC, teller ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)`

/** Columns that shares are made of, and what they apply to: what was dropped was so at one of them. */
export const shareColumns = [
  'exporter',
  'conversations',
  `${teller} AS teller`,
  "exporter != '' AND verdict != 'dropped' AS is_shared",
] as const

/** SQL of a measure of which each exporter has its share. */
export const sharedSql = (measure: string) => `${measure} * if(is_shared, share, 1) AS ${measure}`
