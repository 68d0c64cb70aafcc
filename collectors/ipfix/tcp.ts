import { type Socket, createServer } from 'node:net'
import type { Datagram } from './decoder.ts'
import { uint16 } from './wire.ts'

const headLength = 16
const ipfixVersion = 10
const maxConnections = 1024

export interface TcpOptions {
  host: string
  port: number
  /** Awaited before more is read from the connection. */
  take: (message: Datagram) => Promise<void>
}

/**
 * Listens for IPFIX over TCP (RFC 7011 §10.4): messages one after the other, and templates that are good for a connection. A connection
 * that sends something else is closed.
 */
export async function listenTcp({ host, port, take }: TcpOptions): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer(socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    // An exporter that goes away is no error of ours; what it had sent whole was taken.
    follow(socket, `connection ${++connections}`, take).catch(() => socket.destroy())
  })
  server.maxConnections = maxConnections
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(new Error(`cannot listen on ${host}:${port}`, { cause: error })))
    server.listen(port, host, resolve)
  })
  return {
    [Symbol.asyncDispose]: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

async function follow(socket: Socket, process: string, take: TcpOptions['take']): Promise<void> {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  const send = (bytes: Buffer) => take({ bytes, address, process, received: Date.now() * 1000 })
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    rest = rest.length ? Buffer.concat([rest, chunk]) : chunk
    while (rest.length >= headLength) {
      const length = uint16(rest, 2)
      const isMessage = uint16(rest, 0) === ipfixVersion && length >= headLength
      if (isMessage && rest.length < length) break
      await send(isMessage ? rest.subarray(0, length) : rest)
      if (!isMessage) return void socket.destroy()
      rest = rest.subarray(length)
    }
  }
}
