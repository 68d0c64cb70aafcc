import type { Outbox, Published } from '../outbox.ts'
import { type Recalled, numberKey, targetKey } from './series.ts'

/** How much further back than to the newest block of its own it looks: series with points less often are taken for new. */
const furtherMs = 600_000

/**
 * What this collector published of its series before it was started anew: the last value of each, and since when each target was watched. What a
 * counter grew by in between is counted with its next point.
 */
export async function recall(outbox: Pick<Outbox, 'published'>, source: string, withinMs: number, most: number): Promise<Recalled> {
  const recalled: Recalled = { series: new Map(), targets: new Map() }
  let newest = -Infinity
  const isWanted = ({ own }: { own: boolean }, time: number) => {
    if (time < newest - furtherMs) return 'stop'
    if (own) newest = Math.max(newest, time)
    return own
  }
  for await (const published of outbox.published('sample', withinMs, isWanted)) read(published, source, recalled, most)
  return recalled
}

function read(published: Published, source: string, { series, targets }: Recalled, most: number): void {
  const block = published.block()
  const [sources, reporters, clusters] = [block.labels('source'), block.labels('reporter'), block.labels('cluster')]
  const [times, numbers] = [block.words('time'), block.words('series')]
  const values = block.numbers('value')
  for (let row = 0; row < block.rows; row++) {
    if (sources.keys[sources.codes[row]] !== source) continue
    const time = times[row * 2] + times[row * 2 + 1] * 4294967296
    const target = targetKey({ reporter: reporters.keys[reporters.codes[row]], cluster: clusters.keys[clusters.codes[row]] })
    targets.set(target, Math.min(targets.get(target) ?? Infinity, time))
    const key = numberKey(numbers[row * 2], numbers[row * 2 + 1])
    const known = series.get(key)
    if (known ? known.time < time : series.size < most) series.set(key, { time, value: values[row] })
  }
}
