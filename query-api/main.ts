import { fileURLToPath } from 'node:url'
import type { Bus } from '../runtime/bus/bus.ts'
import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import { ConfigError } from '../runtime/error.ts'
import type { ServiceContext } from '../runtime/service.ts'
import { openApi } from './app.ts'

export interface ApiConfig {
  host: string
  port: number
  allowed_hosts: string[]
  /** How long the enricher makes records wait for objects, milliseconds. */
  objectsWaitMs?: number
}

const staticDir = fileURLToPath(new URL('../dashboards/dist', import.meta.url))

/** Answers over HTTP until it is told to stop. */
export async function runApi(
  { clickhouse, bus, options }: { clickhouse: ClickHouse; bus: Bus; options: ApiConfig },
  { log, signal, status, statuses }: ServiceContext,
): Promise<void> {
  const app = openApi({
    clickhouse,
    bus,
    log,
    services: statuses,
    staticDir,
    allowedHosts: options.allowed_hosts,
    objectsWaitMs: options.objectsWaitMs,
  })
  await app.listen({ host: options.host, port: options.port }).catch(error => {
    throw listenError(error as NodeJS.ErrnoException, options)
  })
  status('http', { ready: true, detail: { address: app.listeningOrigin } })
  if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
  await app.close()
}

/** What a person can change gets its setting named. */
export function listenError(error: NodeJS.ErrnoException, { host, port }: Pick<ApiConfig, 'host' | 'port'>): Error {
  if (error.code === 'EADDRINUSE')
    return new ConfigError(`http.port (WEIR_HTTP_PORT): port ${port} of ${host} is taken, expected a free one`)
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
    return new ConfigError(`http.host (WEIR_HTTP_HOST): expected an address of this machine, got ${JSON.stringify(host)}`)
  if (error.code === 'EACCES') return new ConfigError(`http.port (WEIR_HTTP_PORT): port ${port} needs privileges, expected one from 1024`)
  return error
}
