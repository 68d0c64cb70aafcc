import type { Instruments } from '../../runtime/telemetry.ts'
import type { Method } from '../grpc/server.ts'
import { GrpcError } from '../grpc/status.ts'
import type { Logger } from '../../runtime/log.ts'
import type { Outbox } from '../outbox.ts'
import { Cursor, UndecodableError } from '../protobuf/cursor.ts'
import type { Point, PointTaker, Target } from '../samples/point.ts'
import { type MetricsNode, readNode } from './envoy-node.ts'
import { FamilyFormat } from './metric-family.ts'
import { defaultLimits, discard, type Reading } from './reading.ts'
import { handOn } from './taker.ts'

/** Path of the method in a gRPC server. */
export const streamMetricsPath = '/envoy.service.metrics.v3.MetricsService/StreamMetrics'

export interface StreamMetricsOptions {
  taker: PointTaker
  outbox: Pick<Outbox, 'deadLetter'>
  instruments: Instruments
  log: Logger
  /** Name of the source. */
  source: string
  /** Cluster of those that do not say. */
  cluster?: string
  /** Metrics of one message; those after them are left out. */
  maxSeries?: number
}

const identifierTag = 10
const metricsField = 2
const nothing = new Uint8Array(0)
const [summarySuffix, quantile] = [/_(?:sum|count)$/, 'quantile']

/**
 * Envoy's metrics service (envoy.service.metrics.v3): an Envoy sends what it counts as long as the stream is open, and waits for no answer.
 * It introduces itself in the first message only. What cannot be read is counted and kept; the stream goes on.
 */
export function streamMetrics(options: StreamMetricsOptions): Method {
  const { taker, log, source, cluster = '', maxSeries = defaultLimits.series } = options
  return async ({ peer, messages }) => {
    let format: FamilyFormat | undefined
    let target: Target = { reporter: peer, cluster }
    for await (const message of messages) {
      if (!format) {
        const node = identify(message)
        target = { reporter: reporterOf(node, peer), cluster: node.cluster || cluster }
        format = new FamilyFormat(labelsOf(node, peer), { ...defaultLimits, series: maxSeries })
        log.debug({ peer, reporter: target.reporter }, 'an Envoy began to send metrics')
      }
      const reading = format.readField(message, metricsField, Date.now() * 1000)
      const points = withoutSummaries(reading)
      tell(reading, { ...options, source }, target)
      await handOn(taker, points, point => ({ point, target }))
    }
    await taker.ready()
    return nothing
  }
}

/** Throws GrpcError for a stream that does not begin as it should. */
function identify(message: Buffer): MetricsNode {
  try {
    const cursor = new Cursor()
    cursor.open(message, 0, message.length)
    while (cursor.at < message.length) {
      const tag = cursor.tag()
      cursor.skip(tag)
      if (tag === identifierTag) return readNode(message, cursor.start, cursor.end)
    }
  } catch (error) {
    if (!(error instanceof UndecodableError)) throw error
    throw new GrpcError('INVALID_ARGUMENT', error.message, { cause: error })
  }
  throw new GrpcError('INVALID_ARGUMENT', 'the first message has no identifier')
}

const reporterOf = ({ namespace, pod, id }: MetricsNode, peer: string) => (namespace && pod ? `${namespace}/${pod}` : id || peer)

function labelsOf({ address, id, namespace, pod }: MetricsNode, peer: string): Point['labels'] {
  const labels = Object.entries({ instance: address || id || peer, job: 'envoy', namespace, pod })
  return labels.filter(([, value]) => value !== '')
}

/** Envoy tells a histogram twice: beside its buckets there is a summary of the same name, whose quantiles cannot be added up. */
function withoutSummaries(reading: Reading): Point[] {
  const { points } = reading
  const histograms = new Set(points.flatMap(({ metric, type }) => (type === 'histogram' ? [metric] : [])))
  const isTwice = ({ metric, type, labels }: Point) =>
    (type === 'gauge' && histograms.has(metric) && labels.some(([name]) => name === quantile)) ||
    (type === 'counter' && histograms.has(metric.replace(summarySuffix, '')) && !histograms.has(metric))
  const once = points.filter(point => !isTwice(point))
  if (once.length < points.length) discard(reading, 'repeated', points.length - once.length)
  return once
}

function tell(reading: Reading, { instruments, outbox, source }: StreamMetricsOptions, { reporter }: Target): void {
  const kind = { kind: 'sample' }
  instruments.received(reading.series, kind)
  for (const [reason, count] of reading.discarded) instruments.discarded(count, reason, kind)
  for (const { where, message, body } of reading.broken) outbox.deadLetter({ source, reporter, reason: `${where}: ${message}`, body })
}
