import { type Attributes, type Meter, metrics } from '@opentelemetry/api'
import { DataPointType, type MetricData, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'

/** Why a component leaves records out. */
export const discardReasons = {
  repeated: 'The agent sent it again; it is on the bus already.',
  undecodable: 'The collector cannot read it; the message is on the dead-letter topic.',
  too_large: 'The message is larger than its source takes; the sender was told where its protocol can.',
  over_limit: 'A part went over a limit of its source: attributes, series, templates, streams or the length of a text.',
  over_cardinality: 'A text beyond the distinct ones its field may have in an hour; its record is stored, with __overflow__ in its place.',
  unknown_kind: 'Nothing weir keeps is told by it: a message or metric of another kind.',
  interim: 'An entry about something still going on, which a later one counts.',
  out_of_order: 'A point older than the last of its series, which has what it counted.',
  no_baseline: 'A count since the beginning of a flow that began before weir listened; its row counts nothing, the next one what is new.',
  no_value: 'A point without a value: not a number, below zero for a counter, or the marker that its series ended.',
  not_wanted: 'The configuration leaves out what has this name.',
  no_template: 'Data came whose template never did.',
  incomplete: 'A histogram of which not all buckets came in time.',
  agent_event: 'An event of the agent in an exported file, which is no flow.',
  debug_event: 'A debug event in an exported file, which is no flow.',
  busy: 'The bus takes nothing for long; the sender was told so.',
  unreadable: 'The enricher cannot read the block; it is on the dead-letter topic.',
  over_budget: 'The oldest stored hour made room, as the tables took more than clickhouse.max_bytes.',
  refused: 'ClickHouse refuses the block; it is on the dead-letter topic.',
} as const
export type DiscardReason = keyof typeof discardReasons

/** Counters every component has. Attributes say which: `component('source', 'hubble')`. */
export interface Instruments {
  received(count: number, attributes?: Attributes): void
  sent(count: number, attributes?: Attributes): void
  /** What we left out: always with a reason. */
  discarded(count: number, reason: DiscardReason, attributes?: Attributes): void
}

class PullReader extends MetricReader {
  protected override async onForceFlush() {}
  protected override async onShutdown() {}
}

let reader: PullReader | undefined

/** Makes this process's instruments readable by `collectMetrics`. Call once, in main, before instruments are made. */
export function startTelemetry(): void {
  if (reader) return
  reader = new PullReader()
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
}

export const meter = (): Meter => metrics.getMeter('weir')

export function component(kind: string, name: string): Instruments {
  const own = { component_kind: kind, component: name }
  const counter = (what: string, description: string) =>
    meter().createCounter(`weir.component.records.${what}`, { description, unit: '{record}' })
  const received = counter('received', 'Records a component received.')
  const sent = counter('sent', 'Records a component sent on.')
  const discarded = counter('discarded', 'Records a component left out.')
  return {
    received: (count, attributes) => received.add(count, { ...own, ...attributes }),
    sent: (count, attributes) => sent.add(count, { ...own, ...attributes }),
    discarded: (count, reason, attributes) => count && discarded.add(count, { ...own, reason, ...attributes }),
  }
}

/** One metric with its points, plain enough to cross a process boundary. */
export interface Metric {
  name: string
  about: string
  type: 'counter' | 'gauge'
  points: { labels: Record<string, string>; value: number }[]
}

/** A sum that can become smaller is a gauge to Prometheus. */
function typeOf(metric: MetricData): Metric['type'] | undefined {
  if (metric.dataPointType === DataPointType.GAUGE) return 'gauge'
  if (metric.dataPointType === DataPointType.SUM) return metric.isMonotonic ? 'counter' : 'gauge'
  return undefined
}

/** The current value of every counter and gauge of this process. */
export async function collectMetrics(): Promise<Metric[]> {
  if (!reader) return []
  const { resourceMetrics } = await reader.collect()
  return resourceMetrics.scopeMetrics.flatMap(scope =>
    scope.metrics.flatMap(metric => {
      const type = typeOf(metric)
      if (!type) return []
      const points = metric.dataPoints.map(point => ({
        labels: Object.fromEntries(Object.entries(point.attributes).map(([key, value]) => [key, String(value)])),
        value: point.value as number,
      }))
      return [{ name: metric.descriptor.name, about: metric.descriptor.description, type, points }]
    }),
  )
}

const escaped = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const quoted = (text: string) => `"${escaped(text).replaceAll('"', '\\"')}"`
const nameOf = (text: string) => text.replaceAll(/[^a-zA-Z0-9_]/g, '_').replace(/^(?=\d)/, '_')
/** Not every number survives a process boundary. */
const numberOf = (value: number | null) => String(value ?? NaN).replace(/^(-?)Infinity$/, (_, sign: string) => `${sign || '+'}Inf`)

/** Prometheus' text format 0.0.4. The same metric of several services is one family. */
export function renderPrometheus(services: Record<string, Metric[]>): string {
  const families = new Map<string, { metric: Metric; lines: string[] }>()
  for (const [service, list] of Object.entries(services))
    for (const metric of list) {
      const name = nameOf(metric.name) + (metric.type === 'counter' ? '_total' : '')
      const family = families.get(name) ?? { metric, lines: [] }
      families.set(name, family)
      for (const { labels, value } of metric.points) {
        const pairs = Object.entries({ ...labels, service }).map(([key, text]) => `${nameOf(key)}=${quoted(text)}`)
        family.lines.push(`${name}{${pairs.join(',')}} ${numberOf(value)}`)
      }
    }
  return [...families]
    .map(([name, { metric, lines }]) =>
      [`# HELP ${name} ${escaped(metric.about)}`, `# TYPE ${name} ${metric.type}`, ...lines, ''].join('\n'),
    )
    .join('')
}
