import { once } from 'node:events'
import {
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  createSecureServer,
  createServer,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { ConfigError } from '../../runtime/error.ts'
import { type Logger, describe } from '../../runtime/log.ts'
import type { Instruments } from '../../runtime/telemetry.ts'
import { BodyError, decompress } from '../listen/decompress.ts'
import { type ListenOptions, guardOf, serverTls } from '../listen/options.ts'
import { chunksOf } from './chunks.ts'
import { Framing, frame } from './framing.ts'
import { GrpcError, type StatusName, statusNames } from './status.ts'

/** One call of a client. */
export interface Call {
  headers: IncomingHttpHeaders
  /** host:port of the client. */
  peer: string
  /** The messages of the client as they come, each valid until the next is asked for. What is not asked for waits at the client. */
  messages: AsyncIterable<Buffer>
  /** Answers with a message before the call ends. Resolves when the client has room for more. */
  send(message: Uint8Array): Promise<void>
}

/** Answers a call, at its end with one more message or none. What it throws ends the call: a GrpcError as it says, anything else as INTERNAL. */
export type Method = (call: Call) => Promise<Uint8Array | undefined>

export interface GrpcServerOptions {
  listen: ListenOptions
  /** By path: /package.Service/Method. */
  methods: Readonly<Record<string, Method>>
  /** Key of the configuration, which errors name. */
  setting: string
  log: Logger
  instruments: Instruments
  maxConnections?: number
  maxStreamsPerConnection?: number
}

const defaultMaxBytes = 64 << 20
const windowBytes = 4 << 20
const frameBytes = 1 << 18
const stopWithinMs = 2000
const codeOf = (name: StatusName) => String(statusNames.indexOf(name))
const statusOfBody = { too_large: 'RESOURCE_EXHAUSTED', unknown_encoding: 'UNIMPLEMENTED', broken: 'INVALID_ARGUMENT' } as const

/**
 * Serves methods that take messages: unary ones and streams. HTTP/2 without TLS unless it is configured; gzip, deflate and zstd
 * are read. Throws ConfigError when it cannot listen.
 */
export async function serveGrpc(options: GrpcServerOptions): Promise<AsyncDisposable & { port: number }> {
  const { listen, setting, log, methods, instruments, maxConnections = 256, maxStreamsPerConnection = 256 } = options
  const { host = '127.0.0.1', port = 0, tls, token_file, max_message_bytes: maxBytes = defaultMaxBytes } = listen
  const maySend = guardOf(token_file, setting)
  const stopping = new AbortController()
  const sessions = new Set<ServerHttp2Session>()
  const http2Options = {
    settings: { initialWindowSize: windowBytes, maxFrameSize: frameBytes, maxConcurrentStreams: maxStreamsPerConnection },
  }
  const server: Http2Server = tls
    ? (createSecureServer({ ...http2Options, ...serverTls(tls, setting) }) as unknown as Http2Server)
    : createServer(http2Options)

  server.on('session', session => {
    if (sessions.size >= maxConnections) return session.destroy()
    sessions.add(session)
    session.setLocalWindowSize(windowBytes * 4)
    session.once('close', () => sessions.delete(session))
    session.on('error', error => log.debug({ error }, 'a client broke its connection'))
  })
  server.on('stream', (stream, headers) => {
    const path = headers[':path'] ?? ''
    stream.on('error', error => log.debug({ error, path }, 'a client broke its call'))
    void answer(stream, headers, path)
  })

  async function answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, path: string) {
    try {
      if (!maySend(headers.authorization)) throw new GrpcError('UNAUTHENTICATED', 'expected a bearer token')
      const method = Object.hasOwn(methods, path) ? methods[path] : undefined
      if (!method) throw new GrpcError('UNIMPLEMENTED', `no ${path} here, expected ${Object.keys(methods).join(', ')}`)
      const socket = stream.session?.socket
      const messages = messagesOf(stream, headers, { maxBytes, signal: stopping.signal })
      const peer = `${socket?.remoteAddress}:${socket?.remotePort}`
      end(stream, undefined, await method({ headers, peer, messages, send: message => send(stream, message) }))
    } catch (error) {
      if (stream.destroyed) return
      const failure = failureOf(error)
      if (failure.code === 'RESOURCE_EXHAUSTED') instruments.discarded(1, 'too_large', { kind: 'message' })
      if (failure.code === 'INTERNAL') log.error({ error, path }, 'cannot answer a call')
      end(stream, failure)
    }
  }

  server.listen(port, host)
  await once(server, 'listening').catch((error: Error) => {
    throw new ConfigError(`${setting}.port: cannot listen on port ${port} of ${host}, expected a free one`, { cause: error })
  })
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      stopping.abort()
      const closed = once(server, 'close')
      server.close()
      for (const session of sessions) session.close()
      const impatient = setTimeout(() => sessions.forEach(session => session.destroy()), stopWithinMs)
      await closed
      clearTimeout(impatient)
    },
  }
}

/** A method that takes one message. */
export const unary =
  (take: (message: Buffer, call: Call) => Promise<Uint8Array>): Method =>
  async call => {
    for await (const message of call.messages) return take(message, call)
    throw new GrpcError('INVALID_ARGUMENT', 'the call has no message')
  }

async function* messagesOf(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): AsyncGenerator<Buffer> {
  const encoding = String(headers['grpc-encoding'] ?? 'identity')
  const framing = new Framing(maxBytes, encoding !== 'identity')
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const chunks of chunksOf(stream)) {
      for (const chunk of chunks) framing.push(chunk)
      while (framing.next()) {
        const message = framing.bytes.subarray(framing.start, framing.end)
        yield framing.compressed ? await decompress(message, encoding, maxBytes) : message
      }
    }
  } finally {
    signal.removeEventListener('abort', stop)
  }
  if (!framing.empty) throw new GrpcError('INVALID_ARGUMENT', 'the call ended within a message')
}

function failureOf(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error
  if (error instanceof BodyError) return new GrpcError(statusOfBody[error.kind], error.message)
  return new GrpcError('INTERNAL', describe(error))
}

const answerHeaders = { ':status': 200, 'content-type': 'application/grpc', 'grpc-accept-encoding': 'identity,deflate,gzip' }

async function send(stream: ServerHttp2Stream, message: Uint8Array): Promise<void> {
  if (!stream.headersSent) stream.respond(answerHeaders, { waitForTrailers: true })
  if (!stream.write(frame(message))) await once(stream, 'drain')
}

/** Ends the call with a message, or with the failure alone. */
function end(stream: ServerHttp2Stream, failure: GrpcError | undefined, message?: Uint8Array): void {
  const status = { 'grpc-status': codeOf(failure?.code ?? 'OK'), ...(failure && { 'grpc-message': encodeURIComponent(failure.message) }) }
  if (!message && !stream.headersSent) return stream.respond({ ...answerHeaders, ...status }, { endStream: true })
  stream.once('wantTrailers', () => stream.sendTrailers(status))
  if (!stream.headersSent) stream.respond(answerHeaders, { waitForTrailers: true })
  stream.end(message && frame(message))
}
