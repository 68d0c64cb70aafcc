import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { frame } from '../../../collectors/grpc/framing.ts'
import { loadObserverProto } from '../../../collectors/hubble/proto.ts'
import { responseType } from './reference.ts'

/** What GetFlows was asked, as protobufjs objects. */
export interface Asked {
  follow: boolean
  since?: { seconds: number; nanos: number }
  whitelist: object[]
  blacklist: object[]
}

export interface FlowsCall {
  asked: Asked
  /** Which call of GetFlows this is, from 0. */
  number: number
  stream: http2.ServerHttp2Stream
  send(...responses: object[]): void
  end(status?: number, message?: string): void
}

/** An Observer on a free port, for the ways a server can fail that a real one does not show on demand. */
export async function openObserverServer(onFlows: (call: FlowsCall) => void, secure?: http2.SecureServerOptions) {
  const server = secure ? http2.createSecureServer(secure) : http2.createServer()
  const sessions = new Set<http2.ServerHttp2Session>()
  const asked: Asked[] = []
  server.on('session', session => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => {})
  })
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    void answer(stream, String(headers[':path'])).catch(() => stream.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  async function answer(stream: http2.ServerHttp2Stream, path: string) {
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    const request = Buffer.concat(chunks).subarray(5)
    const end = trailers(stream)
    if (path.endsWith('/GetFlows')) {
      const type = loadObserverProto().lookupType('observer.GetFlowsRequest')
      const plain = type.toObject(type.decode(request), { longs: Number, enums: String, arrays: true }) as Asked
      asked.push(plain)
      onFlows({
        asked: plain,
        number: asked.length - 1,
        stream,
        end,
        send: (...responses) =>
          void stream.write(
            Buffer.concat(responses.map(response => frame(responseType().encode(responseType().fromObject(response)).finish()))),
          ),
      })
    } else if (path.endsWith('/ServerStatus')) {
      const type = loadObserverProto().lookupType('observer.ServerStatusResponse')
      stream.write(frame(type.encode({ version: 'test 1.19' }).finish()))
      end()
    } else end(12, 'not here')
  }

  return {
    asked,
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Breaks every connection. */
    breakConnections: () => sessions.forEach(session => session.destroy()),
    async [Symbol.asyncDispose]() {
      sessions.forEach(session => session.destroy())
      server.close()
    },
  }
}

export type ObserverServer = Awaited<ReturnType<typeof openObserverServer>>

function trailers(stream: http2.ServerHttp2Stream) {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  let status: http2.OutgoingHttpHeaders = { 'grpc-status': '0' }
  stream.on('wantTrailers', () => stream.sendTrailers(status))
  return (code = 0, message = '') => {
    status = { 'grpc-status': String(code), 'grpc-message': encodeURIComponent(message) }
    stream.end()
  }
}
