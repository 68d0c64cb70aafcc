import { setTimeout as sleep } from 'node:timers/promises'
import { untilAborted } from '../../runtime/service.ts'
import { serveGrpc, unary } from '../grpc/server.ts'
import { GrpcError } from '../grpc/status.ts'
import { type ListenOptions, listenProperties } from '../listen/options.ts'
import type { Outbox } from '../outbox.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import type { Source, SourceContext } from '../source.ts'
import { Intake } from './intake.ts'
import { commonUplinks } from './interfaces.ts'

const usualPort = 9999
const setting = 'collect.netobserv'
const tellEveryMs = 10_000
/** So long a message waits for room before its sender is told that there is none. */
const patienceMs = 5_000
/** Of messages that are being taken; with more, senders are refused. */
const mostBytesUnderWay = 256 << 20
const nothing = new Uint8Array(0)

export interface NetobservOptions extends ListenOptions {
  cluster?: string
  /** Names of interfaces that lead to other nodes; `*` stands for anything. */
  uplinks?: string[]
}

/** What both ways of receiving from agents have to know. */
export const recordProperties = {
  cluster: { type: 'string', default: '', description: 'Cluster of the agents: they do not say.' },
  uplinks: {
    type: 'array',
    items: { type: 'string', minLength: 1 },
    default: commonUplinks,
    description: 'Interfaces of nodes that lead to other nodes, with * for anything: they tell at which end of a flow an agent is.',
  },
}

/** Flows of the eBPF agent of NetObserv, which sends them here by gRPC. */
export const netobserv: Source<NetobservOptions> = {
  name: 'netobserv',
  about: 'Flows of the eBPF agents of NetObserv, sent by gRPC.',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: { ...listenProperties(usualPort), ...recordProperties },
  },
  run,
}

async function run(options: NetobservOptions, context: SourceContext): Promise<void> {
  const { cluster = '', uplinks = commonUplinks, ...listen } = options
  const { outbox, instruments, log, signal } = context
  const intake = new Intake(context, { source: netobserv.name, cluster, uplinks })
  let underWay = 0

  async function send(message: Buffer): Promise<Uint8Array> {
    if (underWay + message.length > mostBytesUnderWay || !(await hasRoom(outbox))) {
      instruments.discarded(1, 'busy', { kind: 'message' })
      throw new GrpcError('UNAVAILABLE', 'the bus takes nothing at present')
    }
    underWay += message.length
    try {
      await intake.takeAll(message)
      await outbox.durable()
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error
      intake.refuse(error.message, message)
      throw new GrpcError('INVALID_ARGUMENT', `no pbflow.Records: ${error.message}`)
    } finally {
      underWay -= message.length
    }
    return nothing
  }

  const methods = { '/pbflow.Collector/Send': unary(send) }
  await using server = await serveGrpc({ listen: { port: usualPort, ...listen }, methods, setting, log, instruments })
  log.info({ port: server.port }, 'listening for NetObserv agents')
  const tell = () => context.status({ ready: true, detail: { port: server.port, agents: intake.reporters.length } })
  tell()
  const timer = setInterval(tell, tellEveryMs)
  await untilAborted(signal)
  clearInterval(timer)
}

/** Whether there is room in the blocks, or soon is. */
async function hasRoom(outbox: Outbox): Promise<boolean> {
  const impatient = new AbortController()
  const tooLong = sleep(patienceMs, false, { signal: impatient.signal }).catch(() => false)
  try {
    return await Promise.race([outbox.ready().then(() => true), tooLong])
  } finally {
    impatient.abort()
  }
}
