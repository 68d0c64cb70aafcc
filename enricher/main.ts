import type { Assignment, Bus, Delivered } from '../runtime/bus/bus.ts'
import type { ClickHouse, Inserter } from '../runtime/clickhouse/client.ts'
import { withSiblings } from '../runtime/clickhouse/failover.ts'
import { type Logger, describe } from '../runtime/log.ts'
import type { ServiceContext } from '../runtime/service.ts'
import { type Instruments, component, meter } from '../runtime/telemetry.ts'
import { isAttributed } from '../schema/reattribution.ts'
import { type RecordKind, deadLetterTopic, kinds, topicsOf } from '../schema/record.ts'
import type { BatchLimits } from './batch.ts'
import { followSpanEdges } from './edges/edges.ts'
import { enrich } from './pipeline.ts'
import { keepWithin } from './sink/budget.ts'
import { addHistory } from './reattribution/history.ts'
import { type Stores, currentTag } from './reattribution/store.ts'
import { followRequests } from './reattribution/worker.ts'
import { clickhouseSink } from './sink/clickhouse.ts'
import { loadObjects } from './load.ts'
import { settling } from './settle.ts'
import type { Step } from './step.ts'
import type { Reachable } from './ends/clusters.ts'
import { dns } from './steps/dns.ts'
import { identity } from './steps/identity.ts'
import { kubernetes } from './steps/kubernetes.ts'
import { type Networks, network } from './steps/network.ts'
import { orientation } from './steps/orientation.ts'
import { vantage } from './steps/vantage.ts'
import { Clocks } from './tables/clocks.ts'
import { type MaxmindFiles, openMaxmind } from './tables/maxmind.ts'
import { openNames } from './tables/names.ts'
import { type IdentityOptions, IdentityTable } from './tables/identities.ts'
import { ObjectTable } from './tables/objects.ts'

export interface EnrichOptions {
  networks?: Networks
  egress?: Networks
  maxmind?: MaxmindFiles
  dns?: { max_names?: number; min_seconds?: number }
  /** Which clusters reach each other's addresses. */
  reachable?: Reachable
  identity?: IdentityOptions
  batch?: BatchLimits
  /** Bytes all tables of a server together may take; no limit when absent. */
  maxBytes?: number
  /** How often to look for what is known better than when it was stored, never when absent; and other waits than questions need, for tests. */
  reattribute?: { everyMs?: number; settleMs?: number }
  /** How long a block waits, at most, for what is told of the objects of its clusters; 0 for never. */
  objectsWaitMs?: number
}

interface Enricher {
  bus: Bus
  clickhouse: Inserter
  /** Every server that keeps rows: for its budget, and to make the edges of spans. */
  servers?: readonly ClickHouse[]
  /** The same by shards, to attribute records again where they are; one server is one shard. */
  shards?: Stores['shards']
  options: EnrichOptions
}

const group = 'enricher'

/** Joins every kind of record with what was true at its time and stores it, until the signal is aborted. */
export async function runEnricher(
  { bus, clickhouse, servers = [], shards = async () => [servers], options }: Enricher,
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
  const clocks = new Clocks()
  const attributed = observeAttribution(objects, clocks)
  observeIdentities(identities)
  observeLag(bus)

  const { maxmind = {} } = options
  const places = maxmind.asn || maxmind.country ? await openMaxmind(maxmind, { signal, log }) : undefined
  const known = { objects, identities, places, names: openNames(options.dns) }
  const steps = stepsOf(known, options, { clocks, provisional: attributed.provisional })
  const waitMs = options.objectsWaitMs ?? 3000
  const settled = settling({ heartbeats: objects.heartbeats, steps, waitMs, reachable: options.reachable, waited: attributed.waited })
  const stores = servers.length ? { reader: withSiblings(servers), inserter: clickhouse, shards } : undefined
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
      settled: steps.length ? settled : undefined,
      repeated: ({ headers }) => instruments.discarded(Number(headers.rows) || 1, 'repeated', { kind: kind.name }),
      tagged: stores && isAttributed(kind) ? signal => currentTag(stores, kind.name, signal) : undefined,
    })
  if (options.maxBytes)
    for (const server of servers) void keepWithin({ clickhouse: server, maxBytes: options.maxBytes, log, instruments }, signal)
  if (servers.length) void followSpanEdges({ reader: withSiblings(servers), inserter: clickhouse, bus, group, log }, signal)
  await using stack = new AsyncDisposableStack()
  for (const kind of Object.values(kinds)) {
    const enriched = 'src_address' in kind.fields
    for (const topic of topicsOf(kind)) stack.use(await bus.subscribe(topic, group, consume(kind, enriched ? steps : [])))
  }
  const prepare = async (window: { from: number; to: number }, signal: AbortSignal) => {
    const added = stores ? await addHistory([objects, identities], stores.reader, window, signal) : 0
    if (added) log.info({ versions: added }, 'objects that only ClickHouse knew')
  }
  if (stores)
    stack.use(await followRequests({ bus, group, stores, steps: () => stepsOf(known, options), prepare, log, ...options.reattribute }))
  await followed
}

