import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { openLog } from '../runtime/log.ts'
import { up } from './all-in-one.ts'
import { configCommands } from './commands/config.ts'
import { queryCommands } from './commands/query.ts'
import { truthCommand } from './commands/truth.ts'
import { type Config, readConfig } from './config.ts'
import { migrate } from './migrate.ts'
import { type ServiceName, openStore, run } from './services.ts'

interface GlobalOptions {
  config?: string
  data?: string
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

/** The command line: every command, its options and what it does. */
export const program = new Command('weir')
  .description('Network observability for Kubernetes and service meshes: who talks to whom, how well, and what was denied by which policy.')
  .version(version)
  .option('--config <file>', 'configuration file (WEIR_CONFIG)')
  .option('--data <dir>', 'data directory (WEIR_DATA_DIR)')
  .showHelpAfterError()
  .exitOverride()

/** The configuration: the supervisor's when it started us, else from file, variables and options. */
async function configuration(overrides: Record<string, unknown> = {}): Promise<Config> {
  if (process.env.WEIR_RESOLVED_CONFIG) return JSON.parse(process.env.WEIR_RESOLVED_CONFIG) as Config
  const { config, data } = program.opts<GlobalOptions>()
  return readConfig(config, { data_dir: data, ...overrides })
}

function stopSignal(): AbortSignal {
  const stop = new AbortController()
  process.on('SIGTERM', () => stop.abort())
  process.on('SIGINT', () => (stop.signal.aborted ? process.exit(130) : stop.abort()))
  return stop.signal
}

program
  .command('up')
  .description('run everything here: bus, ClickHouse, collector, enricher, API and web app')
  .option('--demo', 'with the traffic of a made-up cluster')
  .option('--no-demo', 'without it')
  .option('--rate <flows>', 'flows a second of the demo', Number)
  .option('--seed <number>', 'seed of the demo', Number)
  .addOption(new Option('--port <port>', 'port of the web app and API').argParser(Number))
  .action(async ({ demo = false, rate, seed, port }: { demo?: boolean; rate?: number; seed?: number; port?: number }) => {
    const config = await configuration({ 'demo.rate': rate, 'demo.seed': seed, 'http.port': port })
    process.exitCode = await up(config, { demo, log: openLog(), signal: stopSignal() })
    process.exit()
  })

const services: Record<Exclude<ServiceName, 'demo'>, string> = {
  collect: 'run the collector alone',
  enrich: 'run the enricher alone',
  serve: 'run the API and the web app alone',
}
for (const [name, about] of Object.entries(services))
  program
    .command(name)
    .description(about)
    .action(async () => run(name as ServiceName, await configuration()))

const demo = program
  .command('demo')
  .description('run the made-up cluster alone: a Hubble endpoint and its Kubernetes objects')
  .option('--rate <flows>', 'flows a second', Number)
  .option('--seed <number>', 'the same seed makes the same traffic', Number)
  .option('--listen <port>', 'port of the Hubble endpoint', Number)
  .action(async ({ rate, seed, listen }: { rate?: number; seed?: number; listen?: number }) =>
    run('demo', await configuration({ 'demo.rate': rate, 'demo.seed': seed, 'demo.port': listen })),
  )
demo.addCommand(truthCommand(configuration))

program
  .command('migrate')
  .description('create or update the tables in ClickHouse')
  .action(async () => {
    await using clickhouse = openStore(await configuration(), 'writer')
    const changes = await migrate({ clickhouse, log: openLog() })
    console.log(changes.map(({ what }) => what).join('\n') || 'nothing to change')
  })

for (const command of [...queryCommands(), configCommands(configuration)]) program.addCommand(command)
