import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import { type Reattribution, currentSql, knownForMs, reattributionOf, seenSql } from '../schema/reattribution.ts'
import type { RecordKind } from '../schema/record.ts'
import { writeTime } from './time.ts'

/** What records are attributed again at present. One question keeps to what it was told first, so that all of it sees the same. */
export interface Visible {
  /** SQL of a condition on rows of a kind that shall be seen, or nothing when all shall; `time` is the column of their time or interval. */
  condition(kind: Pick<RecordKind, 'name'>, time: 'time' | 'bucket'): string | undefined
  /** The window of a kind, if it lies in a range of microseconds. */
  window(kind: Pick<RecordKind, 'name'>, range: { from: number; to: number }): { from: string; to: string } | undefined
}

const cached = new WeakMap<ClickHouse, { until: number; visible: Promise<Visible> }>()

/** Asked for at most every two seconds, for everybody. */
export function readVisible(clickhouse: ClickHouse): Promise<Visible> {
  const known = cached.get(clickhouse)
  if (known && performance.now() < known.until) return known.visible
  const visible = clickhouse
    .query<{ newest: string }>(currentSql)
    .then(({ rows }) => visibleOf(rows.map(reattributionOf).filter(({ done }) => !done)))
  cached.set(clickhouse, { until: performance.now() + knownForMs, visible })
  visible.catch(() => cached.delete(clickhouse))
  return visible
}

const visibleOf = (states: readonly Reattribution[]): Visible => ({
  condition(kind, time) {
    const state = states.find(one => one.kind === kind.name)
    return state && seenSql(state, time)
  },
  window(kind, range) {
    const state = states.find(one => one.kind === kind.name && one.from * 1e6 < range.to && one.to * 1e6 > range.from)
    return state && { from: writeTime(state.from * 1e6), to: writeTime(state.to * 1e6) }
  },
})

/** SQL of the condition on the rows a plan reads. */
export const conditionOf = (visible: Visible, { kind, resolution }: { kind: Pick<RecordKind, 'name'>; resolution: number }) =>
  visible.condition(kind, resolution > 0 ? 'bucket' : 'time')

/** The question with what it is told first, for those that ask several statements. */
export const keepingTo = async <A extends { clickhouse: ClickHouse; visible?: Visible }>(asking: A): Promise<A & { visible: Visible }> => ({
  ...asking,
  visible: asking.visible ?? (await readVisible(asking.clickhouse)),
})
