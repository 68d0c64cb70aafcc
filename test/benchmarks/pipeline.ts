// The whole road under load: a Hubble that sends pre-encoded flows, weir collect, a real Kafka, weir enrich, ClickHouse with rollups.
// node test/benchmarks/pipeline.ts [--seconds 60] [--rate 0] [--pods 2000[,20000…]] [--outside 1000] [--churn 2] [--partitions 2]
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openObjectLog } from '../../collectors/objects.ts'
import { openKafkaBus } from '../../runtime/bus/kafka.ts'
import { type ClickHouse, openClickHouse } from '../../runtime/clickhouse/client.ts'
import { openEmbeddedClickHouse } from '../../runtime/clickhouse/embedded.ts'
import { openLog } from '../../runtime/log.ts'
import { kinds, topicOf } from '../../schema/record.ts'
import { startBrokers, whyNoKafka } from '../helpers/kafka/broker.ts'
import { until } from '../helpers/wait.ts'
import { freePort, runCli } from '../helpers/weir.ts'
import type { LoadMessage, LoadOptions } from './pipeline/load.ts'
import { mostOutside } from './pipeline/templates.ts'
import { type Usage, machine, usageOf } from './pipeline/usage.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '0' },
    pods: { type: 'string', default: '2000' },
    outside: { type: 'string', default: '1000' },
    churn: { type: 'string', default: '2' },
    partitions: { type: 'string', default: '2' },
  },
})
const log = openLog({ level: 'warn' })
const cli = path.resolve('deploy/weir.js')
const stages = ['load', 'collect', 'kafka', 'enrich', 'clickhouse'] as const
type Stage = (typeof stages)[number]

async function measure(options: LoadOptions): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-pipeline-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  const kafka = stack.use(await startBrokers({ java: ['-Xmx1g', '-XX:+UseSerialGC'] }))
  const server = stack.use(await openEmbeddedClickHouse({ dataDir: path.join(directory, 'clickhouse'), log }))
  const clickhouse = stack.use(openClickHouse({ url: server.url }))
  const env = {
    ...process.env,
    WEIR_DATA_DIR: directory,
    WEIR_CLICKHOUSE_URL: server.url,
    WEIR_KAFKA_BROKERS: kafka.addresses.join(),
    WEIR_KAFKA_PARTITIONS: values.partitions,
    WEIR_KAFKA_REPLICATION: '1',
    WEIR_LOG_LEVEL: 'warn',
  }
  const migrated = await runCli(['migrate'], env)
  if (migrated.code !== 0) throw new Error(migrated.stderr)

  const load = fork(new URL('pipeline/load.ts', import.meta.url), [JSON.stringify(options)])
  stack.defer(() => void load.kill())
  const [{ address, objects }] = (await once(load, 'message')) as [Extract<LoadMessage, { address: string }>]
  const bus = stack.use(openKafkaBus({ brokers: kafka.addresses, log }))
  await bus.ensureTopic(topicOf(kinds.flow))
  const { publish } = openObjectLog({ bus, collector: 'benchmark', log, signal: new AbortController().signal })
  await publish(objects)

  const healthPort = await freePort()
  const enrich = service('enrich', { ...env, WEIR_HEALTH_PORT: String(healthPort) })
  stack.defer(() => stop(enrich))
  await until('the enricher', async () => (await fetch(`http://127.0.0.1:${healthPort}/readyz`).catch(() => undefined))?.ok, {
    timeoutMs: 120_000,
  })
  // Storing all objects once is no part of what a flow costs.
  await until('the objects', async () => (await stored(clickhouse, 'object')) >= objects.length, { timeoutMs: 300_000 })
  const collect = service('collect', { ...env, WEIR_HUBBLE_ADDRESS: address })
  stack.defer(() => stop(collect))

  const progress = { sent: 0, done: false }
  load.on('message', (message: LoadMessage) => {
    if (!('sent' in message)) return
    progress.sent = message.sent
    progress.done = message.done
    publish(message.objects).catch(error => log.error({ error }, 'cannot publish objects'))
  })
  const pids: Record<Stage, number> = {
    load: load.pid!,
    collect: collect.pid!,
    kafka: kafka.nodes[0].pid!,
    enrich: enrich.pid!,
    clickhouse: server.pid!,
  }
  const usages = () => Object.fromEntries(stages.map(stage => [stage, usageOf(pids[stage])])) as Record<Stage, Usage>
  await until('the first flows', () => progress.sent > 0)
  const first = { at: performance.now(), usage: usages() }
  const peak = usages()
  for (let at = 10; !progress.done; at += 10) {
    await sleep(10_000)
    const now = usages()
    for (const stage of stages) peak[stage] = { ...now[stage], rss: Math.max(peak[stage].rss, now[stage].rss) }
    const [rows, lag] = await Promise.all([stored(clickhouse, 'flow'), bus.lag()])
    const behind = lag.filter(({ topic }) => topic === topicOf(kinds.flow)).reduce((sum, { messages }) => sum + messages, 0)
    const memory = stages.map(stage => `${stage} ${now[stage].rss}`).join(', ')
    console.log(`${at} s: ${progress.sent} sent, ${rows} stored, ${behind} messages behind; MB: ${memory}`)
  }
  await until('all flows', async () => (await stored(clickhouse, 'flow')) >= progress.sent, { timeoutMs: 600_000, everyMs: 100 })
  const seconds = (performance.now() - first.at) / 1000
  const last = usages()
  const bytesOnBus = await metric(healthPort, `weir_bus_bytes_delivered_total{topic="${topicOf(kinds.flow)}"`)
  await report({ options, clickhouse, bytesOnBus, sent: progress.sent, seconds, first: first.usage, last, peak })
}

