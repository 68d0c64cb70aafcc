import { setTimeout as sleep } from 'node:timers/promises'
import { describe } from '../../runtime/log.ts'
import type { Source, SourceContext } from '../source.ts'
import { type TlsOptions, parseAddress, tlsSchema } from './address.ts'
import { type FlowFilter, filterSchema } from './filters.ts'
import { Intake } from './intake.ts'
import { Nodes } from './nodes.ts'
import { type Observer, type ObserverNode, type ServerStatus, openObserver } from './observer.ts'
import { type Memories, recall, resumeFrom } from './recall.ts'
import { Remembered } from './remember.ts'

const pollMs = 10_000
const steadyMs = 10_000
const firstRetryMs = 250
const lastRetryMs = 15_000
const lossCapacity = 1 << 16

export interface HubbleOptions {
  /** host:port of Relay or an agent, or unix:///path. */
  address: string
  tls?: TlsOptions
  /** Cluster of the nodes whose name carries none. */
  cluster?: string
  /** How many seconds back to begin when nothing was collected before. */
  history?: number
  allow?: FlowFilter[]
  deny?: FlowFilter[]
  /** How many flows are recognised when they are sent again. */
  remember?: number
}

/** Flows of Cilium, from Hubble Relay or the Hubble of one agent. */
export const hubble: Source<HubbleOptions> = {
  name: 'hubble',
  about: 'Flows of Cilium, from Hubble Relay or the Hubble of one agent.',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['address'],
    properties: {
      address: {
        type: 'string',
        pattern: '^(unix:.+|.+:[0-9]+)$',
        expected: 'host:port or unix:///path',
        description: 'Hubble Relay, or the Hubble of one agent.',
      },
      tls: tlsSchema,
      cluster: { type: 'string', default: '', description: 'Cluster of the nodes whose name carries none.' },
      history: {
        type: 'integer',
        minimum: 0,
        default: 0,
        description: 'Seconds back to begin when nothing was collected before; Hubble keeps a few thousand flows a node.',
      },
      allow: { type: 'array', items: filterSchema(), default: [], description: 'Only flows that fit one of these filters of Hubble.' },
      deny: { type: 'array', items: filterSchema(), default: [], description: 'No flows that fit one of these filters of Hubble.' },
      remember: {
        type: 'integer',
        minimum: 1000,
        default: 2_000_000,
        description: 'Flows that are recognised when they are sent again.',
      },
    },
  },
  run: follow,
}

/** What we know of the server, for quality. */
interface Server {
  status?: ServerStatus
  nodes?: ObserverNode[]
}

async function follow(options: HubbleOptions, context: SourceContext): Promise<void> {
  const { address, tls = false, cluster = '', history = 0, allow = [], deny = [], remember = 2_000_000 } = options
  const { signal, log, outbox } = context
  const where = parseAddress(address)
  const nodes = new Nodes(cluster)
  const memories: Memories = { flow: new Remembered(remember), request: new Remembered(remember), loss: new Remembered(lossCapacity) }
  const intake = new Intake(context, { nodes, memories })
  const server: Server = {}
  const report = (reason?: string) => context.status({ ready: !reason, reason, detail: detailOf(address, nodes, server) })
  report('connecting')
  let since = await recall(outbox, memories, { nodes, maxRecords: remember })
  if (since !== undefined) log.info({ since: new Date(since / 1000) }, 'going on from what was collected before')
  else if (history > 0) since = (Date.now() - history * 1000) * 1000
  let away: string | undefined
  let opened: number | undefined
  for (let failures = 0; !signal.aborted; failures++) {
    const started = Date.now()
    try {
      await using observer = await openObserver({ address: where, tls })
      server.status = await observer.serverStatus()
      if (away !== undefined || !failures) log.info({ address, version: server.status.version }, 'following Hubble')
      away = undefined
      report()
      intake.expectOverlap()
      opened ??= Date.now() * 1000
      await whilePolling(observer, server, report, () => observer.flows({ since, allow, deny }, signal, framing => intake.take(framing)))
      throw new Error('Hubble ended the stream')
    } catch (error) {
      if (signal.aborted) return
      if (away === undefined)
        log.warn({ address, error }, opened === undefined ? 'cannot reach Hubble yet, trying again' : 'Hubble went away')
      away = describe(error)
      report(away)
    }
    if (Date.now() - started > steadyMs) failures = 0
    since = resumeFrom(nodes) ?? since ?? opened
    const delayMs = Math.min(lastRetryMs, firstRetryMs * 2 ** failures) * (0.5 + Math.random())
    await sleep(delayMs, undefined, { signal }).catch(() => {})
  }
}

/** Asks the server how it is every few seconds while the work lasts. */
async function whilePolling(observer: Observer, server: Server, report: () => void, work: () => Promise<void>): Promise<void> {
  const ended = new AbortController()
  void (async () => {
    while (!ended.signal.aborted) {
      try {
        server.nodes = await observer.nodes()
        server.status = await observer.serverStatus()
      } catch {
        // The stream tells when the connection is gone; what is known of the server grows old until then.
      }
      if (!ended.signal.aborted) report()
      await sleep(pollMs, undefined, { signal: ended.signal }).catch(() => {})
    }
  })()
  try {
    await work()
  } finally {
    ended.abort()
  }
}

function detailOf(address: string, nodes: Nodes, { status, nodes: peers }: Server) {
  const states = new Map(peers?.map(({ name, state, version }) => [name.split('/').at(-1), { state, version }]))
  return {
    address,
    version: status?.version,
    seen_flows: status?.seen_flows,
    connected_nodes: status?.num_connected_nodes?.value,
    unavailable_nodes: status?.unavailable_nodes,
    nodes: [...nodes]
      .filter(node => node.reporter)
      .map(({ cluster, reporter, state, flows, last }) => ({
        cluster,
        reporter,
        state: states.get(reporter)?.state.replace('NODE_', '').toLowerCase() ?? state,
        version: states.get(reporter)?.version,
        flows,
        last: last ? new Date(last / 1000).toISOString() : undefined,
      })),
  }
}
