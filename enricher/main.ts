import type { Block } from '../runtime/block/block.ts'
import { openBlock } from '../runtime/block/message.ts'
import type { Assignment, Bus, Delivered } from '../runtime/bus/bus.ts'
import type { ClickHouse, Inserter } from '../runtime/clickhouse/client.ts'
import { withSiblings } from '../runtime/clickhouse/failover.ts'
import { type Logger, describe } from '../runtime/log.ts'
import type { ServiceContext } from '../runtime/service.ts'
import { type Instruments, component, meter } from '../runtime/telemetry.ts'
import { type RecordKind, deadLetterTopic, kinds, topicsOf } from '../schema/record.ts'
import type { BatchLimits } from './batch.ts'
import { followSpanEdges } from './edges/edges.ts'
import { enrich } from './pipeline.ts'
import { keepWithin } from './sink/budget.ts'
import { clickhouseSink } from './sink/clickhouse.ts'
import type { Step } from './step.ts'
import { identity } from './steps/identity.ts'
import { kubernetes } from './steps/kubernetes.ts'
import { type Networks, network } from './steps/network.ts'
import { orientation } from './steps/orientation.ts'
import { vantage } from './steps/vantage.ts'
import { type IdentityOptions, IdentityTable } from './tables/identities.ts'
import { ObjectTable } from './tables/objects.ts'

export interface EnrichOptions {
  networks?: Networks
  identity?: IdentityOptions
  batch?: BatchLimits
  /** Bytes all tables of a server together may take; no limit when absent. */
  maxBytes?: number
}

interface Enricher {
  bus: Bus
  clickhouse: Inserter
  /** Every server that keeps rows: for its budget, and to make the edges of spans. */
  servers?: readonly ClickHouse[]
  options: EnrichOptions
}

const group = 'enricher'

/** Joins every kind of record with what was true at its time and stores it, until the signal is aborted. */
export async function runEnricher(
  { bus, clickhouse, servers = [], options }: Enricher,
  { log, signal, status }: ServiceContext,
): Promise<void> {
  const instruments = component('enricher', group)
  const objects = new ObjectTable()
  const identities = new IdentityTable(options.identity, (name, reason) =>
    log.warn({ name, reason }, 'cannot use what it says of identities'),
  )
  status('objects', { ready: false, reason: 'loading' })
  const { followed } = await loadObjects(bus, [objects, identities], signal, log)
  status('objects', { ready: true })
  observeObjects(objects)
  observeIdentities(identities)
  observeLag(bus)

  const steps = [orientation(objects), kubernetes(objects), identity(identities, objects), network(options.networks), vantage(objects)]
  const sink = clickhouseSink({
    clickhouse,
    log,
    instruments,
    signal,
    onBlocked: reason => status('store', { ready: !reason, reason }),
    refused: (kind, block, error) => toDeadLetters(bus, { stage: 'store', kind: kind.name, reason: describe(error) }, block.bytes),
  })
  const consume = (kind: RecordKind, steps: Step[]) => async (assignment: Assignment) =>
    enrich(assignment, {
      kind,
      steps,
      sink,
      limits: options.batch,
      // Versions of one record replace each other only where they meet.
      shards: kind.replacing ? 1 : clickhouse.shards,
      unreadable: (message, error) => unreadable({ bus, log, instruments }, assignment, message, error),
      repeated: ({ headers }) => instruments.discarded(Number(headers.rows) || 1, 'repeated', { kind: kind.name }),
    })
  if (options.maxBytes)
    for (const server of servers) void keepWithin({ clickhouse: server, maxBytes: options.maxBytes, log, instruments }, signal)
  if (servers.length) void followSpanEdges({ reader: withSiblings(servers), inserter: clickhouse, bus, group, log }, signal)
  await using stack = new AsyncDisposableStack()
  for (const kind of Object.values(kinds)) {
    const enriched = 'src_address' in kind.fields
    for (const topic of topicsOf(kind)) stack.use(await bus.subscribe(topic, group, consume(kind, enriched ? steps : [])))
  }
  await followed
}

