import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const version = '4.3.1'
const jars = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'weir', `kafka-${version}`)
const clusterId = 'd2VpciB0ZXN0cyBrYWZrYQ'

/** Why no broker can be started here; nothing when one can. Fetches Kafka from Maven Central the first time. */
export async function whyNoKafka(): Promise<string | undefined> {
  try {
    const { stderr } = await run('java', ['-version'])
    const java = Number(/version "(\d+)/.exec(stderr)?.[1])
    if (!(java >= 17)) throw new Error(`this is Java ${java}`)
    if (!existsSync(jars)) await fetchJars()
    return undefined
  } catch (error) {
    return `Kafka needs Java 17 and, the first time, Maven: ${(error as Error).message.split('\n')[0]}`
  }
}

async function fetchJars() {
  const part = `${jars}.${process.pid}`
  await mkdir(path.dirname(jars), { recursive: true })
  const pom = new URL('pom.xml', import.meta.url).pathname
  await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${part}`])
  // Another process may have been faster.
  await rename(part, jars).catch(() => rm(part, { recursive: true, force: true }))
}

export interface BrokerOptions {
  /** Properties of the broker, over those of a small one for tests. `$port` and `$controller` are where it listens. */
  properties?: Readonly<Record<string, string>>
  /** More arguments of the first formatting, such as users. */
  format?: readonly string[]
  /** Options of Java; those of a small one that starts fast by default. */
  java?: readonly string[]
  nodes?: number
}

export interface Broker {
  address: string
  /** While it runs. */
  readonly pid: number | undefined
  stop(): Promise<void>
  kill(): Promise<void>
  /** Resolves when it serves again. */
  start(): Promise<void>
}

export interface Brokers extends AsyncDisposable {
  addresses: string[]
  nodes: Broker[]
}

const started = new Set<ChildProcess>()
process.on('exit', () => started.forEach(child => child.kill('SIGKILL')))

/** Real brokers in directories of their own, on free ports, each also a controller. */
export async function startBrokers({
  properties = {},
  format = [],
  java = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
  nodes = 1,
}: BrokerOptions = {}): Promise<Brokers> {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-kafka-'))
  const ports = await freePorts(nodes * 2)
  const voters = Array.from({ length: nodes }, (_, node) => `${node + 1}@127.0.0.1:${ports[nodes + node]}`).join()
  const brokers = await Promise.all(
    Array.from({ length: nodes }, (_, node) =>
      makeBroker({
        directory: path.join(directory, String(node + 1)),
        port: ports[node],
        controllerPort: ports[nodes + node],
        properties: { ...small(node + 1, ports[node], ports[nodes + node], voters, nodes), ...properties },
        format,
        java,
      }),
    ),
  )
  await Promise.all(brokers.map(broker => broker.start()))
  return {
    addresses: brokers.map(({ address }) => address),
    nodes: brokers,
    async [Symbol.asyncDispose]() {
      await Promise.all(brokers.map(broker => broker.kill()))
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const small = (id: number, port: number, controllerPort: number, voters: string, nodes: number): Record<string, string> => ({
  'process.roles': 'broker,controller',
  'node.id': String(id),
  'controller.quorum.voters': voters,
  'controller.listener.names': 'CONTROLLER',
  listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
  'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
  'auto.create.topics.enable': 'false',
  'offsets.topic.replication.factor': String(nodes),
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': String(nodes),
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.replication.factor': String(nodes),
  'share.coordinator.state.topic.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  'log.cleaner.dedupe.buffer.size': '8388608',
  // One that was killed may come back under its number only when its old session is over.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
})

interface BrokerParts {
  directory: string
  port: number
  controllerPort: number
  properties: Record<string, string>
  format: readonly string[]
  java: readonly string[]
}

async function makeBroker({ directory, port, controllerPort, properties, format, java: options }: BrokerParts): Promise<Broker> {
  await mkdir(directory, { recursive: true })
  const file = path.join(directory, 'server.properties')
  const all = { ...properties, 'log.dirs': path.join(directory, 'log') }
  const lines = Object.entries(all).map(
    ([name, value]) => `${name}=${value.replaceAll('$port', String(port)).replaceAll('$controller', String(controllerPort))}`,
  )
  await writeFile(file, lines.join('\n'))
  const java = [...options, '-cp', `${jars}/*`]
  const logging = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=error', '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info']
  await run('java', [...java, ...logging, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', file, ...format])
  let child: ChildProcess | undefined

  async function end(signal: NodeJS.Signals) {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const closed = once(child, 'exit')
    child.kill(signal)
    await closed
    started.delete(child)
  }

  return {
    address: `127.0.0.1:${port}`,
    get pid() {
      return child?.pid
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async start() {
      child = spawn('java', [...java, ...logging, 'kafka.Kafka', file], { stdio: ['ignore', 'ignore', 'pipe'] })
      started.add(child)
      // However this process ends, the broker ends with it.
      spawn('sh', ['-c', `read _; kill -9 ${child.pid} 2>/dev/null`], { stdio: ['pipe', 'ignore', 'ignore'] }).unref()
      await untilServing(child)
    },
  }
}

/** It says so once, when clients may come. */
async function untilServing(child: ChildProcess): Promise<void> {
  let said = ''
  for await (const text of child.stderr!.setEncoding('utf8').iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    said += text
    if (!said.includes('Kafka Server started')) continue
    child.stderr!.resume()
    return
  }
  throw new Error(`a Kafka broker ended before it served: ${said.slice(-2_000)}`)
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
