import type { DiscardReason, Instruments } from '../../runtime/telemetry.ts'
import type { Outbox } from '../outbox.ts'
import { type Growth, grow } from './growth.ts'
import { type Edge, describe } from './meaning.ts'
import { type SamplesOptions, isWantedBy, samplesDefaults } from './options.ts'
import type { Labels, Point, PointTaker, Target } from './point.ts'
import { recall } from './recall.ts'
import { type Series, SeriesTable } from './series.ts'

export interface SamplesContext extends SamplesOptions {
  outbox: Pick<Outbox, 'block' | 'ready' | 'published'>
  /** Name of the source, as its samples have it. */
  source: string
  instruments: Instruments
  /** Milliseconds. */
  now?: () => number
}

/** A point that counts, and what its series grew by. */
interface Taken {
  series: Series
  time: number
  value: number
  growth: Growth
}

const blocks = ['sample', 'request', 'flow'] as const

/**
 * Makes samples of the points of one source, and of those of a mesh requests, flows and denials. Resolves when it has read back from the bus what
 * it needs to go on where this collector was.
 */
export async function openSamples({ outbox, source, instruments, now = Date.now, ...options }: SamplesContext): Promise<PointTaker> {
  const limits = { ...samplesDefaults, ...options }
  const isWanted = isWantedBy(limits)
  const recalled = await recall(outbox, source, limits.recall_seconds * 1000, limits.max_series)
  const table = new SeriesTable({ source, max: limits.max_series, idleMs: limits.idle_seconds * 1000, describe, recalled })
  const checked = new WeakSet<Point['labels']>()
  let waiting: Taken[] = []
  let written = 0

  function take(point: Point, target: Target): void {
    const reason = isWanted(point.metric) ? wrongWith(point) : 'not_wanted'
    const series = reason ? undefined : table.find(point, target, now())
    const refused = reason ?? (series ? isOld(series, point) : 'over_limit')
    if (refused || !series) return instruments.discarded(1, refused ?? 'over_limit')
    const { time, value, began, histogram } = point
    const growth = grow(series.last, point, series.target.since)
    series.last = { time, value, began: began ?? series.last?.began, histogram }
    const taken = { series, time, value, growth }
    if (written === waiting.length && hasRoom()) write(taken)
    else waiting.push(taken)
  }

  function wrongWith({ metric, time, value, type, labels, histogram }: Point): DiscardReason | undefined {
    if (Number.isNaN(value) || !(time > 0) || (type !== 'gauge' && !(value >= 0 && value < Infinity))) return 'no_value'
    if (metric.length > limits.max_label_length || (histogram && histogram.bounds.length > limits.max_buckets)) return 'over_limit'
    if (histogram && histogram.bounds.length !== histogram.counts.length) return 'no_value'
    if (checked.has(labels)) return undefined
    if (!isWithin(labels, limits)) return 'over_limit'
    checked.add(labels)
    return undefined
  }

  const hasRoom = () => blocks.every(kind => !outbox.block(kind).full)

  function write({ series, time, value, growth }: Taken): void {
    const received = now() * 1000
    const { metric, type, unit, labels, target, words, meaning } = series
    const { reporter, cluster } = target
    const block = outbox.block('sample')
    block.wides('series').setWords(block.rows, ...words)
    const attributes = block.attributes('labels')
    attributes.begin(block.rows)
    for (const [name, text] of labels) attributes.add(name, text)
    block.add({
      ...meaning.sample,
      time,
      received,
      source,
      reporter,
      cluster,
      metric,
      type,
      unit,
      value,
      ...(growth.delta && { delta: growth.delta }),
      ...(growth.since && { since: growth.since }),
      ...(growth.reset && { reset: true }),
      ...(growth.sum && { sum: growth.sum }),
      ...(growth.bounds.length && { bounds: growth.bounds, counts: growth.counts }),
    })
    if (limits.edges && meaning.edge) writeEdge(series, meaning.edge, { time, received, delta: growth.delta })
  }

  function writeEdge(series: Series, edge: Edge, { time, received, delta }: { time: number; received: number; delta: number }): void {
    const grown = delta + series.owed
    series.owed = grown > 0 ? 0 : grown
    if (grown <= 0) return
    const { reporter, cluster } = series.target
    const id = new Uint8Array(Uint32Array.from(series.words).buffer)
    const rounded = edge.grows === 'weight' ? grown : Math.round(grown)
    outbox.block(edge.kind).add({ ...edge.record, time, received, reporter, cluster, [edge.grows]: rounded }, id)
  }

  /** Writes what waits as far as there is room. */
  function writeWaiting(): boolean {
    while (written < waiting.length && hasRoom()) write(waiting[written++])
    if (written < waiting.length) return false
    waiting = []
    written = 0
    return true
  }

  async function ready(): Promise<void> {
    table.sweep(now())
    do await outbox.ready()
    while (!writeWaiting())
  }

  return { take, ready }
}

function isWithin(labels: Labels, { max_labels, max_label_length, max_series_length }: Required<SamplesOptions>): boolean {
  if (labels.length > max_labels) return false
  let length = 0
  for (const [name, text] of labels) {
    if (name.length > max_label_length || text.length > max_label_length) return false
    length += name.length + text.length
  }
  return length <= max_series_length
}

/** A point that is not after the last of its series: what it counted is in that one. */
function isOld({ last }: Series, { time }: Point): DiscardReason | undefined {
  if (!last || time > last.time) return undefined
  return time === last.time ? 'repeated' : 'out_of_order'
}
