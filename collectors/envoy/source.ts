import { untilAborted } from '../../runtime/service.ts'
import { type Method, serveGrpc } from '../grpc/server.ts'
import { type ListenOptions, listenProperties } from '../listen/options.ts'
import { streamMetrics, streamMetricsPath } from '../prometheus/envoy-metrics.ts'
import { openSamples } from '../samples/intake.ts'
import { type SamplesOptions, samplesProperties } from '../samples/options.ts'
import type { Source, SourceContext } from '../source.ts'
import { type AccessLogStream, accessLogs, accessLogsPath } from './access-logs.ts'
import { Connections } from './connections.ts'
import type { EnvoyNode } from './node.ts'
import { recallConnections } from './recall.ts'

const defaultPort = 18_090
const maxMessageBytes = 16 << 20
const windowBytes = 256 << 10
const recallMs = 900_000
const statusEveryMs = 1000

export interface EnvoyOptions extends ListenOptions {
  /** Cluster of the proxies that do not name theirs. */
  cluster?: string
  /** What the proxies are that do not say. */
  reporter_kind?: EnvoyNode['kind']
  max_streams?: number
  max_connections?: number
  /** Which metrics are kept, and how many. */
  metrics?: SamplesOptions
}

/** Methods by their path that Envoys call on the same port. */
type Service = (options: EnvoyOptions, context: SourceContext) => Promise<Readonly<Record<string, Method>>>

/** All that is served. To add one: its line here. */
const services: readonly Service[] = [accessLogService, metricsService]

/** Requests, connections and metrics of Envoy, from its access log and metrics services: of Istio's proxies, gateways, and any other Envoy. */
export const envoy: Source<EnvoyOptions> = {
  name: 'envoy',
  about: 'Requests, connections and metrics of Envoy, from its access log and metrics services.',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      ...listenProperties(defaultPort, maxMessageBytes),
      cluster: { type: 'string', default: '', description: 'Cluster of the proxies that do not name theirs.' },
      reporter_kind: {
        enum: ['', 'sidecar', 'gateway', 'waypoint'],
        default: '',
        expected: 'sidecar, gateway or waypoint',
        description: 'What the proxies are whose node does not say, as it does with Istio: gateway for those at the edge.',
      },
      max_streams: {
        type: 'integer',
        minimum: 1,
        default: 16_384,
        description: 'Streams at the most; each worker thread of an Envoy has one for each of its loggers.',
      },
      metrics: {
        type: 'object',
        additionalProperties: false,
        default: {},
        description: 'Which metrics are kept of those Envoys send, and how many series.',
        properties: samplesProperties,
      },
      max_connections: { type: 'integer', minimum: 1, default: 4096, description: 'Connections at the most.' },
    },
  },
  async run(options, context) {
    const { signal, log, instruments, status } = context
    const methods = Object.assign({}, ...(await Promise.all(services.map(open => open(options, context)))))
    const listen = { port: defaultPort, max_message_bytes: maxMessageBytes, ...options }
    const limits = { maxConnections: options.max_connections ?? 4096, windowBytes }
    await using server = await serveGrpc({ listen, methods, setting: 'collect.envoy', log, instruments, ...limits })
    log.info({ port: server.port }, 'listening for Envoys')
    status({ ready: true, detail: { streams: 0, proxies: 0 } })
    await untilAborted(signal)
  },
}

async function accessLogService(options: EnvoyOptions, context: SourceContext) {
  const { cluster = '', reporter_kind: kind = '', max_streams: maxStreams = 16_384 } = options
  const connections = await recalled(context)
  const onStreams = reporting(context)
  return { [accessLogsPath]: accessLogs({ defaults: { cluster, kind }, connections, maxStreams, onStreams }, context) }
}

async function metricsService({ cluster, metrics }: EnvoyOptions, { outbox, instruments, log }: SourceContext) {
  const source = 'envoy_metrics'
  const taker = await openSamples({ ...metrics, outbox, source, instruments })
  return { [streamMetricsPath]: streamMetrics({ taker, outbox, instruments, log, source, cluster }) }
}

/** Goes on from what is published of connections that last. */
async function recalled({ outbox, log }: SourceContext): Promise<Connections> {
  const now = Date.now()
  try {
    const { open, tellers } = await recallConnections(outbox, recallMs)
    return new Connections({ knownSince: (now - recallMs) * 1000, open, tellers })
  } catch (error) {
    log.warn({ error }, 'cannot read what was published of connections that last; they are counted from now on')
    return new Connections({ knownSince: now * 1000 })
  }
}

/** Says how many send, once a second at the most. */
function reporting({ status, signal }: SourceContext): (streams: ReadonlySet<AccessLogStream>) => void {
  let timer: NodeJS.Timeout | undefined
  return streams => {
    timer ??= setTimeout(() => {
      timer = undefined
      if (signal.aborted) return
      const proxies = new Set([...streams].map(({ node }) => node?.reporter))
      status({ ready: true, detail: { streams: streams.size, proxies: proxies.size } })
    }, statusEveryMs).unref()
  }
}
