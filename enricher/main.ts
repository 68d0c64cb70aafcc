import type { Assignment, Bus } from '../runtime/bus/bus.ts'
import type { ClickHouse, Inserter } from '../runtime/clickhouse/client.ts'
import { withSiblings } from '../runtime/clickhouse/failover.ts'
import { describe } from '../runtime/log.ts'
import type { ServiceContext } from '../runtime/service.ts'
import { component } from '../runtime/telemetry.ts'
import { isAttributed } from '../schema/reattribution.ts'
import { type RecordKind, kinds, topicsOf } from '../schema/record.ts'
import type { BatchLimits } from './batch.ts'
import { toDeadLetters, unreadable } from './dead-letters.ts'
import { followSpanEdges } from './edges/edges.ts'
import { type HistoryOptions, keepHistory } from './history/keep.ts'
import { type Known, type KnownOptions, type StepOptions, openKnown, stepsOf } from './known.ts'
import { observeAttribution, observeLag } from './observe.ts'
import { type Pipeline, enrich } from './pipeline.ts'
import { openHistory } from './reattribution/history.ts'
import { type Stores, currentTag } from './reattribution/store.ts'
import { followRequests } from './reattribution/worker.ts'
import { settling } from './settle.ts'
import { keepWithin } from './sink/budget.ts'
import { clickhouseSink } from './sink/clickhouse.ts'
import { Clocks } from './tables/clocks.ts'

export interface EnrichOptions extends StepOptions, KnownOptions {
  batch?: BatchLimits
  /** Bytes all tables of a server together may take; no limit when absent. */
  maxBytes?: number
  /** How often to look for what is known better than when it was stored, never when absent; and other waits than questions need, for tests. */
  reattribute?: { everyMs?: number; settleMs?: number }
  /** How long versions of objects are kept that ended, and sources that say nothing. */
  history?: HistoryOptions
  /** Days ClickHouse keeps them. */
  objectDays?: number
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
export async function runEnricher(enricher: Enricher, context: ServiceContext): Promise<void> {
  const { bus, clickhouse, servers = [], shards = async () => [servers], options } = enricher
  const { known, followed } = await openKnown(bus, options, context)
  observeLag(bus)
  const stores = servers.length ? { reader: withSiblings(servers), inserter: clickhouse, shards } : undefined
  const pipelineOf = pipelines(enricher, { known, stores }, context)
  watchStores(enricher, stores, context)
  const keeping = (topic: string) => (signal: AbortSignal) =>
    keepHistory({ bus, group, topic, knownSince: () => known.objects.knownSince, log: context.log, ...options.history }, signal)
  await using stack = new AsyncDisposableStack()
  for (const kind of Object.values(kinds))
    for (const topic of topicsOf(kind)) {
      const use = (assignment: Assignment) => enrich(assignment, pipelineOf(kind, assignment))
      stack.use(await bus.subscribe(topic, group, kind === kinds.object ? beside(use, keeping(topic)) : use))
    }
  if (stores) stack.use(await reattributing(enricher, { known, stores }, context))
  await followed
}

interface Parts {
  known: Known & Pick<Required<Known>, 'identities'>
  stores: Stores | undefined
}

/** What is done to the records of each kind: to those with two ends, every step. */
function pipelines({ bus, clickhouse, options }: Enricher, { known, stores }: Parts, { log, signal, status }: ServiceContext) {
  const instruments = component('enricher', group)
  const clocks = new Clocks()
  const { counters, waited } = observeAttribution(known.objects, clocks)
  const steps = stepsOf(known, options, { clocks, ...counters })
  const { objectsWaitMs: waitMs = 3000, reachable, batch: limits } = options
  const settled = settling({ heartbeats: known.objects.heartbeats, steps, waitMs, reachable, waited })
  const sink = clickhouseSink({
    clickhouse,
    log,
    instruments,
    signal,
    onBlocked: reason => status('store', { ready: !reason, reason }),
    refused: (kind, block, error) => toDeadLetters(bus, { stage: 'store', kind: kind.name, reason: describe(error) }, block.bytes),
  })
  return (kind: RecordKind, assignment: Assignment): Pipeline => ({
    kind,
    sink,
    limits,
    ...('src_address' in kind.fields ? { steps, settled } : { steps: [] }),
    // Versions of one record replace each other only where they meet.
    shards: kind.replacing ? 1 : clickhouse.shards,
    unreadable: (message, error) => unreadable({ bus, log, instruments }, assignment, message, error),
    repeated: ({ headers }) => instruments.discarded(Number(headers.rows) || 1, 'repeated', { kind: kind.name }),
    tagged: stores && isAttributed(kind) ? signal => currentTag(stores, kind.name, signal) : undefined,
  })
}

/** Keeps servers within their budget and makes edges of spans, in the background. */
function watchStores({ bus, servers = [], options }: Enricher, stores: Parts['stores'], { log, signal }: ServiceContext): void {
  const { maxBytes } = options
  const instruments = component('enricher', group)
  if (maxBytes) for (const server of servers) void keepWithin({ clickhouse: server, maxBytes, log, instruments }, signal)
  if (stores) void followSpanEdges({ ...stores, bus, group, log }, signal)
}

/** Consumes the partitions of a topic, and does something beside the first of them for as long as that takes. */
function beside(consume: (assignment: Assignment) => Promise<void>, work: (signal: AbortSignal) => Promise<void>) {
  return async (assignment: Assignment) => {
    if (assignment.partition !== 0) return consume(assignment)
    const over = new AbortController()
    const working = work(AbortSignal.any([assignment.signal, over.signal]))
    try {
      await consume(assignment)
    } finally {
      over.abort()
      await working
    }
  }
}

/** Attributes again what is asked for, by what is known then. */
function reattributing({ bus, options }: Enricher, { known, stores }: Parts & { stores: Stores }, { log }: ServiceContext) {
  const knowledge = { bus, reader: stores.reader, log, days: options.objectDays, identity: options.identity }
  const prepare = async (window: { from: number; to: number }, signal: AbortSignal) => {
    const { tables, ...opened } = await openHistory(knowledge, window, signal)
    return { ...opened, steps: stepsOf({ ...known, ...tables }, options) }
  }
  const knownSince = () => known.objects.knownSince
  return followRequests({ bus, group, stores, steps: () => stepsOf(known, options), prepare, knownSince, log, ...options.reattribute })
}
