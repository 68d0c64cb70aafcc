import { untilAborted } from '../../runtime/service.ts'
import { type Call, serveGrpc } from '../grpc/server.ts'
import { type ListenOptions, listenProperties } from '../listen/options.ts'
import type { Source, SourceContext } from '../source.ts'
import { Counted } from './counted.ts'
import { Intake } from './intake.ts'
import { recall } from './recall.ts'

const usualPort = 7443
const setting = 'collect.felix'
const defaultRemember = 500_000
const tellEveryMs = 10_000
/** Nodes send one flow at a time. */
const mostMessageBytes = 1 << 20
const receipt = new Uint8Array(0)

export interface FelixOptions extends ListenOptions {
  cluster?: string
  /** How many flows are recognised when they are sent again. */
  remember?: number
}

/** Flows of Calico, sent here by its nodes instead of to Goldmane. */
export const felix: Source<FelixOptions> = {
  name: 'felix',
  about: 'Flows of Calico with their policies, sent by its nodes as to Goldmane.',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      ...listenProperties(usualPort, mostMessageBytes),
      cluster: { type: 'string', default: '', description: 'Cluster of the nodes: they do not say.' },
      remember: {
        type: 'integer',
        minimum: 10_000,
        default: defaultRemember,
        description: 'Flows that are recognised when they are sent again.',
      },
    },
  },
  run,
}

async function run(options: FelixOptions, context: SourceContext): Promise<void> {
  const { cluster = '', remember = defaultRemember, ...listen } = options
  const { log, instruments, signal, outbox } = context
  const counted = new Counted(remember)
  await recall(outbox, counted, remember)
  const intake = new Intake(context, { source: felix.name, cluster, counted })
  const nodes = new Map<string, number>()

  /** One receipt for each flow: a node sends the next then, and all of the last minutes again when it comes back without one. */
  async function connectNode({ messages, peer, send }: Call): Promise<undefined> {
    const reporter = peer.slice(0, peer.lastIndexOf(':'))
    nodes.set(reporter, (nodes.get(reporter) ?? 0) + 1)
    try {
      for await (const message of messages) {
        await intake.takeUpdate(message, reporter.replace(/^::ffff:/, ''))
        await send(receipt)
      }
    } finally {
      const left = nodes.get(reporter)! - 1
      if (left) nodes.set(reporter, left)
      else nodes.delete(reporter)
    }
  }

  const methods = { '/goldmane.FlowCollector/Connect': connectNode }
  const where = { port: usualPort, max_message_bytes: mostMessageBytes, ...listen }
  await using server = await serveGrpc({ listen: where, methods, setting, log, instruments, maxConnections: 10_000 })
  log.info({ port: server.port }, 'listening for nodes of Calico')
  const tell = () => context.status({ ready: true, detail: { port: server.port, nodes: nodes.size, flows: intake.flows } })
  tell()
  const timer = setInterval(tell, tellEveryMs)
  await untilAborted(signal)
  clearInterval(timer)
}
