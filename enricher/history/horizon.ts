import type { GroupLag } from '../../runtime/bus/bus.ts'
import { kinds, topicsOf } from '../../schema/record.ts'

const topics = new Set(Object.values(kinds).flatMap(topicsOf))

/**
 * Versions of objects that ended before are not needed any more, microseconds: so long before the oldest record that the group has not stored. While
 * it is behind, the horizon stands still.
 */
export function horizonOf(lags: readonly GroupLag[], { group, historyMs, now }: { group: string; historyMs: number; now: number }): number {
  const ages = lags.filter(lag => lag.group === group && topics.has(lag.topic)).map(({ ageMs }) => ageMs)
  return (now - Math.max(0, ...ages) - historyMs) * 1000
}
