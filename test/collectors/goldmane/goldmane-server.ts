import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { frame } from '../../../collectors/grpc/framing.ts'
import { type Plain, decodeRequest, encodeResult } from './flows.ts'

type Stream = http2.ServerHttp2Stream

/**
 * A Goldmane on a free port: keeps what it is given, sends to a new stream what it keeps from the time that was asked for on, and then
 * what comes. As the real one it takes 15 s only, takes 0 for now, and asks for the certificate of its clients.
 */
export async function openGoldmane(secure?: http2.SecureServerOptions, port = 0) {
  const server = secure ? http2.createSecureServer({ ...secure, requestCert: true, rejectUnauthorized: true }) : http2.createServer()
  const sessions = new Set<http2.ServerHttp2Session>()
  const streams = new Set<Stream>()
  const asked: { start_time_gte: number; aggregation_interval: number }[] = []
  const kept: Plain[] = []
  server.on('session', session => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => {})
  })
  server.on('stream', (stream: Stream, headers) => {
    stream.on('error', () => {})
    stream.on('close', () => streams.delete(stream))
    void answer(stream, String(headers[':path'])).catch(() => stream.destroy())
  })
  server.on('tlsClientError', () => {})
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')

  async function answer(stream: Stream, path: string) {
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    if (path !== '/goldmane.Flows/Stream') return end(stream, 12)
    const request = decodeRequest(Buffer.concat(chunks).subarray(5))
    asked.push(request)
    if (request.aggregation_interval !== 15) return end(stream, 3)
    const { start_time_gte: from } = request
    const since = from === 0 ? Infinity : from < 0 ? Date.now() / 1000 + from : from
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    for (const flow of kept) if (Number(flow.start_time) >= since) send(stream, flow)
    streams.add(stream)
  }

  return {
    asked,
    streams,
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    tell(...flows: Plain[]) {
      kept.push(...flows)
      for (const stream of streams) for (const flow of flows) send(stream, flow)
    },
    /** Sends bytes that may be no FlowResult. */
    tellBytes: (bytes: Uint8Array) => streams.forEach(stream => void stream.write(frame(bytes))),
    breakConnections: () => sessions.forEach(session => session.destroy()),
    async [Symbol.asyncDispose]() {
      sessions.forEach(session => session.destroy())
      server.close()
    },
  }
}

const send = (stream: Stream, flow: Plain) => void stream.write(frame(encodeResult(flow)))

const end = (stream: Stream, status: number) =>
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(status) }, { endStream: true })
