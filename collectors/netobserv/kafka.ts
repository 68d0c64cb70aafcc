import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConnectionOptions } from 'node:tls'
import type { Assignment, Bus } from '../../runtime/bus/bus.ts'
import { openKafkaBus } from '../../runtime/bus/kafka.ts'
import { ConfigError } from '../../runtime/error.ts'
import { describe } from '../../runtime/log.ts'
import { untilAborted } from '../../runtime/service.ts'
import { type TlsOptions, tlsSchema } from '../address.ts'
import type { Source, SourceContext } from '../source.ts'
import { Intake } from './intake.ts'
import { commonUplinks } from './interfaces.ts'
import { Delivery, recallRows } from './replay.ts'
import { recordProperties } from './source.ts'

const setting = 'collect.netobserv_kafka'
const defaultTopic = 'network-flows'
const defaultGroup = 'weir-netobserv'
const bytesAtOnce = 4 << 20
const retryMs = 5_000
const tellEveryMs = 10_000

export interface NetobservKafkaOptions {
  /** host:port of some of the brokers. */
  brokers: string[]
  topic?: string
  group?: string
  client_id?: string
  session_seconds?: number
  tls?: TlsOptions
  sasl?: { mechanism?: string; user?: string; password?: string }
  cluster?: string
  uplinks?: string[]
}

/** Flows of the eBPF agent of NetObserv, which writes them to Kafka. */
export const netobservKafka: Source<NetobservKafkaOptions> = {
  name: 'netobserv_kafka',
  about: 'Flows of the eBPF agents of NetObserv, out of a topic of Kafka.',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['brokers'],
    properties: {
      brokers: {
        type: 'array',
        minItems: 1,
        items: { type: 'string', pattern: String.raw`^(\[[0-9a-fA-F:.]+\]|[^:/\s@]+):\d+$`, expected: 'host:port' },
        description: 'Some brokers of the Kafka cluster the agents write to, as host:port.',
      },
      topic: { type: 'string', minLength: 1, default: defaultTopic, description: 'Topic the agents write to (KAFKA_TOPIC).' },
      group: { type: 'string', minLength: 1, default: defaultGroup, description: 'Consumer group of all collectors that share the topic.' },
      client_id: { type: 'string', minLength: 1, default: 'weir', description: 'Name of this client in the logs and quotas of Kafka.' },
      session_seconds: {
        type: 'number',
        minimum: 1,
        maximum: 1800,
        default: 10,
        description: 'After so long without a sign of life others have the partitions of a collector.',
      },
      tls: { ...tlsSchema, default: false },
      sasl: {
        type: 'object',
        additionalProperties: false,
        properties: {
          mechanism: {
            enum: ['plain', 'scram-sha-256', 'scram-sha-512'],
            default: 'scram-sha-512',
            description: 'How user and password are shown to the broker.',
          },
          user: { type: 'string', minLength: 1, description: 'User on Kafka; nobody by default.' },
          password: { type: 'string', description: 'Password of the user.' },
        },
        dependentRequired: { user: ['password'], password: ['user'] },
      },
      ...recordProperties,
    },
  },
  run,
}

async function run(options: NetobservKafkaOptions, context: SourceContext): Promise<void> {
  const { topic = defaultTopic, group = defaultGroup, cluster = '', uplinks = commonUplinks } = options
  const { signal } = context
  const intake = new Intake(context, { source: netobservKafka.name, cluster, uplinks })
  const held = new Set<number>()
  await using bus = await openBus(options, context)
  let trouble: string | undefined = 'connecting'
  const tell = () => {
    const reason = trouble ?? bus.trouble()
    const detail = { topic, group, partitions: [...held].toSorted((a, b) => a - b), agents: intake.reporters.length }
    context.status({ ready: reason === undefined, reason, detail })
  }
  tell()
  const timer = setInterval(tell, tellEveryMs)
  await using _subscription = await subscribed(bus, { topic, group }, context, {
    consume: async assignment => {
      held.add(assignment.partition)
      tell()
      await consume(assignment, intake, context).finally(() => held.delete(assignment.partition))
    },
    onTrouble(reason) {
      trouble = reason
      tell()
    },
  })
  await untilAborted(signal)
  clearInterval(timer)
}

async function openBus({ brokers, client_id, session_seconds = 10, tls = false, sasl }: NetobservKafkaOptions, { log }: SourceContext) {
  // Found out now when a file cannot be read, and read anew for each connection.
  if (tls) await tlsOf(tls)
  return openKafkaBus({
    brokers,
    clientId: client_id,
    groupPrefix: '',
    sessionMs: session_seconds * 1000,
    log,
    ...(tls && { tls: () => tlsOf(tls) }),
    ...(sasl?.user !== undefined && {
      sasl: { mechanism: sasl.mechanism ?? 'scram-sha-512', username: sasl.user, password: sasl.password ?? '' },
    }),
  })
}

interface Consumer {
  consume: (assignment: Assignment) => Promise<void>
  onTrouble: (reason: string | undefined) => void
}

/** Tries until the topic is there: the agents may come after us. */
async function subscribed(
  bus: Bus,
  { topic, group }: { topic: string; group: string },
  { signal, log }: SourceContext,
  { consume, onTrouble }: Consumer,
): Promise<AsyncDisposable | undefined> {
  for (let failures = 0; !signal.aborted; failures++)
    try {
      const subscription = await bus.subscribe(topic, group, consume)
      log.info({ topic, group }, 'reading flows of NetObserv from Kafka')
      onTrouble(undefined)
      return subscription
    } catch (error) {
      if (signal.aborted) return undefined
      if (!failures) log.warn({ topic, error }, 'cannot read the topic yet, trying again')
      onTrouble(describe(error))
      await sleep(retryMs, undefined, { signal }).catch(() => {})
    }
  return undefined
}

/** Reads a partition for as long as it is ours. Its position moves when the rows are durable, and what is durable before it is left out. */
async function consume(assignment: Assignment, intake: Intake, { outbox }: SourceContext): Promise<void> {
  const record = intake.recordToReadInto()
  const delivery = new Delivery(assignment.partition, await recallRows(outbox, netobservKafka.name))
  while (!assignment.signal.aborted) {
    const messages = await assignment.read({ maxBytes: bytesAtOnce })
    const last = messages.at(-1)
    if (!last) continue
    for (const message of messages) {
      const { headers, body } = message
      const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
      delivery.begin(message)
      if (headers.unreadable) intake.refuse(headers.unreadable, bytes)
      else await intake.takeOne(bytes, record, delivery)
    }
    await outbox.durable()
    await assignment.commit({ offset: last.offset + 1, metadata: '' })
  }
}

async function tlsOf(tls: Exclude<TlsOptions, false>): Promise<ConnectionOptions> {
  const { ca, cert, key, server_name, insecure } = tls === true ? {} : tls
  const [authorities, certificate, privateKey] = await Promise.all([pem('ca', ca), pem('cert', cert), pem('key', key)])
  return {
    ca: authorities,
    cert: certificate,
    key: privateKey,
    ...(server_name !== undefined && { servername: server_name }),
    rejectUnauthorized: !insecure,
  }
}

const pem = (name: string, file: string | undefined) =>
  file === undefined
    ? undefined
    : readFile(file).catch(error => {
        throw new ConfigError(`${setting}.tls.${name}: expected a PEM file, got ${JSON.stringify(file)}`, { cause: error })
      })