const service = (name: string, env: NodeJS.ProcessEnv) =>
  spawn(process.execPath, [cli, name], { env, stdio: ['ignore', 'inherit', 'inherit'] })

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

const stored = async (clickhouse: ClickHouse, table: string) =>
  (await clickhouse.query<{ n: number }>(`SELECT count() AS n FROM ${table}`)).rows[0].n

/** A number a service shows, by the beginning of its line. */
async function metric(port: number, line: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const found = text.split('\n').find(each => each.startsWith(line))
  return Number(found?.split(' ').at(-1))
}

interface Report {
  options: LoadOptions
  clickhouse: ClickHouse
  bytesOnBus: number
  sent: number
  seconds: number
  first: Record<Stage, Usage>
  last: Record<Stage, Usage>
  peak: Record<Stage, Usage>
}

async function report({ options, clickhouse, bytesOnBus, sent, seconds, first, last, peak }: Report): Promise<void> {
  const rows = await stored(clickhouse, 'flow')
  console.log(
    `\n${JSON.stringify(options)}: ${sent} flows sent, ${rows} stored, ${Math.round(rows / seconds).toLocaleString('en')} rows/s for ${seconds.toFixed(0)} s`,
  )
  const cpuOf = (stage: Stage) => last[stage].cpu - first[stage].cpu
  console.table(
    stages.map(stage => ({
      stage,
      cores: Number((cpuOf(stage) / seconds).toFixed(2)),
      'ns a flow': Math.round((cpuOf(stage) / sent) * 1e9),
      'peak MB': peak[stage].rss,
    })),
  )
  await clickhouse.command('OPTIMIZE TABLE flow FINAL')
  const { rows: sizes } = await clickhouse.query<{ table: string; rows: number; bytes: number }>(
    `SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts
WHERE active AND database = currentDatabase() GROUP BY table ORDER BY table`,
  )
  console.log(`on Kafka: ${(bytesOnBus / sent).toFixed(1)} B a flow`)
  for (const { table, rows, bytes } of sizes) console.log(`${table}: ${rows} rows, ${(bytes / rows).toFixed(1)} B a row, merged`)
}

if (Number(values.outside) > mostOutside) throw new Error(`--outside: at most ${mostOutside} addresses, got ${values.outside}`)
const missing = await whyNoKafka()
if (missing) throw new Error(missing)
console.log(machine())
for (const pods of values.pods.split(',').map(Number)) {
  const { seconds, rate, outside, churn } = values
  await measure({ pods, seconds: Number(seconds), rate: Number(rate), outside: Number(outside), churn: Number(churn) })
}
