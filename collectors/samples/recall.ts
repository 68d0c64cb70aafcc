import { wideAt } from '../../runtime/block/block.ts'
import type { Outbox, Published } from '../outbox.ts'
import { metricSources } from '../../schema/ranking.ts'
import type { Last } from './growth.ts'
import { numberKey, targetKey } from './series.ts'

/** What is known from before a restart. Series by `numberKey`, targets by `targetKey`. */
export interface Recalled {
  series: Map<string, Last>
  /** The time of the first point of a target that is known. */
  targets: Map<string, number>
  /** What samples have and the edges made of them have not, or less than nothing where it is the other way round. */
  owed: Map<string, number>
}

/** How much further back than to the newest block of its own it looks: series with points less often are taken for new. */
const furtherMs = 600_000
/** Samples and what is made of them travel apart, and are as old as this at the most when one arrived and the other did not. */
const apartMs = 60_000

const edgeSources: ReadonlySet<string> = new Set(metricSources)

/** Time and growth of rows that may have arrived without what was made of them, by series. */
type Growths = Map<string, [time: number, growth: number][]>

/**
 * What this collector published of its series before it was started anew: the last value of each, and since when each target was watched. What a
 * counter grew by in between is counted with its next point; what a sample told and no request or flow yet, with the next of those.
 */
export async function recall(outbox: Pick<Outbox, 'published'>, source: string, withinMs: number, most: number): Promise<Recalled> {
  const recalled: Recalled = { series: new Map(), targets: new Map(), owed: new Map() }
  const [told, made]: [Growths, Growths] = [new Map(), new Map()]
  let newest = -Infinity
  const within = (ms: number) => (origin: { own: boolean }, time: number) => {
    if (time < newest - ms) return 'stop'
    return origin.own
  }
  for await (const published of outbox.published('sample', withinMs, within(furtherMs))) {
    newest = Math.max(newest, published.time)
    readSamples(published, source, recalled, { told: published.time >= newest - 2 * apartMs ? told : undefined, most })
  }
  for (const kind of ['request', 'flow'] as const)
    for await (const published of outbox.published(kind, withinMs, within(2 * apartMs))) readEdges(published, made)
  settle(recalled, told, made)
  return recalled
}

function readSamples(
  published: Published,
  source: string,
  { series, targets }: Recalled,
  { told, most }: { told?: Growths; most: number },
): void {
  const block = published.block()
  const [sources, reporters, clusters] = [block.labels('source'), block.labels('reporter'), block.labels('cluster')]
  const [times, numbers] = [block.words('time'), block.words('series')]
  const [values, deltas] = [block.numbers('value'), block.numbers('delta')]
  for (let row = 0; row < block.rows; row++) {
    if (sources.keys[sources.codes[row]] !== source) continue
    const time = wideAt(times, row)
    const target = targetKey({ reporter: reporters.keys[reporters.codes[row]], cluster: clusters.keys[clusters.codes[row]] })
    targets.set(target, Math.min(targets.get(target) ?? Infinity, time))
    const key = numberKey(numbers[row * 2], numbers[row * 2 + 1])
    const known = series.get(key)
    if (known ? known.time < time : series.size < most) series.set(key, { time, value: values[row] })
    if (told && deltas[row] > 0) append(told, key, [time, deltas[row]])
  }
}

/** Rows made of metrics have the number of their series as their id. */
function readEdges(published: Published, made: Growths): void {
  const block = published.block()
  const sources = block.labels('source')
  if (!sources.keys.some(key => edgeSources.has(key))) return
  const ids = new Uint32Array(new Uint8Array(published.ids).buffer)
  const [times, weights] = [block.words('time'), block.numbers('weight')]
  const isFlow = block.has('bytes') || block.has('connections')
  const bytes = isFlow ? block.words('bytes') : undefined
  const connections = isFlow ? block.numbers('connections') : undefined
  for (let row = 0; row < block.rows; row++) {
    if (!edgeSources.has(sources.keys[sources.codes[row]])) continue
    const growth = (bytes && wideAt(bytes, row)) || connections?.[row] || weights[row]
    append(made, numberKey(ids[row * 2], ids[row * 2 + 1]), [wideAt(times, row), growth])
  }
}

function append(growths: Growths, key: string, row: [number, number]): void {
  const rows = growths.get(key)
  if (rows) rows.push(row)
  else growths.set(key, [row])
}

/**
 * Compares sums: a row made after an earlier restart holds what was owed then as well, so rows cannot be matched one by one. Before the last
 * minute of a series all is settled.
 */
function settle({ series, owed }: Recalled, told: Growths, made: Growths): void {
  for (const key of new Set([...told.keys(), ...made.keys()])) {
    const settled = (series.get(key)?.time ?? -Infinity) - apartMs * 1000
    const difference = after(told.get(key) ?? [], settled) - after(made.get(key) ?? [], settled)
    if (difference !== 0) owed.set(key, difference)
  }
}

const after = (rows: readonly [time: number, growth: number][], settled: number) =>
  rows.reduce((all, [time, growth]) => (time > settled ? all + growth : all), 0)
