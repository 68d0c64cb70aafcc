import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus, TopicOptions } from '../runtime/bus/bus.ts'
import { openEmbeddedBus } from '../runtime/bus/embedded.ts'
import type { KafkaBus } from '../runtime/bus/kafka.ts'
import { isRefused, wordsOf } from '../runtime/bus/kafka/error.ts'
import { ConfigError } from '../runtime/error.ts'
import { type Logger, describe } from '../runtime/log.ts'
import type { ServiceContext } from '../runtime/service.ts'
import { nameTopic, namesKeptMs } from '../schema/name.ts'
import { reattributionTopic } from '../schema/reattribution.ts'
import { deadLetterTopic, kinds, topicsOf } from '../schema/record.ts'
import { type KafkaOptions, openKafka } from './kafka.ts'

export interface BusOptions {
  path?: string
  max_age_hours: number
  max_bytes: number
  kafka: KafkaOptions
}

const hourMs = 3_600_000
const deadLetterBytes = 64 << 20
const reattributionBytes = 8 << 20
const nameBytes = 64 << 20
const statusEveryMs = 500
const retryMs = 2_000
const stopWithinMs = 6_000
const migratedWithinMs = 30_000

/** Every topic and how it is kept. */
function* topics(kept: TopicOptions): Generator<[topic: string, options: TopicOptions]> {
  for (const kind of Object.values(kinds))
    for (const topic of topicsOf(kind)) yield [topic, kind.replacing ? { compacted: true, ordered: true } : kept]
  yield [reattributionTopic, { ...kept, maxBytes: reattributionBytes, awaitReaders: false }]
  yield [nameTopic, { maxAgeMs: namesKeptMs, maxBytes: nameBytes, awaitReaders: false }]
  yield [deadLetterTopic, { maxBytes: deadLetterBytes, awaitReaders: false }]
}

const keptOnKafka = ({ retention_hours: hours }: KafkaOptions): TopicOptions => ({ maxAgeMs: hours * hourMs })

/** The bus in a file, with every topic on it. */
async function openFile({ path: file, max_age_hours: hours, max_bytes: maxBytes }: BusOptions, log: Logger): Promise<Bus> {
  const bus = await openEmbedded(file!, log)
  for (const [topic, options] of topics({ maxAgeMs: hours * hourMs, maxBytes })) await bus.ensureTopic(topic, options)
  return bus
}

const errorsOfPlace = new Set(['EACCES', 'EROFS', 'ENOTDIR', 'EEXIST', 'EISDIR', 'EPERM'])
/** Of SQLite: cannot open, read-only, no database. */
const errorsOfFile = new Set([14, 8, 26])

/** Trying again does not help when the file cannot be there, so that is wrong configuration. */
async function openEmbedded(file: string, log: Logger): Promise<Bus> {
  try {
    await mkdir(path.dirname(file), { recursive: true })
    return await openEmbeddedBus({ path: file, log })
  } catch (error) {
    const { code = '', errcode = 0 } = ((error as Error).cause ?? error) as NodeJS.ErrnoException & { errcode?: number }
    if (!errorsOfPlace.has(code) && !errorsOfFile.has(errcode & 0xff)) throw error
    throw new ConfigError(`bus.path (WEIR_BUS_PATH): expected a file for the bus, got ${JSON.stringify(file)}`, { cause: error })
  }
}

/** Makes sure that there can be a bus, before services need it. Missing topics of Kafka are made in the background, as soon as it lets us. */
export async function prepareBus(options: BusOptions, { log, signal }: { log: Logger; signal: AbortSignal }): Promise<void> {
  const { brokers } = options.kafka
  if (!brokers) return (await openFile(options, log))[Symbol.asyncDispose]()
  const prepare = async () => {
    await using bus = openKafka(options.kafka, brokers, log, { create: true })
    await untilPrepared(bus, options.kafka, { log, signal })
  }
  // What is wrong with the configuration the services find as well.
  prepare().catch(error => signal.aborted || log.error({ error: describe(error) }, 'cannot make the topics on Kafka'))
}

