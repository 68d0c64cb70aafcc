import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { ConfigError } from '../../runtime/error.ts'
import type { Logger } from '../../runtime/log.ts'
import type { Instruments } from '../../runtime/telemetry.ts'
import { BodyError, decompress, tooLarge } from './decompress.ts'
import { type ListenOptions, guardOf, serverTls } from './options.ts'

export interface Posted {
  path: string
  headers: IncomingHttpHeaders
  /** Without its Content-Encoding. */
  body: Buffer
  /** host:port of the sender. */
  peer: string
}

export interface Answer {
  status: number
  headers?: Record<string, string>
  body?: string | Uint8Array
}

/** What is done with a POST. What it throws is answered with 500; awaiting is the back-pressure. */
export type Receiver = (request: Posted) => Promise<Answer>

export interface HttpOptions {
  listen: ListenOptions
  /** By path. */
  receivers: Readonly<Record<string, Receiver>>
  /** Key of the configuration, which errors name. */
  setting: string
  log: Logger
  instruments: Instruments
  /** How a protocol says no, where a text is not enough: from the answer made here, why, and the request's Content-Type. */
  refusal?: (answer: Answer, message: string, contentType: string | undefined) => Answer
  /** An encoding of the body that the receiver reads itself. */
  ownEncoding?: string
  /** Bytes of all bodies that are being taken; with more, senders are answered 503 and come again. */
  maxBytesUnderWay?: number
}

const defaultMaxBytes = 64 << 20
const statusOf = { too_large: 413, unknown_encoding: 415, broken: 400 } as const
const retryAfter = { 'retry-after': '1' }

/** Takes POSTs: size limits, decompression, bearer tokens and TLS are dealt with here. Throws ConfigError when it cannot listen. */
export async function listenHttp(options: HttpOptions): Promise<AsyncDisposable & { port: number }> {
  const { listen, setting, log, receivers, instruments, ownEncoding, maxBytesUnderWay = 256 << 20 } = options
  const { host = '127.0.0.1', port = 0, tls, token_file, max_message_bytes: maxBytes = defaultMaxBytes } = listen
  const maySend = guardOf(token_file, setting)
  let underWay = 0

  async function answer(request: IncomingMessage): Promise<Answer> {
    const refused: typeof plainRefusal = (status, message, headers) => {
      const plain = plainRefusal(status, message, headers)
      return options.refusal?.(plain, message, request.headers['content-type']) ?? plain
    }
    const path = (request.url ?? '').split('?')[0]
    const receiver = Object.hasOwn(receivers, path) ? receivers[path] : undefined
    if (!maySend(request.headers.authorization)) return refused(401, 'expected a bearer token', { 'www-authenticate': 'Bearer' })
    if (!receiver) return refused(404, `no ${path} here, expected ${Object.keys(receivers).join(', ')}`)
    if (request.method !== 'POST') return refused(405, `${request.method} ${path}, expected POST`, { allow: 'POST' })
    if (underWay >= maxBytesUnderWay) return refused(503, `${underWay} bytes are being taken already`, retryAfter)
    let bytes = 0
    try {
      const sent = await bodyOf(request, maxBytes, received => {
        bytes += received
        underWay += received
      })
      const encoding = request.headers['content-encoding']?.trim().toLowerCase()
      const body = encoding === ownEncoding ? sent : await decompress(sent, encoding, maxBytes)
      const { remoteAddress, remotePort } = request.socket
      return await receiver({ path, headers: request.headers, body, peer: `${remoteAddress}:${remotePort}` })
    } catch (error) {
      if (!(error instanceof BodyError)) throw error
      instruments.discarded(1, error.kind === 'too_large' ? 'too_large' : 'undecodable', { kind: 'message' })
      return refused(statusOf[error.kind], error.message)
    } finally {
      underWay -= bytes
    }
  }

  async function serve(request: IncomingMessage, response: ServerResponse) {
    let { status, headers, body }: Answer = { status: 500, headers: {}, body: 'weir failed\n' }
    try {
      ;({ status, headers, body } = await answer(request))
    } catch (error) {
      if (request.destroyed && !request.complete) return
      log.error({ error, path: request.url }, 'cannot answer')
    }
    // What was not read of a request that was refused would be taken for the next one.
    response.writeHead(status, request.complete ? headers : { ...headers, connection: 'close' }).end(body)
  }

  const server = tls ? createSecureServer(serverTls(tls, setting), serve) : createServer(serve)
  server.listen(port, host)
  await once(server, 'listening').catch((error: Error) => {
    throw new ConfigError(`${setting}.port: cannot listen on port ${port} of ${host}, expected a free one`, { cause: error })
  })
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      const impatient = setTimeout(() => server.closeAllConnections(), 2000).unref()
      await closed
      clearTimeout(impatient)
    },
  }
}

const plainRefusal = (status: number, message: string, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
  body: message + '\n',
})

async function bodyOf(request: IncomingMessage, maxBytes: number, onBytes: (bytes: number) => void): Promise<Buffer> {
  if (Number(request.headers['content-length']) > maxBytes) throw new BodyError('too_large', tooLarge(maxBytes))
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    onBytes(chunk.length)
    if (bytes > maxBytes) throw new BodyError('too_large', tooLarge(maxBytes))
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
}
