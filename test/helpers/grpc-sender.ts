import { once } from 'node:events'
import http2, { type ClientHttp2Stream } from 'node:http2'
import { frame } from '../../collectors/grpc/framing.ts'

export interface Sender extends AsyncDisposable {
  /** Begins a call. */
  call(path: string, headers?: http2.OutgoingHttpHeaders): SentCall
}

export interface SentCall {
  stream: ClientHttp2Stream
  /** Sends a message; resolves when it is on its way. */
  send(message: Uint8Array): Promise<void>
  /** Sends bytes as they are. */
  sendRaw(bytes: Uint8Array): void
  /** Sends no more, and resolves with how the server ended the call. */
  end(): Promise<Ended>
  /** How the server ended the call. */
  ended: Promise<Ended>
}

export interface Ended {
  /** Number of gRPC's status; '' when the call broke. */
  status: string
  message: string
  body: Buffer
}

/** A gRPC client of nothing but Node's HTTP/2. */
export async function openSender(port: number, tls?: http2.SecureClientSessionOptions): Promise<Sender> {
  const session = http2.connect(`${tls ? 'https' : 'http'}://127.0.0.1:${port}`, tls)
  session.on('error', () => {})
  await once(session, 'connect')
  return {
    call(path, headers = {}) {
      const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...headers })
      const ended = endOf(stream)
      return {
        stream,
        ended,
        send: message => new Promise(resolve => void stream.write(frame(message), () => resolve())),
        sendRaw: bytes => void stream.write(bytes),
        end() {
          stream.end()
          return ended
        },
      }
    },
    async [Symbol.asyncDispose]() {
      session.destroy()
    },
  }
}

function endOf(stream: ClientHttp2Stream): Promise<Ended> {
  const chunks: Buffer[] = []
  const ended: Ended = { status: '', message: '', body: Buffer.alloc(0) }
  const read = (headers: http2.IncomingHttpHeaders) => {
    if (headers['grpc-status'] === undefined) return
    ended.status = String(headers['grpc-status'])
    ended.message = decodeURIComponent(String(headers['grpc-message'] ?? ''))
  }
  stream.on('response', read)
  stream.on('trailers', read)
  stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
  stream.on('error', () => {})
  return new Promise(resolve => stream.once('close', () => resolve({ ...ended, body: Buffer.concat(chunks) })))
}