/** Shows in the metrics how many versions of objects the tables hold. */
export function observeObjects(objects: ObjectTable): void {
  meter()
    .createObservableGauge('weir.enricher.objects', { description: 'Versions of objects in the tables.', unit: '{object}' })
    .addCallback(result => result.observe(objects.versions))
}

/** Shows in the metrics how far the readers of each topic are behind. */
export function observeLag(bus: Pick<Bus, 'lag'>): void {
  const gauge = (name: string, description: string, unit: string) =>
    meter().createObservableGauge(`weir.bus.lag.${name}`, { description, unit })
  const gauges = [
    gauge('messages', 'Messages a group has not read.', '{message}'),
    gauge('bytes', 'Bytes of them.', 'By'),
    gauge('age', 'Age of the oldest.', 'ms'),
  ]
  meter().addBatchObservableCallback(async result => {
    for (const { topic, group, messages, bytes, ageMs } of await bus.lag())
      for (const [at, value] of [messages, bytes, ageMs].entries()) result.observe(gauges[at], value, { topic, group })
  }, gauges)
}

/** Shows in the metrics how many objects say what is not understood of identities. */
export function observeIdentities(identities: IdentityTable): void {
  meter()
    .createObservableGauge('weir.enricher.identities.unsupported', {
      description: 'Objects that say what is not understood of identities: templates, for the most part.',
      unit: '{object}',
    })
    .addCallback(result => result.observe(identities.unsupported))
}

/** Reads all objects, then goes on in the background; `followed` settles when that ends. */
async function loadObjects(bus: Bus, tables: readonly Table[], signal: AbortSignal, log: Logger): Promise<{ followed: Promise<void> }> {
  const reading = topicsOf(kinds.object).map(topic => followObjects(bus, topic, signal, message => addObjects(tables, message, log)))
  const followed = Promise.all(reading.map(({ followed }) => followed)).then(() => {})
  // Whoever starts waiting for it later is told then.
  followed.catch(() => {})
  await Promise.all(reading.map(({ loaded }) => loaded))
  signal.throwIfAborted()
  return { followed }
}

/** `loaded` settles when all that was there has been taken, `followed` when following ends. */
function followObjects(bus: Bus, topic: string, signal: AbortSignal, take: (message: Delivered) => void) {
  const loaded = Promise.withResolvers<void>()
  const follow = async () => {
    for await (const { messages, caughtUp } of bus.follow(topic, signal)) {
      for (const message of messages) take(message)
      if (caughtUp) loaded.resolve()
    }
  }
  const followed = follow()
  // Following ends without an error when it is told to, also before all is read.
  followed.then(loaded.resolve, loaded.reject)
  return { loaded: loaded.promise, followed }
}

interface Table {
  addBlock(block: Block): void
}

function addObjects(tables: readonly Table[], message: Delivered, log: Logger): void {
  try {
    const block = openBlock(message)
    for (const table of tables) table.addBlock(block)
  } catch (error) {
    log.warn({ offset: message.offset, error }, 'cannot read an object')
  }
}

interface Reporting {
  bus: Bus
  log: Logger
  instruments: Instruments
}

/** A message that cannot be read goes whole to the dead letters. */
async function unreadable(
  { bus, log, instruments }: Reporting,
  { topic, partition }: Assignment,
  message: Delivered,
  error: Error,
): Promise<void> {
  const rows = Number(message.headers.rows) || 1
  instruments.discarded(rows, 'unreadable', { topic })
  log.error({ topic, offset: message.offset, rows, error }, 'cannot read a block')
  const headers = { ...message.headers, stage: 'enricher', topic, partition: String(partition), offset: String(message.offset) }
  await toDeadLetters(bus, { ...headers, reason: describe(error) }, message.body)
}

function toDeadLetters(bus: Bus, headers: Record<string, string>, body: Uint8Array): Promise<void> {
  return bus.publish(deadLetterTopic, [{ headers, body }])
}
