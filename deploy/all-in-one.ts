import { mkdir } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEmbeddedClickHouse } from '../runtime/clickhouse/embedded.ts'
import type { Logger } from '../runtime/log.ts'
import type { ServiceStatuses } from '../runtime/service.ts'
import { type Child, startChild } from './child.ts'
import type { Config } from './config.ts'
import { migrate } from './migrate.ts'
import { type ServiceName, openStore } from './services.ts'

const tellEveryMs = 1000

/** How long the demo's cluster has been there when its first flow is asked for. */
const demoHistorySeconds = 3600

/** Every service in a process of its own, below this one, over an embedded bus and an embedded ClickHouse. Resolves to the exit code. */
export async function up(config: Config, { demo, log, signal }: { demo: boolean; log: Logger; signal: AbortSignal }): Promise<number> {
  await mkdir(config.data_dir, { recursive: true })
  await using stack = new AsyncDisposableStack()
  const statuses: ServiceStatuses = {}
  const demoRuns = demo && !config.collect.hubble
  if (demo && !demoRuns) log.info({ address: config.collect.hubble?.address }, 'a Hubble is configured: no demo traffic')
  const withStore = await withClickHouse(config, { stack, statuses, log })
  const resolved = demoRuns ? await withDemo(withStore) : withStore
  await using store = openStore(resolved, 'writer')
  for (const change of await migrate({ clickhouse: store, log })) log.debug({ change }, 'migrated')

  const failed = new AbortController()
  const children: Child[] = []
  const start = (name: ServiceName) =>
    children.push(
      stack.use(
        startChild({
          name,
          env: { WEIR_RESOLVED_CONFIG: JSON.stringify(resolved) },
          log,
          onStatus: status => announce(resolved, name, (statuses[name] = status), log),
          onMisconfigured: () => failed.abort(),
        }),
      ),
    )
  if (demoRuns) start('demo')
  for (const name of ['serve', 'enrich', 'collect'] as const) start(name)
  const stopped = AbortSignal.any([signal, failed.signal])
  while (!stopped.aborted) {
    for (const child of children) child.tell(statuses)
    await sleep(tellEveryMs, undefined, { signal: stopped }).catch(() => {})
  }
  if (signal.aborted) log.info({}, 'stopping')
  return failed.signal.aborted ? 2 : 0
}

interface Starting {
  stack: AsyncDisposableStack
  statuses: ServiceStatuses
  log: Logger
}

/** Starts the embedded server unless another one is configured. */
async function withClickHouse(config: Config, { stack, statuses, log }: Starting): Promise<Config> {
  if (config.clickhouse.url) return config
  const { http_port: httpPort, database } = config.clickhouse
  const server = stack.use(
    await openEmbeddedClickHouse({
      dataDir: path.join(config.data_dir, 'clickhouse'),
      log,
      httpPort,
      readable: `${database}.*`,
      onStatus: status =>
        (statuses.clickhouse = { ready: status === 'ready', reason: status === 'ready' ? undefined : status, metrics: [] }),
    }),
  )
  return { ...config, clickhouse: { ...config.clickhouse, url: server.url, reader_url: server.readerUrl } }
}

/** Points the Hubble source at the demo's endpoint. */
async function withDemo(config: Config): Promise<Config> {
  const port = config.demo.port || (await freePort(config.demo.host))
  const hubble = { address: `${config.demo.host}:${port}`, history: demoHistorySeconds }
  return { ...config, demo: { ...config.demo, port }, collect: { ...config.collect, hubble } }
}

async function freePort(host: string): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

let announced = false

function announce({ http, data_dir }: Config, name: ServiceName, { ready }: { ready: boolean }, log: Logger): void {
  if (announced || name !== 'serve' || !ready) return
  announced = true
  log.info({ url: `http://${http.host.includes(':') ? `[${http.host}]` : http.host}:${http.port}`, data: data_dir }, 'weir is up')
}
