import { runDemo } from '../collectors/demo/index.ts'
import { runCollector } from '../collectors/main.ts'
import { runEnricher } from '../enricher/main.ts'
import { runApi } from '../query-api/main.ts'
import { type ServiceContext, runService, untilAborted } from '../runtime/service.ts'
import { shareDirectory } from '../runtime/clickhouse/lock.ts'
import { withBus } from './bus.ts'
import type { Config } from './config.ts'
import { openReader, openShares } from './store.ts'

type Run = (config: Config, context: ServiceContext) => Promise<void>

function collect({ bus, collect }: Config, context: ServiceContext): Promise<void> {
  return withBus(bus, context, bus => runCollector({ bus, options: collect }, context))
}

async function enrich(config: Config, context: ServiceContext): Promise<void> {
  await using store = await openShares(config, context)
  const { networks, egress, maxmind, dns, meshes, gateways, batch, objects, identity, reattribute } = config.enrich
  const limits = { maxRows: batch.max_rows, maxParts: batch.max_parts, maxWaitMs: batch.max_wait_ms }
  const sought = { networks, egress, maxmind, dns, reachable: { meshes, gateways }, identity }
  const again = { everyMs: reattribute.every_seconds * 1000 }
  const options = {
    ...sought,
    batch: limits,
    maxBytes: config.clickhouse.max_bytes,
    objectsWaitMs: objects.wait * 1000,
    objectDays: config.clickhouse.days.object,
    history: { historyMs: objects.history_hours * 3_600_000, goneMs: objects.gone_days && Math.max(2, objects.gone_days) * 86_400_000 },
    reattribute: again,
  }
  await withBus(config.bus, context, bus => runEnricher({ bus, ...store, options }, context))
}

/** Answers without a bus, too: what is stored can be asked for. */
async function serve(config: Config, context: ServiceContext): Promise<void> {
  await using clickhouse = openReader(config)
  const options = { ...config.http, objectsWaitMs: config.enrich.objects.wait * 1000 }
  await withBus(config.bus, context, bus => runApi({ bus, clickhouse, options }, context), { atOnce: true })
}

function demo(config: Config, context: ServiceContext): Promise<void> {
  const { log, signal, status } = context
  const { rate, seed, host, port } = config.demo
  return withBus(config.bus, context, async bus => {
    await using running = await runDemo({ bus, dataDir: config.data_dir, rate, seed, listen: { host, port }, log, signal })
    status('demo', { ready: true, detail: { address: running.address, rate } })
    await untilAborted(signal)
  })
}

const runs = { collect, enrich, serve, demo } satisfies Record<string, Run>
export type ServiceName = keyof typeof runs

/** Runs one service in this process until it is told to stop. Below a supervisor, the data directory is not free before it has ended. */
export function run(name: ServiceName, config: Config, { supervised = false } = {}): Promise<never> {
  const { host: healthHost, port: healthPort } = config.health
  return runService(name, { healthHost, healthPort, supervised }, async context => {
    using _share = supervised ? shareDirectory(config.data_dir) : undefined
    await runs[name](config, context)
  })
}
