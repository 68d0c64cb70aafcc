import { once } from 'node:events'
import { createServer } from 'node:http'
import { ConfigError } from './error.ts'
import type { ServiceStatus } from './service.ts'
import { renderPrometheus } from './telemetry.ts'

export interface HealthOptions {
  host: string
  port: number
  /** Of the service. */
  name: string
  status: () => Promise<ServiceStatus>
}

/** Answers /healthz, /readyz and /metrics for a service that runs alone. */
export async function listenHealth({ host, port, name, status }: HealthOptions): Promise<Disposable> {
  const server = createServer(async (request, response) => {
    const path = request.url?.split('?')[0]
    const { ready, reason, metrics } = await status()
    if (path === '/metrics')
      return response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8').end(renderPrometheus({ [name]: metrics }))
    const known = path === '/healthz' || path === '/readyz'
    response.statusCode = !known ? 404 : path === '/healthz' || ready ? 200 : 503
    return response.setHeader('content-type', 'application/json').end(known ? JSON.stringify({ ready, reason }) + '\n' : undefined)
  })
  server.listen(port, host)
  await once(server, 'listening').catch((error: Error) => {
    throw new ConfigError(`health.port (WEIR_HEALTH_PORT): cannot listen on port ${port} of ${host}, expected a free one`, { cause: error })
  })
  return {
    [Symbol.dispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}
