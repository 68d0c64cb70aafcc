import { fileURLToPath } from 'node:url'
import type { Bus } from '../runtime/bus/bus.ts'
import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import type { ServiceContext } from '../runtime/service.ts'
import { openApi } from './app.ts'

export interface ApiConfig {
  host: string
  port: number
  allowed_hosts: string[]
}

const staticDir = fileURLToPath(new URL('../dashboards/dist', import.meta.url))

/** Answers over HTTP until it is told to stop. */
export async function runApi(
  { clickhouse, bus, options }: { clickhouse: ClickHouse; bus: Bus; options: ApiConfig },
  { log, signal, status, statuses }: ServiceContext,
): Promise<void> {
  const app = openApi({ clickhouse, bus, log, services: statuses, staticDir, allowedHosts: options.allowed_hosts })
  await app.listen({ host: options.host, port: options.port })
  status('http', { ready: true, detail: { address: app.listeningOrigin } })
  if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
  await app.close()
}
