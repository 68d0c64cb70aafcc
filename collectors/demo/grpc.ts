import { once } from 'node:events'
import { type Http2Server, type ServerHttp2Session, type ServerHttp2Stream, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Logger } from '../../runtime/log.ts'

/** gRPC status codes, as far as we answer with them. */
export const GrpcCode = { ok: 0, invalidArgument: 3, unimplemented: 12, internal: 13 } as const

/** What a call ends with when it cannot be answered. */
export class GrpcError extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.name = 'GrpcError'
    this.code = code
  }
}

/** Answers a request with framed messages. The next is asked for when the client has had room for the one before, whose memory may be used again. */
export type Method = (request: Buffer, signal: AbortSignal) => Iterable<Uint8Array> | AsyncIterable<Uint8Array>

const prefixBytes = 5
const largestRequest = 1 << 16

/** A message with the five bytes gRPC puts before it. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(prefixBytes + message.length)
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, prefixBytes)
  return frame
}

/** The one message of a request, without its prefix. */
async function readRequest(stream: ServerHttp2Stream): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of stream as AsyncIterable<Buffer>) {
    length += part.length
    if (length > largestRequest) throw new GrpcError(GrpcCode.invalidArgument, `a request of more than ${largestRequest} bytes`)
    parts.push(part)
  }
  const body = Buffer.concat(parts)
  if (body.length < prefixBytes || body.readUInt32BE(1) !== body.length - prefixBytes)
    throw new GrpcError(GrpcCode.invalidArgument, `expected one message, got ${body.length} bytes that are none`)
  if (body[0] !== 0) throw new GrpcError(GrpcCode.unimplemented, 'compressed requests are not understood')
  return body.subarray(prefixBytes)
}

const statusOf = (error: unknown): { code: number; message: string } =>
  error instanceof GrpcError ? error : { code: GrpcCode.internal, message: error instanceof Error ? error.message : String(error) }

/** Resolves when the message is on its way, which is when the client has room for it; the memory is ours again then. */
function written(stream: ServerHttp2Stream, message: Uint8Array, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(signal.reason as Error)
    signal.addEventListener('abort', gone, { once: true })
    stream.write(message, error => {
      signal.removeEventListener('abort', gone)
      if (error) reject(error)
      else resolve()
    })
  })
}

/** Answers one call. Waits for the client between messages: what it does not read is not made. */
async function answer(stream: ServerHttp2Stream, method: Method | undefined, path: string): Promise<void> {
  if (stream.destroyed) return
  const gone = new AbortController()
  stream.once('close', () => gone.abort())
  let status = { code: GrpcCode.ok as number, message: '' }
  stream.once('wantTrailers', () =>
    stream.sendTrailers({ 'grpc-status': String(status.code), 'grpc-message': encodeURIComponent(status.message) }),
  )
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc+proto', 'hubble-relay-version': 'v1.19.4 (weir demo)' },
    { waitForTrailers: true },
  )
  try {
    if (!method) throw new GrpcError(GrpcCode.unimplemented, `unknown method ${path}`)
    const request = await readRequest(stream)
    for await (const message of method(request, gone.signal)) await written(stream, message, gone.signal)
  } catch (error) {
    if (gone.signal.aborted) return
    status = statusOf(error)
  }
  stream.end()
}

export interface Listening extends AsyncDisposable {
  /** host:port */
  address: string
}

/** Serves the methods, by their path, without TLS. Closing it ends calls that are under way. */
export async function serveGrpc(
  methods: Readonly<Record<string, Method>>,
  { host = '127.0.0.1', port = 0, log }: { host?: string; port?: number; log: Logger },
): Promise<Listening> {
  const server = createServer()
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', session => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    session.on('error', error => log.debug({ error }, 'a client broke its connection'))
  })
  server.on('stream', (stream, headers) => {
    const path = headers[':path'] ?? ''
    stream.on('error', error => log.debug({ error, path }, 'a client broke its call'))
    answer(stream, methods[path], path).catch(error => log.warn({ error, path }, 'cannot answer a call'))
  })
  await listen(server, host, port)
  const bound = server.address() as AddressInfo
  return {
    address: `${host}:${bound.port}`,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

async function listen(server: Http2Server, host: string, port: number): Promise<void> {
  server.listen(port, host)
  await once(server, 'listening').catch(error => {
    throw new Error(`the demo cannot listen on ${host}:${port}`, { cause: error })
  })
}
