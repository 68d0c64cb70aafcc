// From Kafka to ClickHouse: the same flows, once as blocks through weir enrich, once as OTLP logs through an OpenTelemetry Collector.
// Each of the two has everything to itself: a broker, a ClickHouse, both cores.
// node test/benchmarks/gateway.ts [--rows 2000000] [--pods 2000] [--peer path/to/otelcol]
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openObjectLog } from '../../collectors/objects.ts'
import { rowsPerBlock } from '../../runtime/block/builder.ts'
import { blockMessage } from '../../runtime/block/message.ts'
import { type KafkaBus, openKafkaBus } from '../../runtime/bus/kafka.ts'
import { type ClickHouse, openClickHouse } from '../../runtime/clickhouse/client.ts'
import { openEmbeddedClickHouse } from '../../runtime/clickhouse/embedded.ts'
import { openLog } from '../../runtime/log.ts'
import { kinds, topicOf } from '../../schema/record.ts'
import { startBrokers } from '../helpers/kafka/broker.ts'
import { flowBlock, podVersions } from '../helpers/traffic.ts'
import { until } from '../helpers/wait.ts'
import { runCli } from '../helpers/weir.ts'
import { logsOf } from './gateway/otlp.ts'
import { machine, usageOf } from './pipeline/usage.ts'

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '2000000' }, pods: { type: 'string', default: '2000' }, peer: { type: 'string' } },
})
const [rows, pods] = [Number(values.rows), Number(values.pods)]
const blocks = Math.ceil(rows / rowsPerBlock)
/** Different blocks; they come again and again. */
const distinct = 10
const log = openLog({ level: 'warn' })
const silent = openLog({ write: () => {} })
const blockOf = (number: number) =>
  flowBlock({ pods, rows: rowsPerBlock, claims: true, time: Date.now() * 1000 - 600e6 + (number % distinct) * rowsPerBlock * 30 })

interface World {
  directory: string
  brokers: readonly string[]
  bus: KafkaBus
  clickhouse: ClickHouse
  url: string
}

interface Gateway {
  /** What the flows are stored in. */
  table: string
  /** Resolves to the bytes on Kafka. */
  fill(world: World): Promise<number>
  start(world: World): Promise<ChildProcess>
}

const weir: Gateway = {
  table: 'weir.flow',
  async fill({ brokers, url, directory, bus }) {
    const env = { WEIR_KAFKA_BROKERS: brokers.join(), WEIR_KAFKA_REPLICATION: '1', WEIR_KAFKA_PARTITIONS: '1', WEIR_CLICKHOUSE_URL: url }
    const migrated = await runCli(['--data', directory, 'migrate'], env)
    if (migrated.code !== 0) throw new Error(migrated.stderr)
    await openObjectLog({ bus, collector: 'benchmark', log, signal: new AbortController().signal }).publish(podVersions(pods))
    let bytes = 0
    for (let number = 0; number < blocks; number++) {
      const message = await blockMessage(blockOf(number), { collector: 'bench', run: 0, sequence: number })
      bytes += message.body.length
      await bus.publish(topicOf(kinds.flow), [message])
    }
    return bytes
  },
  start: async ({ directory, brokers, url }) =>
    spawn(process.execPath, [path.resolve('deploy/weir.js'), '--data', directory, 'enrich'], {
      env: { ...process.env, WEIR_KAFKA_BROKERS: brokers.join(), WEIR_CLICKHOUSE_URL: url, WEIR_LOG_LEVEL: 'warn' },
      stdio: ['ignore', 'inherit', 'inherit'],
    }),
}

