import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import type { Plan } from './plan.ts'
import { writeTime } from './time.ts'

/** How much of the range the answer covers. */
export interface Coverage {
  /**
   * Everything received before is stored, to within a batch of the enricher where the bus has several partitions: of the kinds of agent
   * heard in the last five minutes, the newest `received` of the one that is furthest behind. Null when none was heard.
   */
  watermark: string | null
  /** Records known to be lost in the range. */
  lost: number
  /** Gaps in the range of which nobody knows how many records they cost. */
  gaps: number
}

const recentSeconds = 300
const keptMs = 2000

const cached = new WeakMap<ClickHouse, Map<string, { at: number; value: Promise<string | null> }>>()

/** What is known about the completeness of the plan's range. */
export async function coverage(
  clickhouse: ClickHouse,
  plan: Pick<Plan, 'kind' | 'from' | 'to'>,
  { now, signal }: { now: number; signal?: AbortSignal },
): Promise<Coverage> {
  const [watermark, losses] = await Promise.all([watermarkOf(clickhouse, plan.kind.name, now), lossesIn(clickhouse, plan, signal)])
  return { watermark, ...losses }
}

/** Asked for at most every two seconds, for everybody. */
function watermarkOf(clickhouse: ClickHouse, kind: string, now: number): Promise<string | null> {
  const kinds = cached.get(clickhouse) ?? new Map<string, { at: number; value: Promise<string | null> }>()
  cached.set(clickhouse, kinds)
  const known = kinds.get(kind)
  if (known && Math.abs(now - known.at) < keptMs) return known.value
  const value = readWatermark(clickhouse, kind, now)
  kinds.set(kind, { at: now, value })
  value.catch(() => kinds.delete(kind))
  return value
}

async function readWatermark(clickhouse: ClickHouse, kind: string, now: number): Promise<string | null> {
  if (kind === 'object') return null
  const { rows } = await clickhouse.query<{ sources: number; watermark: number }>(
    `SELECT count() AS sources, min(newest) AS watermark FROM (
  SELECT toUnixTimestamp64Micro(max(received)) AS newest FROM ${kind}
  WHERE time >= fromUnixTimestamp64Micro({since:Int64}) GROUP BY source
)`,
    { params: { since: (Math.floor(now / 1000) - recentSeconds) * 1e6 } },
  )
  return rows[0].sources > 0 ? writeTime(rows[0].watermark) : null
}

async function lossesIn(
  clickhouse: ClickHouse,
  { from, to }: Pick<Plan, 'from' | 'to'>,
  signal?: AbortSignal,
): Promise<Pick<Coverage, 'lost' | 'gaps'>> {
  const { rows } = await clickhouse.query<{ lost: number; gaps: number }>(
    `SELECT sumIf(count, known) AS lost, countIf(NOT known) AS gaps FROM loss
WHERE time >= fromUnixTimestamp64Micro({from:Int64}) AND time < fromUnixTimestamp64Micro({to:Int64})`,
    { params: { from, to }, signal },
  )
  return rows[0]
}
