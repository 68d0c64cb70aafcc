import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openEmbeddedBus } from '../../../runtime/bus/embedded.ts'
import { type ClickHouse, openClickHouse } from '../../../runtime/clickhouse/client.ts'
import { type EmbeddedClickHouse, openEmbeddedClickHouse } from '../../../runtime/clickhouse/embedded.ts'
import { openLog } from '../../../runtime/log.ts'
import { type Brokers, startBrokers } from '../kafka/broker.ts'
import { kinds, topicOf } from '../../../schema/record.ts'
import { connect } from '../kafka/bus.ts'
import { type TestWeir, startWeir } from '../weir.ts'
import { type Link, openLink } from './link.ts'

/** Everything, in processes of its own and under load: weir, what stores, what carries, and the lines between. */
export interface World extends AsyncDisposable {
  weir: TestWeir
  /** Flows a second. */
  rate: number
  /** The server that stores; started again when it is killed. */
  server: EmbeddedClickHouse
  /** Between weir and that server. */
  link: Link
  /** That server, not by the link. */
  clickhouse: ClickHouse
  kafka: Brokers
  bus: Bus
  /** Flows of the demo from this time on are in the account; milliseconds. */
  from: number
  /** An enricher beside the one of `weir up`. */
  startEnricher(): ChildProcess
}

export interface WorldOptions {
  /** None: the bus is a file. */
  brokers?: number
  rate: number
  /** What the configuration file says of the bus and of enriching. */
  bus?: Record<string, unknown>
  enrich?: Record<string, unknown>
  /** Where ClickHouse stores. */
  storeDir?: string
}

const silent = openLog({ write: () => {} })
const cli = path.resolve('deploy/cli.ts')
/** After so long an enricher that says nothing is out of its group. */
export const sessionSeconds = 3

export async function startWorld({ brokers = 0, rate, bus = {}, enrich = {}, storeDir }: WorldOptions): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-faults-'))
  stack.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }))
  const [kafka, server] = await Promise.all([
    brokers ? startBrokers({ nodes: brokers }) : noBrokers,
    openEmbeddedClickHouse({ dataDir: storeDir ?? path.join(directory, 'clickhouse'), log: silent, readable: 'weir.*' }),
  ])
  stack.use(kafka)
  stack.use(server)
  const link = stack.use(await openLink(server.httpPort))
  const clickhouse = stack.use(openClickHouse({ url: server.url }))

  const addresses = kafka.addresses
  const overLink = (url: string) => url.replace(`:${server.httpPort}`, `:${link.port}`)
  const file = path.join(directory, 'bus.sqlite')
  const carried = brokers
    ? { kafka: { brokers: addresses, replication: brokers, partitions: 3, session_seconds: sessionSeconds } }
    : { path: file, ...bus }
  const stored = { url: overLink(server.url), reader_url: overLink(server.readerUrl) }
  const config = path.join(directory, 'weir.yaml')
  // YAML can be JSON.
  await writeFile(config, JSON.stringify({ bus: carried, clickhouse: stored, enrich }))
  const env = { WEIR_CONFIG: config, WEIR_DEMO_HISTORY: '60' }
  const weir = stack.use(await startWeir(['--demo', '--rate', String(rate)], env))
  await weir.following()

  const own = brokers
    ? await connect(addresses.join(), { create: undefined })
    : await openEmbeddedBus({ path: (carried as { path: string }).path, log: silent })
  stack.use(own)
  // A bus on Kafka tells how far readers are behind on the topics it was told of.
  if (brokers) for (const kind of Object.values(kinds)) await own.ensureTopic(topicOf(kind))

  function startEnricher(): ChildProcess {
    const args = ['--data', path.join(directory, 'second'), 'enrich']
    const child = spawn(process.execPath, [cli, ...args], { env: { ...process.env, ...env }, stdio: 'ignore' })
    held.defer(() => endEnricher(child, 'SIGKILL'))
    return child
  }

  const held = stack.move()
  return {
    weir,
    rate,
    server,
    link,
    clickhouse,
    kafka,
    bus: own,
    from: Math.ceil(Date.now() / 1000) * 1000,
    startEnricher,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

const noBrokers: Brokers = { addresses: [], nodes: [], async [Symbol.asyncDispose]() {} }

export async function endEnricher(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode) return
  const ended = once(child, 'exit')
  child.kill(signal)
  child.kill('SIGCONT')
  await ended
}

/** Whether these scenarios take as long as they do in `npm run test:faults`. */
export const full = process.env.WEIR_FAULTS === 'full'

/** Milliseconds that something lasts: a few seconds in every run of the tests, as long as it should in the full one. */
export const lasting = (shortSeconds: number, fullSeconds: number) => (full ? fullSeconds : shortSeconds) * 1000

/** Says how long what it begins took. */
export async function step<T>(t: ExecutionContext, what: string, work: () => Promise<T>): Promise<T> {
  const start = Date.now()
  const result = await work()
  t.log(`${what}: ${((Date.now() - start) / 1000).toFixed(1)} s`)
  return result
}