/**
 * Runs `use` with the bus of this configuration. One in a file is there at once; Kafka may be away: then `use` waits until it is
 * there, or, with `atOnce`, runs without it for now.
 */
export async function withBus(
  options: BusOptions,
  { log, signal, status }: ServiceContext,
  use: (bus: Bus) => Promise<void>,
  { atOnce = false } = {},
): Promise<void> {
  const { brokers } = options.kafka
  if (!brokers) {
    await using bus = await openFile(options, log)
    return await use(bus)
  }
  await using bus = openKafka(options.kafka, brokers, log)
  let waiting: string | undefined = 'connecting to Kafka'
  const tell = () => {
    const reason = bus.trouble() ?? waiting
    status('bus', { ready: !reason, reason })
  }
  tell()
  const telling = setInterval(tell, statusEveryMs)
  try {
    const prepared = untilPrepared(bus, options.kafka, { log, signal, onWait: reason => (waiting = reason) })
    const told = prepared.then(() => {
      waiting = undefined
      tell()
    })
    // Who is told to stop while Kafka is away does not wait for it.
    signal.addEventListener('abort', () => setTimeout(() => bus[Symbol.asyncDispose](), stopWithinMs).unref(), { once: true })
    if (!atOnce) await told
    await Promise.race([use(bus), told.then(() => new Promise<never>(() => {}))])
  } finally {
    clearInterval(telling)
  }
}

interface Waiting {
  log: Logger
  signal: AbortSignal
  onWait?: (reason: string) => void
}

/** Resolves when every topic is there. Rejects with a ConfigError when Kafka does not want us, or we do not trust it. */
async function untilPrepared(bus: KafkaBus, options: KafkaOptions, { log, signal, onWait = () => {} }: Waiting): Promise<void> {
  for (let attempt = 0; ; attempt++)
    try {
      for (const [topic, settings] of topics(keptOnKafka(options))) await untilAborted(bus.ensureTopic(topic, settings), signal)
      return
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof ConfigError) throw error
      if (isRefused(error)) throw refusedBy(options, error)
      const reason = wordsOf(error)
      if (!attempt) log.warn({ reason }, 'Kafka is not ready for us, trying again')
      onWait(reason)
      await sleep(retryMs, undefined, { signal })
    }
}

const refusedBy = ({ brokers = [], sasl }: KafkaOptions, error: unknown) => {
  const setting = (error as Error).name === 'KafkaJSSASLAuthenticationError' ? `sasl (user ${JSON.stringify(sasl.user)})` : 'tls'
  return new ConfigError(`bus.kafka.${setting}: Kafka at ${brokers.join(', ')} refuses the connection: ${wordsOf(error)}`)
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** Makes missing topics on Kafka; resolves to what was made, for people. What differs is logged and left as it is. */
export async function migrateTopics({ kafka }: BusOptions, log: Logger): Promise<string[]> {
  const { brokers } = kafka
  if (!brokers) return []
  await using bus = openKafka(kafka, brokers, log, { create: true })
  const late = AbortSignal.timeout(migratedWithinMs)
  const made: string[] = []
  try {
    for (const [topic, settings] of topics(keptOnKafka(kafka))) {
      const { made: isNew, differences } = await untilAborted(bus.prepareTopic(topic, settings), late)
      const partitions = settings.ordered ? 1 : kafka.partitions
      if (isNew)
        made.push(`topic ${topic}: ${partitions} ${partitions === 1 ? 'partition' : 'partitions'}, replication ${kafka.replication}`)
      for (const one of differences) log.warn({ ...one }, 'a topic has other settings than configured; it is left as it is')
    }
    return made
  } catch (error) {
    if (isRefused(error)) throw refusedBy(kafka, error)
    if (!late.aborted) throw error
    throw new Error(`cannot reach Kafka at ${brokers.join(', ')}: ${bus.trouble() ?? 'no answer'}`, { cause: error })
  }
}