const peer: Gateway = {
  table: 'otel.otel_logs',
  async fill({ bus, clickhouse }) {
    await clickhouse.command('CREATE DATABASE otel')
    await bus.ensureTopic('otlp_logs')
    const messages = Array.from({ length: distinct }, (_, number) => logsOf(blockOf(number))).flat()
    let bytes = 0
    for (let number = 0; number < (blocks * messages.length) / distinct; number++) {
      const body = messages[number % messages.length]
      bytes += body.length
      await bus.publish('otlp_logs', [{ headers: {}, body }])
    }
    return bytes
  },
  async start({ directory, brokers, url }) {
    const { origin, username, password } = new URL(url)
    const config = {
      receivers: { kafka: { brokers, group_id: 'peer', initial_offset: 'earliest', logs: { topic: 'otlp_logs', encoding: 'otlp_proto' } } },
      processors: { batch: { send_batch_size: 100_000, timeout: '1s' } },
      exporters: {
        clickhouse: { endpoint: origin, username, password, database: 'otel', create_schema: true, async_insert: false, compress: 'lz4' },
      },
      service: {
        telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } },
        pipelines: { logs: { receivers: ['kafka'], processors: ['batch'], exporters: ['clickhouse'] } },
      },
    }
    const file = path.join(directory, 'otelcol.yaml')
    // YAML can be JSON.
    await writeFile(file, JSON.stringify(config))
    return spawn(values.peer!, ['--config', file], { stdio: ['ignore', 'inherit', 'inherit'] })
  },
}

async function measure(name: string, { table, fill, start }: Gateway): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-gateway-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  const kafka = stack.use(await startBrokers({ java: ['-Xmx1g', '-XX:+UseSerialGC'] }))
  const server = stack.use(await openEmbeddedClickHouse({ dataDir: path.join(directory, 'clickhouse'), log: silent }))
  const clickhouse = stack.use(openClickHouse({ url: server.url, database: 'default' }))
  const create = { partitions: 1, replication: 1, maxMessageBytes: 16 << 20 }
  const bus = stack.use(openKafkaBus({ brokers: kafka.addresses, log, create }))
  const world = { directory, brokers: kafka.addresses, bus, clickhouse, url: server.url }
  const bytes = await fill(world)

  const stored = async () =>
    (await clickhouse.query<{ n: number }>(`SELECT count() AS n FROM ${table}`).catch(() => ({ rows: [{ n: 0 }] }))).rows[0].n
  const before = usageOf(server.pid!)
  const began = performance.now()
  const child = await start(world)
  stack.defer(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && !child.signalCode) await once(child, 'exit')
  })
  let first = 0
  await until(
    'all rows',
    async () => {
      const count = await stored()
      if (count && !first) first = performance.now()
      return count >= blocks * rowsPerBlock
    },
    { timeoutMs: 1_800_000, everyMs: 200 },
  )
  const seconds = (performance.now() - began) / 1000
  const gateway = usageOf(child.pid!)
  const perRow = (cpu: number) => `${((cpu * 1e6) / (blocks * rowsPerBlock)).toFixed(2)} µs`
  console.log(
    `${name}: ${Math.round((blocks * rowsPerBlock) / seconds).toLocaleString('en')} rows/s for ${seconds.toFixed(1)} s; CPU a row: gateway ${perRow(gateway.cpu)}, ` +
      `ClickHouse ${perRow(usageOf(server.pid!).cpu - before.cpu)}; gateway ${gateway.rss} MB; ${(bytes / blocks / rowsPerBlock).toFixed(1)} B a row on Kafka`,
  )
  await clickhouse.command(`OPTIMIZE TABLE ${table} FINAL`)
  const { rows: sizes } = await clickhouse.query<{ bytes: number; rows: number }>(
    'SELECT sum(bytes_on_disk) AS bytes, sum(rows) AS rows FROM system.parts WHERE active AND concat(database, {dot:String}, table) = {table:String}',
    { params: { table, dot: '.' } },
  )
  console.log(`  ${(sizes[0].bytes / sizes[0].rows).toFixed(1)} B a row on disk, merged`)
}

console.log(machine())
await measure('weir enrich, with attribution and rollups', weir)
if (values.peer) await measure('OpenTelemetry Collector, neither', peer)
