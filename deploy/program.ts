import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { Command } from 'commander'
import { openLog } from '../runtime/log.ts'
import { stopSignal } from '../runtime/service.ts'
import { up } from './all-in-one.ts'
import { supervisedVariable } from './child.ts'
import { configCommands } from './commands/config.ts'
import { queryCommands } from './commands/query.ts'
import { reattributeCommand } from './commands/reattribute.ts'
import { truthCommand } from './commands/truth.ts'
import { migrateTopics } from './bus.ts'
import { type Config, readConfig } from './config.ts'
import { type ServiceName, run } from './services.ts'
import { migrateStore } from './store.ts'

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

const supervised = process.env[supervisedVariable] !== undefined

/** The configuration: the supervisor's when it started us, else from file, variables and options. */
async function configuration(overrides: Record<string, unknown> = {}): Promise<Config> {
  if (supervised) return JSON.parse(await text(process.stdin)) as Config
  const { config, data } = program.opts<GlobalOptions>()
  return readConfig(config, { data_dir: data, ...overrides })
}

program
  .command('up')
  .description('run everything here: bus, ClickHouse, collector, enricher, API and web app')
  .option('--demo', 'with the traffic of a made-up cluster')
  .option('--no-demo', 'without it')
  .option('--rate <flows>', 'flows a second of the demo')
  .option('--seed <number>', 'seed of the demo')
  .option('--port <port>', 'port of the web app and API')
  .action(async ({ demo = false, rate, seed, port }: { demo?: boolean; rate?: string; seed?: string; port?: string }) => {
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
    .action(async () => run(name as ServiceName, await configuration(), { supervised }))

const demo = program
  .command('demo')
  .description('run the made-up cluster alone: a Hubble endpoint and its Kubernetes objects')
  .option('--rate <flows>', 'flows a second')
  .option('--seed <number>', 'the same seed makes the same traffic')
  .option('--listen <port>', 'port of the Hubble endpoint')
  .action(async ({ rate, seed, listen }: { rate?: string; seed?: string; listen?: string }) =>
    run('demo', await configuration({ 'demo.rate': rate, 'demo.seed': seed, 'demo.port': listen }), { supervised }),
  )
demo.addCommand(truthCommand(configuration))

program
  .command('migrate')
  .description('create or update the tables in ClickHouse and make the topics on Kafka')
  .action(async () => {
    const config = await configuration()
    const log = openLog()
    const changes = await migrateStore(config, log)
    const made = await migrateTopics(config.bus, log)
    console.log([...changes.map(({ what }) => what), ...made].join('\n') || 'nothing to change')
  })

for (const command of [...queryCommands(), reattributeCommand(configuration), configCommands(configuration)])
  program.addCommand(command.copyInheritedSettings(program))