/** What the steps look things up in; of what is absent nothing is known. */
interface Known {
  objects: ObjectTable
  identities?: IdentityTable
  places?: Awaited<ReturnType<typeof openMaxmind>>
  names?: ReturnType<typeof openNames>
}

/** What is done to every record with two ends, in this order. */
export const stepsOf = (
  { objects, identities = new IdentityTable(), places, names = openNames() }: Known,
  { networks, egress, reachable }: EnrichOptions,
  told?: Parameters<typeof kubernetes>[1],
): Step[] => [
  orientation(objects),
  kubernetes(objects, { ...told, reachable }),
  identity(identities, objects),
  network(networks, { egress, places }),
  dns(names, objects),
  vantage(objects),
]

/** Shows in the metrics how many versions of objects the tables hold. */
export function observeObjects(objects: ObjectTable): void {
  meter()
    .createObservableGauge('weir.enricher.objects', { description: 'Versions of objects in the tables.', unit: '{object}' })
    .addCallback(result => result.observe(objects.versions))
}

const mostClocks = 20

/** Shows in the metrics how far objects are known, what that made wait, and which clocks are wrong. */
export function observeAttribution(objects: ObjectTable, clocks: Pick<Clocks, 'ahead'>) {
  const behind = meter().createObservableGauge('weir.enricher.objects.behind', {
    description: 'How long ago all was known that is told of the objects of a cluster.',
    unit: 's',
  })
  behind.addCallback(result => {
    for (const [cluster, { time }] of objects.heartbeats.clusters) result.observe(Math.max(0, Date.now() - time / 1000) / 1000, { cluster })
  })
  const ahead = meter().createObservableGauge('weir.enricher.clock.ahead', {
    description: `By how much the clock of a reporter is ahead at least: the ${mostClocks} of which it is most.`,
    unit: 's',
  })
  ahead.addCallback(result => {
    for (const { ahead, ...labels } of clocks.ahead(mostClocks)) result.observe(ahead / 1e6, labels)
  })
  const waits = meter().createCounter('weir.enricher.objects.waited', {
    description: 'How long blocks waited for objects, by whether these came in time.',
    unit: 'ms',
  })
  const provisional = meter().createCounter('weir.enricher.records.provisional', {
    description: 'Records of which an end may become known better.',
    unit: '{record}',
  })
  return {
    waited: (ms: number, reached: boolean) => waits.add(ms, { reached: String(reached) }),
    provisional: (count: number, kind: string) => provisional.add(count, { kind }),
  }
}

/** Shows in the metrics how far the readers of each topic are behind; nothing while the bus does not say. */
export function observeLag(bus: Pick<Bus, 'lag'>): void {
  const gauge = (name: string, description: string, unit: string) =>
    meter().createObservableGauge(`weir.bus.lag.${name}`, { description, unit })
  const gauges = [
    gauge('messages', 'Messages a group has not read.', '{message}'),
    gauge('bytes', 'Bytes of them.', 'By'),
    gauge('age', 'Age of the oldest.', 'ms'),
  ]
  meter().addBatchObservableCallback(async result => {
    for (const { topic, group, messages, bytes, ageMs } of await bus.lag().catch(() => []))
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
