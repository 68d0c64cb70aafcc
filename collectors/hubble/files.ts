import type { Source, SourceContext } from '../source.ts'
import { Intake } from './intake.ts'
import { readLine } from './json.ts'
import { Nodes } from './nodes.ts'
import { type Peer, peerAt } from './peer.ts'
import { type Memories, recall } from './recall.ts'
import { Remembered } from './remember.ts'
import { tail } from '../tail.ts'
import { UndecodableError } from '../protobuf/cursor.ts'

const lossCapacity = 1 << 16

export interface HubbleFilesOptions {
  /** Files Hubble writes lines of JSON to. */
  paths: string[]
  /** Cluster of the nodes whose name carries none. */
  cluster?: string
  /** How many flows are recognised when they are read again. */
  remember?: number
}

/** Flows of Cilium out of the files Hubble exports them to. */
export const hubbleFiles: Source<HubbleFilesOptions> = {
  name: 'hubble_files',
  about: 'Flows of Cilium out of the files Hubble exports them to.',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['paths'],
    properties: {
      paths: {
        type: 'array',
        items: { type: 'string', minLength: 1 },
        minItems: 1,
        description: 'Files Hubble writes lines of JSON to; they are followed when they are rotated.',
      },
      cluster: { type: 'string', default: '', description: 'Cluster of the nodes whose name carries none.' },
      remember: {
        type: 'integer',
        minimum: 1000,
        default: 2_000_000,
        description: 'Flows that are recognised when they are read again.',
      },
    },
  },
  run: followFiles,
}

async function followFiles({ paths, cluster = '', remember = 2_000_000 }: HubbleFilesOptions, context: SourceContext): Promise<void> {
  const { signal, outbox } = context
  const nodes = new Nodes(cluster)
  const files = peerAt('')
  const memories: Memories = { flow: new Remembered(remember), request: new Remembered(remember), loss: new Remembered(lossCapacity) }
  const intake = new Intake(context, { nodes, memories, source: hubbleFiles.name })
  await recall(outbox, memories, { nodes, peers: [], others: files, isConfigured: () => true, maxRecords: remember, lagMicros: Infinity })
  const missing = new Map<string, string>()
  const report = () =>
    context.status({ ready: missing.size === 0, reason: [...missing.values()].join(', ') || undefined, detail: { paths } })
  // One at a time: blocks are filled by whoever holds them between two awaits.
  let turn = Promise.resolve()
  const inTurn = (lines: Buffer[]) => (turn = turn.then(() => takeLines(lines, { intake, files }, context)))
  report()
  await Promise.all(
    paths.map(path =>
      tail(path, {
        signal,
        take: inTurn,
        onState: reason => {
          if (reason === undefined) missing.delete(path)
          else missing.set(path, reason)
          report()
        },
      }),
    ),
  )
}

async function takeLines(
  lines: readonly Buffer[],
  { intake, files }: { intake: Intake; files: Peer },
  { instruments }: SourceContext,
): Promise<void> {
  const messages: Buffer[] = []
  for (const line of lines) {
    const text = line.toString('utf8').trim()
    if (text === '') continue
    try {
      const { subject, message } = readLine(text)
      if (subject === 'agent_event' || subject === 'debug_event') instruments.discarded(1, subject)
      else messages.push(Buffer.from(message.buffer, message.byteOffset, message.byteLength))
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error
      intake.refuse(error.message, line)
    }
  }
  await intake.take(inOrder(messages), files)
}

/** The messages the way a stream hands them over. */
function inOrder(messages: readonly Buffer[]) {
  let index = -1
  return {
    bytes: Buffer.alloc(0) as Buffer,
    start: 0,
    end: 0,
    next() {
      this.bytes = messages[++index]
      this.end = this.bytes?.length ?? 0
      return index < messages.length
    },
  }
}
