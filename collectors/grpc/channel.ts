import { once } from 'node:events'
import http2 from 'node:http2'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { chunksOf } from './chunks.ts'
import { Framing, frame } from './framing.ts'
import { GrpcError, failureOf } from './status.ts'

const defaultWindowBytes = 16 << 20
const frameBytes = 1 << 20
const sessionMegabytes = 256

export interface ChannelOptions {
  /** Name of the server in requests. */
  authority: string
  /** A connection that is established, with HTTP/2 agreed on. */
  connection: Duplex
  maxMessageBytes?: number
  /** How much the peer may send that nobody has read yet. */
  windowBytes?: number
  /** Asks whether the peer is still there after so long without a byte from it… */
  idleMs?: number
  /** …and gives the connection up when it does not answer for so long. */
  answerMs?: number
}

/** One HTTP/2 connection to a gRPC server. */
export interface Channel extends AsyncDisposable {
  /** One request, one answer. Rejects with GrpcError. */
  call(path: string, request: Uint8Array, timeoutMs: number): Promise<Buffer>
  /**
   * One request, many answers: hands to `take` what has come of the stream, and reads little further until it is done.
   * Resolves when the server ends the stream well, rejects with GrpcError otherwise.
   */
  stream(path: string, request: Uint8Array, signal: AbortSignal, take: (framing: Framing) => Promise<void> | void): Promise<void>
}

export async function openChannel({
  authority,
  connection,
  maxMessageBytes,
  windowBytes = defaultWindowBytes,
  idleMs = 20_000,
  answerMs = 10_000,
}: ChannelOptions): Promise<Channel> {
  const scheme = (connection as Partial<TLSSocket>).encrypted ? 'https' : 'http'
  const session = http2.connect(`${scheme}://${authority}`, {
    createConnection: () => connection,
    maxSessionMemory: sessionMegabytes,
    settings: { enablePush: false, initialWindowSize: windowBytes, maxFrameSize: frameBytes },
  })
  let broken: Error | undefined
  session.on('error', error => (broken ??= error))
  const stopWatching = watchPeer(session, connection, { idleMs, answerMs, onSilent: error => (broken ??= error) })
  // A server that does not want our certificate says so without a word of HTTP/2.
  const refused = new Promise<never>((_, reject) => connection.once('error', reject))
  await Promise.race([once(session, 'remoteSettings', { signal: AbortSignal.timeout(answerMs) }), refused]).catch(error => {
    stopWatching()
    session.destroy()
    throw new GrpcError('UNAVAILABLE', 'the server did not begin to speak HTTP/2', { cause: broken ?? error })
  })
  session.setLocalWindowSize(windowBytes)

  function open(path: string, request: Uint8Array, more: http2.OutgoingHttpHeaders = {}): http2.ClientHttp2Stream {
    if (session.destroyed || session.closed) throw new GrpcError('UNAVAILABLE', 'the connection is closed', { cause: broken })
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', 'user-agent': 'weir', ...more }
    const stream = session.request(headers)
    stream.end(frame(request))
    return stream
  }

  async function run(
    stream: http2.ClientHttp2Stream,
    signal: AbortSignal | undefined,
    take: (framing: Framing) => Promise<void> | void,
  ): Promise<void> {
    let headers: http2.IncomingHttpHeaders | undefined
    let trailers: http2.IncomingHttpHeaders | undefined
    stream.on('response', received => (headers = received))
    stream.on('trailers', received => (trailers = received))
    const cancel = () => stream.close(http2.constants.NGHTTP2_CANCEL)
    signal?.addEventListener('abort', cancel, { once: true })
    const framing = new Framing(maxMessageBytes)
    try {
      for await (const chunks of chunksOf(stream)) {
        for (const chunk of chunks) framing.push(chunk)
        await take(framing)
      }
    } catch (error) {
      cancel()
      if (error instanceof GrpcError || !isConnectionError(error)) throw error
      throw new GrpcError('UNAVAILABLE', 'the connection broke', { cause: broken ?? error })
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
    signal?.throwIfAborted()
    const failure = failureOf(headers, trailers)
    if (failure)
      throw broken && failure.code === 'UNAVAILABLE' ? new GrpcError('UNAVAILABLE', 'the connection broke', { cause: broken }) : failure
    if (!framing.empty) throw new GrpcError('INTERNAL', 'the stream ended within a message')
  }

  return {
    async call(path, request, timeoutMs) {
      let answer: Buffer | undefined
      const deadline = AbortSignal.timeout(timeoutMs)
      const stream = open(path, request, { 'grpc-timeout': `${timeoutMs}m` })
      await run(stream, deadline, framing => {
        while (framing.next()) answer = framing.bytes.subarray(framing.start, framing.end)
      }).catch(error => {
        throw deadline.aborted ? new GrpcError('DEADLINE_EXCEEDED', `no answer to ${path} within ${timeoutMs} ms`, { cause: error }) : error
      })
      if (!answer) throw new GrpcError('INTERNAL', `an empty answer to ${path}`)
      return answer
    },
    async stream(path, request, signal, take) {
      signal.throwIfAborted()
      await run(open(path, request), signal, take)
    },
    async [Symbol.asyncDispose]() {
      stopWatching()
      session.destroy()
    },
  }
}

function isConnectionError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return code.startsWith('ERR_HTTP2') || code.startsWith('ERR_STREAM') || ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ABORT_ERR'].includes(code)
}

interface Watch {
  idleMs: number
  answerMs: number
  onSilent: (error: Error) => void
}

/** Notices a peer that vanished without closing the connection. */
function watchPeer(session: http2.ClientHttp2Session, connection: Duplex, { idleMs, answerMs, onSilent }: Watch): () => void {
  let read = -1
  let answer: NodeJS.Timeout | undefined
  const bytesRead = () => (connection as Duplex & { bytesRead?: number }).bytesRead ?? 0
  const timer = setInterval(() => {
    const before = read
    read = bytesRead()
    if (read !== before || answer || session.destroyed) return
    answer = setTimeout(() => {
      const silent = new Error(`no answer to a PING for ${answerMs} ms`)
      onSilent(silent)
      session.destroy(silent)
    }, answerMs)
    session.ping(() => {
      clearTimeout(answer)
      answer = undefined
    })
  }, idleMs)
  return () => {
    clearInterval(timer)
    clearTimeout(answer)
  }
}
