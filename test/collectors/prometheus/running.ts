import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import { type ServerOptions, createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { OpenTaker } from '../../../collectors/prometheus/taker.ts'
import type { Point, Target } from '../../../collectors/samples/point.ts'

export type Taken = Point & { target: Target }

/** Keeps the points it takes. */
export function collectPoints(): { taken: Taken[]; openTaker: OpenTaker } {
  const taken: Taken[] = []
  const openTaker: OpenTaker = async () => ({
    take: (point, target) => void taken.push({ ...point, target }),
    ready: async () => {},
  })
  return { taken, openTaker }
}

/** An HTTP server on a port of its own, with TLS if there are options for it. */
export async function serve(listener: RequestListener, tls?: ServerOptions): Promise<{ address: string } & AsyncDisposable> {
  const server = tls ? createSecureServer(tls, listener) : createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
