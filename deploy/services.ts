import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { runDemo } from '../collectors/demo/index.ts'
import { runCollector } from '../collectors/main.ts'
import { runEnricher } from '../enricher/main.ts'
import { runApi } from '../query-api/main.ts'
import type { Bus } from '../runtime/bus/bus.ts'
import { openEmbeddedBus } from '../runtime/bus/embedded.ts'
import { type ClickHouse, openClickHouse } from '../runtime/clickhouse/client.ts'
import { ConfigError } from '../runtime/error.ts'
import type { Logger } from '../runtime/log.ts'
import { type ServiceContext, runService, untilAborted } from '../runtime/service.ts'
import { shareDirectory } from '../runtime/clickhouse/lock.ts'
import { deadLetterTopic, kinds, topicOf } from '../schema/record.ts'
import type { Config } from './config.ts'

const hourMs = 3_600_000
const deadLetterBytes = 64 << 20

/** The bus of this configuration with every topic on it. */
export async function openBus({ bus: options }: Config, log: Logger): Promise<Bus> {
  const bus = await openFile(options.path!, log)
  const read = { maxAgeMs: options.max_age_hours * hourMs, maxBytes: options.max_bytes }
  for (const kind of Object.values(kinds)) await bus.ensureTopic(topicOf(kind), kind.replacing ? { compacted: true } : read)
  await bus.ensureTopic(deadLetterTopic, { maxBytes: deadLetterBytes, awaitReaders: false })
  return bus
}

const errorsOfPlace = new Set(['EACCES', 'EROFS', 'ENOTDIR', 'EEXIST', 'EISDIR', 'EPERM'])
/** Of SQLite: cannot open, read-only, no database. */
const errorsOfFile = new Set([14, 8, 26])

/** Trying again does not help when the file cannot be there, so that is wrong configuration. */
async function openFile(file: string, log: Logger): Promise<Bus> {
  try {
    await mkdir(path.dirname(file), { recursive: true })
    return await openEmbeddedBus({ path: file, log })
  } catch (error) {
    const { code = '', errcode = 0 } = ((error as Error).cause ?? error) as NodeJS.ErrnoException & { errcode?: number }
    if (!errorsOfPlace.has(code) && !errorsOfFile.has(errcode & 0xff)) throw error
    throw new ConfigError(`bus.path (WEIR_BUS_PATH): expected a file for the bus, got ${JSON.stringify(file)}`, { cause: error })
  }
}

/** The ClickHouse of this configuration, as the user who writes or the one who only reads. */
export function openStore({ clickhouse: { url, reader_url, database } }: Config, as: 'writer' | 'reader'): ClickHouse {
  const chosen = as === 'reader' ? (reader_url ?? url) : url
  if (!chosen)
    throw new ConfigError('clickhouse.url (WEIR_CLICKHOUSE_URL): expected the URL of a ClickHouse server; only weir up brings its own')
  return openClickHouse({ url: chosen, database })
}

type Run = (config: Config, context: ServiceContext) => Promise<void>

async function collect(config: Config, context: ServiceContext): Promise<void> {
  await using bus = await openBus(config, context.log)
  await runCollector({ bus, options: config.collect }, context)
}

async function enrich(config: Config, context: ServiceContext): Promise<void> {
  await using bus = await openBus(config, context.log)
  await using clickhouse = openStore(config, 'writer')
  const { networks, batch } = config.enrich
  const limits = { maxRows: batch.max_rows, maxParts: batch.max_parts, maxWaitMs: batch.max_wait_ms }
  await runEnricher({ bus, clickhouse, options: { networks, batch: limits, maxBytes: config.clickhouse.max_bytes } }, context)
}

async function serve(config: Config, context: ServiceContext): Promise<void> {
  await using bus = await openBus(config, context.log)
  await using clickhouse = openStore(config, 'reader')
  await runApi({ bus, clickhouse, options: config.http }, context)
}

async function demo(config: Config, { log, signal, status }: ServiceContext): Promise<void> {
  await using bus = await openBus(config, log)
  const { rate, seed, host, port } = config.demo
  await using running = await runDemo({ bus, dataDir: config.data_dir, rate, seed, listen: { host, port }, log, signal })
  status('demo', { ready: true, detail: { address: running.address, rate } })
  await untilAborted(signal)
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
