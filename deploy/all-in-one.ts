import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClickHouseError } from '../runtime/clickhouse/client.ts'
import { openEmbeddedClickHouse } from '../runtime/clickhouse/embedded.ts'
import { ConfigError } from '../runtime/error.ts'
import type { Logger } from '../runtime/log.ts'
import { type ServiceStatuses, exitCodes } from '../runtime/service.ts'
import { type Child, startChild } from './child.ts'
import { checkPort, claimDirectory } from './claim.ts'
import type { Config } from './config.ts'
import { prepareBus } from './bus.ts'
import type { ServiceName } from './services.ts'
import { migrateStore } from './store.ts'

const tellEveryMs = 1000
const storeRetryMs = 1000

interface Running {
  stack: AsyncDisposableStack
  statuses: ServiceStatuses
  log: Logger
  signal: AbortSignal
}

/** Every service in a process of its own, below this one, over an embedded bus and an embedded ClickHouse. Resolves to the exit code. */
export async function up(config: Config, { demo, log, signal }: { demo: boolean; log: Logger; signal: AbortSignal }): Promise<number> {
  await using stack = new AsyncDisposableStack()
  const running = { stack, log, signal, statuses: {} }
  stack.use(await claimDirectory(config.data_dir, { log, signal }))
  await checkPort(config.http)
  await prepareBus(config.bus, { log, signal })
  const demoRuns = demo && !config.collect.hubble
  if (demo && !demoRuns) log.info({ address: config.collect.hubble?.address }, 'a Hubble is configured: no demo traffic')
  const withStore = await withClickHouse(config, running)
  const resolved = demoRuns ? await withDemo(withStore) : withStore
  await prepareStore(resolved, running)
  const misconfigured = signal.aborted ? false : await runServices(resolved, { ...running, demoRuns })
  if (misconfigured) return exitCodes.misconfigured
  log.info({}, 'stopping')
  return exitCodes.stopped
}

/** Resolves when it shall stop, to whether that is because a service found its configuration wrong. */
async function runServices(config: Config, { stack, statuses, log, signal, demoRuns }: Running & { demoRuns: boolean }): Promise<boolean> {
  const misconfigured = new AbortController()
  const stopped = AbortSignal.any([signal, misconfigured.signal])
  const children: Child[] = []
  const tell = () => children.forEach(child => child.tell(statuses))
  const start = (name: ServiceName) => {
    const ready = Promise.withResolvers<void>()
    const onStatus = (status: ServiceStatuses[string]) => {
      const changed = statuses[name]?.ready !== status.ready || statuses[name]?.reason !== status.reason
      statuses[name] = status
      if (changed) tell()
      if (status.ready) ready.resolve()
    }
    children.push(stack.use(startChild({ name, config, log, onStatus, onMisconfigured: () => misconfigured.abort() })))
    return ready.promise
  }
  const untilStopped = async () => {
    while (!stopped.aborted) {
      tell()
      await sleep(tellEveryMs, undefined, { signal: stopped }).catch(() => {})
    }
  }
  const demoReady = demoRuns ? start('demo') : Promise.resolve()
  void start('serve').then(() => announce(config, log))
  void start('enrich')
  const end = untilStopped()
  // Nothing listens for the collector before the demo does.
  await Promise.race([demoReady, end])
  if (!stopped.aborted) void start('collect')
  await end
  return misconfigured.signal.aborted
}

function announce({ http: { host, port }, data_dir: data }: Config, log: Logger): void {
  log.info({ url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, data }, 'weir is up')
}

/** Starts the embedded server unless another one is configured. */
async function withClickHouse(config: Config, { stack, statuses, log }: Running): Promise<Config> {
  if (config.clickhouse.url) return config
  if (config.clickhouse.cluster)
    throw new ConfigError('clickhouse.cluster (WEIR_CLICKHOUSE_CLUSTER): expected with the addresses of its servers in clickhouse.url')
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

/** Creates or updates the tables, as soon as ClickHouse lets us. */
async function prepareStore(config: Config, { log, signal }: Running): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt++)
    try {
      for (const change of await migrateStore(config, log)) log.debug({ change }, 'migrated')
      return
    } catch (error) {
      if (!(error instanceof ClickHouseError && error.retriable)) throw error
      if (!attempt) log.warn({ error }, 'cannot create or check the tables yet, trying again')
      await sleep(storeRetryMs, undefined, { signal }).catch(() => {})
    }
}

/** Points the Hubble source at the demo's endpoint. */
async function withDemo(config: Config): Promise<Config> {
  const port = config.demo.port || (await freePort(config.demo.host))
  const hubble = { address: `${config.demo.host}:${port}`, history: config.demo.history }
  return { ...config, demo: { ...config.demo, port }, collect: { ...config.collect, hubble } }
}

async function freePort(host: string): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
