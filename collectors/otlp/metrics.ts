import { createHash } from 'node:crypto'
import { UndecodableError } from '../protobuf/cursor.ts'
import type { Labels, PointTaker } from '../samples/point.ts'
import type { SourceContext } from '../source.ts'
import { Cumulative } from './cumulative.ts'
import { type DataPoint, readPoint } from './data-point.ts'
import { groupsOf } from './groups.ts'
import { Growth } from './growth.ts'
import { type Metric, attributesFieldOf, readMetric } from './metric.ts'
import { isFlowMetric, networkFlow } from './network-metrics.ts'
import type { Limits } from './options.ts'
import { pointsOf } from './points.ts'
import { type Resource, pairsOf } from './resource.ts'
import { Resources } from './resources.ts'
import { type Outcome, type Taker, reject } from './taker.ts'

export interface MetricOptions {
  limits: Limits
  cluster: string
  source: string
  /** Undefined when nobody takes points. */
  points: PointTaker | undefined
}

interface Export {
  bytes: Buffer
  peer: string
  outcome: Outcome
  received: number
}

/** Labels that are remembered, and letters in them. */
const mostLabels = 100_000
const mostLetters = 32 << 20
/** Longer names of series are remembered by their hash. */
const longestSeries = 256
const longestValue = 1024
/** Attributes of resources that tell one sender from another. */
const identifying = new Set(['service.name', 'service.namespace', 'service.instance.id', 'host.name'])

/** Hands on the data points of exports (ExportMetricsServiceRequest), and makes flows of those that count bytes between two ends. */
export class MetricTaker implements Taker {
  readonly #context: SourceContext
  readonly #options: MetricOptions
  readonly #resources: Resources
  readonly #cumulative = new Cumulative()
  readonly #growth = new Growth(Date.now() * 1000)
  readonly #labels = new Map<string, Labels>()
  #letters = 0

  constructor(options: MetricOptions, context: SourceContext) {
    this.#context = context
    const { limits } = options
    this.#options = { ...options, limits: { ...limits, value_bytes: Math.min(limits.value_bytes, longestValue) } }
    this.#resources = new Resources(this.#options)
  }

  async take(bytes: Buffer, peer: string): Promise<Outcome> {
    const of: Export = { bytes, peer, outcome: { rejected: 0, message: '' }, received: Date.now() * 1000 }
    const groups = groupsOf(bytes).map(group => ({ items: group.items, resource: this.#resources.read(bytes, group) }))
    for (const { items, resource } of groups)
      for (let i = 0; i < items.length; i += 2) {
        const metric = this.#read(of, items[i], items[i + 1], () => readMetric(bytes, items[i], items[i + 1]))
        if (metric) await this.#takeMetric(metric, resource, of)
      }
    return of.outcome
  }

  async #takeMetric(metric: Metric, resource: Resource, of: Export): Promise<void> {
    const { points } = metric
    this.#context.instruments.received(points.length / 2, { kind: 'point' })
    for (let i = 0; i < points.length; i += 2) {
      const [start, end] = [points[i], points[i + 1]]
      const read = this.#read(of, start, end, () => ({
        point: readPoint(of.bytes, start, end, metric.type),
        attributes: pairsOf(of.bytes, start, end, attributesFieldOf(metric), this.#options.limits),
      }))
      if (!read) continue
      this.#context.instruments.discarded(read.attributes.discarded, 'over_limit', { kind: 'attribute' })
      await this.#takePoint(metric, resource, { ...read.point, time: read.point.time || of.received }, read.attributes.pairs, of)
    }
  }

  async #takePoint(metric: Metric, resource: Resource, point: DataPoint, attributes: ReadonlyMap<string, string>, of: Export) {
    if (point.isMissing || (metric.isDelta && !canBeAddedUp(metric))) return this.#discard('unknown_kind')
    const { series, labels } = this.#seriesOf(metric, resource, attributes)
    const whole = metric.isDelta ? this.#cumulative.add(series, point) : point
    if (!whole) return this.#discard('repeated')
    if (isFlowMetric(metric.name)) return this.#takeFlow(series, whole, attributes, resource, of)
    const { points } = this.#options
    if (!points) return this.#discard('unknown_kind')
    const { reporter, cluster } = resource.maker
    for (const each of pointsOf(metric, whole, labels)) points.take(each, { reporter, cluster })
    await points.ready()
  }

  async #takeFlow(series: string, point: DataPoint, attributes: ReadonlyMap<string, string>, { maker }: Resource, of: Export) {
    const { outbox } = this.#context
    const grown = this.#growth.of(series, point)
    if (!grown) return this.#discard('interim')
    if (grown.grew <= 0) return
    if (outbox.block('flow').full) await outbox.ready()
    const { received } = of
    const { source } = this.#options
    outbox.block('flow').add(networkFlow(attributes, maker, { bytes: grown.grew, time: point.time, since: grown.since, received, source }))
  }

  /** The same array for a series as long as it is known. */
  #seriesOf({ name }: Metric, { attributes: of }: Resource, attributes: ReadonlyMap<string, string>): { series: string; labels: Labels } {
    const labels: (readonly [string, string])[] = []
    for (const pair of of) if (identifying.has(pair[0]) || pair[0].startsWith('k8s.')) labels.push(pair)
    for (const pair of attributes) labels.push(pair)
    const key = JSON.stringify(labels)
    const known = this.#labels.get(key)
    if (!known) this.#remember(key, labels)
    return { series: seriesOf(`${name} ${key}`), labels: known ?? labels }
  }

  #remember(key: string, labels: Labels): void {
    if (this.#labels.size >= mostLabels || this.#letters > mostLetters) {
      this.#labels.clear()
      this.#letters = 0
    }
    this.#labels.set(key, labels)
    this.#letters += key.length
  }

  #discard(reason: 'unknown_kind' | 'repeated' | 'interim'): void {
    this.#context.instruments.discarded(1, reason, { kind: 'point' })
  }

  /** Undefined when it cannot be read: it is rejected then. */
  #read<T>({ bytes, outcome, peer }: Export, start: number, end: number, read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error
      const { source } = this.#options
      reject(this.#context, { outcome, peer, source, reason: error.message, body: bytes.subarray(start, end) })
      return undefined
    }
  }
}

const seriesOf = (text: string) => (text.length <= longestSeries ? text : createHash('sha256').update(text).digest('base64'))

/** What goes up and down has no whole that its changes tell; a summary has no temporality. */
const canBeAddedUp = ({ type, isSum, isMonotonic }: Metric) => type !== 'number' || (isSum && isMonotonic)
