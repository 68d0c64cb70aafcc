import type { Call, Method } from '../grpc/server.ts'
import { GrpcError } from '../grpc/status.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import type { SourceContext } from '../source.ts'
import { Decoder, identifierIn } from './decoder.ts'
import type { Connections } from './connections.ts'
import { type EnvoyNode, type NodeDefaults, nodeOf, readIdentifier } from './node.ts'
import { Situations } from './situation.ts'

export const accessLogsPath = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs'

export interface AccessLogsOptions {
  defaults: NodeDefaults
  connections: Connections
  maxStreams: number
  /** Told when a stream begins or ends. */
  onStreams(streams: ReadonlySet<AccessLogStream>): void
}

/** A stream of one logger of one worker thread of an Envoy. */
export interface AccessLogStream {
  peer: string
  node?: EnvoyNode
}

/** StreamAccessLogs: Envoy sends as long as it lives and is never answered. What cannot be read ends the stream it came in, and no other. */
export function accessLogs(options: AccessLogsOptions, context: SourceContext): Method {
  const { outbox, instruments, log } = context
  const decoder = new Decoder(options.connections)
  const streams = new Set<AccessLogStream>()
  let turn = Promise.resolve()

  async function read(bytes: Buffer, node: EnvoyNode): Promise<void> {
    decoder.open(bytes, node, Date.now() * 1000)
    try {
      for (;;) {
        decoder.writeTo(outbox.block('flow'), outbox.block('request'))
        if (decoder.read()) return
        await outbox.ready()
      }
    } finally {
      const { entries, interim, repeated, overLimit } = decoder.tally
      instruments.received(entries)
      instruments.discarded(interim, 'interim')
      instruments.discarded(repeated, 'repeated')
      instruments.discarded(overLimit, 'over_limit', { kind: 'part' })
    }
  }

  /** One message at a time is in the decoder; the others wait for their turn, and their senders with them. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const done = turn.then(work)
    turn = done.catch(() => {})
    return done
  }

  async function take(stream: AccessLogStream, bytes: Buffer): Promise<void> {
    const said = identifierIn(bytes)
    if (said) stream.node = introduced(stream, readIdentifier(bytes, said.start, said.end))
    const node = (stream.node ??= introduced(stream, { id: '', log: '' }))
    await inTurn(() => read(bytes, node))
    await outbox.ready()
  }

  function introduced(stream: AccessLogStream, told: Parameters<typeof nodeOf>[0]): EnvoyNode {
    const node = nodeOf(told, hostOf(stream.peer), options.defaults, new Situations())
    log.debug({ peer: stream.peer, reporter: node.reporter, logger: node.log }, 'an Envoy began to send')
    return node
  }

  function refuse(stream: AccessLogStream, bytes: Buffer, error: UndecodableError): never {
    instruments.received(1, { kind: 'message' })
    instruments.discarded(1, 'undecodable', { kind: 'message' })
    outbox.deadLetter({ source: 'envoy', reporter: stream.node?.reporter ?? hostOf(stream.peer), reason: error.message, body: bytes })
    throw new GrpcError('INVALID_ARGUMENT', error.message, { cause: error })
  }

  return async function streamAccessLogs({ peer, messages }: Call): Promise<Uint8Array> {
    if (streams.size >= options.maxStreams) {
      instruments.discarded(1, 'over_limit', { kind: 'stream' })
      throw new GrpcError('UNAVAILABLE', `${options.maxStreams} streams are open already`)
    }
    const stream: AccessLogStream = { peer }
    streams.add(stream)
    options.onStreams(streams)
    try {
      for await (const bytes of messages)
        await take(stream, bytes).catch(error => {
          if (error instanceof UndecodableError) refuse(stream, bytes, error)
          throw error
        })
      return new Uint8Array(0)
    } finally {
      streams.delete(stream)
      options.onStreams(streams)
    }
  }
}

/** The host of host:port; IPv4 in its own form. */
const hostOf = (peer: string) => (peer.slice(0, Math.max(0, peer.lastIndexOf(':'))) || peer).replace(/^::ffff:(?=\d+\.)/, '')
