import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import { sharedRankings, teller } from '../schema/ranking.ts'
import type { Plan } from './plan.ts'
import { statementSettings } from './query.ts'
import { rangeSql, rankingsOf } from './sql.ts'
import { lastSql } from './view.ts'

/** Whether exporters have shares in what is asked for. */
export const mayBeShared = ({ kind, metrics }: Pick<Plan, 'kind' | 'metrics'>) =>
  kind.name === 'flow' && rankingsOf(metrics).some(name => sharedRankings.includes(name))

/** What a range has that makes its statement longer. */
export interface Present {
  /** Several exporters, so that each has a share in what they told. */
  shared: boolean
  /** Views that count only where they are alone. */
  last: boolean
}

const keptMs = 2000
const mostKept = 100
const cached = new WeakMap<ClickHouse, Map<string, { at: number; value: Promise<Present> }>>()

/** What the range of a plan has. Asked for at most every two seconds, for everybody. */
export async function presentIn(clickhouse: ClickHouse, plan: Plan, now: number): Promise<Present> {
  if (rankingsOf(plan.metrics).length === 0) return { shared: false, last: false }
  const ranges = cached.get(clickhouse) ?? new Map<string, { at: number; value: Promise<Present> }>()
  cached.set(clickhouse, ranges)
  const range = `${plan.table} WHERE ${rangeSql(plan)}`
  const known = ranges.get(range)
  if (known && Math.abs(now - known.at) < keptMs) return withShares(plan, await known.value)
  if (ranges.size >= mostKept) ranges.clear()
  const value = readPresent(clickhouse, plan.kind.name as 'flow' | 'request', range)
  ranges.set(range, { at: now, value })
  value.catch(() => ranges.delete(range))
  return withShares(plan, await value)
}

const withShares = (plan: Plan, { shared, last }: Present): Present => ({ shared: shared && mayBeShared(plan), last })

async function readPresent(clickhouse: ClickHouse, kind: 'flow' | 'request', range: string): Promise<Present> {
  const shared = kind === 'flow' ? `uniqExactIf(${teller}, exporter != '') > 1` : 'false'
  const { rows } = await clickhouse.query<Record<keyof Present, number>>(
    `SELECT ${shared} AS shared, countIf(${lastSql(kind)}) > 0 AS last FROM ${range}`,
    { settings: statementSettings },
  )
  return { shared: Boolean(rows[0].shared), last: Boolean(rows[0].last) }
}
