import { setTimeout as sleep } from 'node:timers/promises'
import { makeSpanEdges } from '../../enricher/edges/edges.ts'
import { edgesSql, windowSeconds } from '../../enricher/edges/sql.ts'
import { stepsOf } from '../../enricher/known.ts'
import { type EnrichOptions, runEnricher } from '../../enricher/main.ts'
import { reattribute } from '../../enricher/reattribution/run.ts'
import type { Progress, Report, Request, Running } from '../../enricher/reattribution/running.ts'
import type { Stores } from '../../enricher/reattribution/store.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import type { ClickHouse } from '../../runtime/clickhouse/client.ts'
import { rollupKeys, rollupTable, rollups } from '../../schema/clickhouse.ts'
import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import { type AttributedKind, attributedKind, seenSql } from '../../schema/reattribution.ts'
import { type KindName, type RecordKind, collectedFields, kinds, topicOf } from '../../schema/record.ts'
import { readState } from '../../enricher/reattribution/store.ts'
import { spanEdge } from '../../schema/span-edge.ts'
import { messageOf } from '../helpers/blocks.ts'
import { openTestBus } from '../helpers/bus.ts'
import { openTestDatabase, quietLog } from '../helpers/clickhouse.ts'
import { testService } from '../helpers/service.ts'
import { until } from '../helpers/wait.ts'

/** The hour before this one, in seconds, and the one before that. */
export const hour = Math.floor(Date.now() / 3_600_000) * 3600 - 3600
export const batch = { maxRows: 5_000, maxWaitMs: 20 }

const pod = (address: string, workload: string, more: Partial<ObjectVersion> = {}): ObjectVersion => ({
  kind: 'pod',
  cluster: 'east',
  namespace: 'shop',
  name: `${workload}-1`,
  uid: workload,
  workload,
  workload_kind: 'Deployment',
  services: [`shop/${workload}`],
  node: 'node-1',
  addresses: [address],
  valid_from: 0,
  valid_to: openEnd,
  ...more,
})

const workloads = ['web', 'cart', 'payment', 'admin']
export const objects: ObjectVersion[] = [
  ...workloads.map((workload, i) => pod(`10.0.0.${i + 1}`, workload)),
  { kind: 'node', cluster: 'east', name: 'node-1', uid: 'node-1', zone: 'a', addresses: ['10.1.0.1'], valid_from: 0, valid_to: openEnd },
  {
    kind: 'service',
    cluster: 'east',
    namespace: 'shop',
    name: 'cart',
    uid: 'svc',
    ports: ['tcp/8080'],
    addresses: ['10.2.0.1'],
    valid_from: 0,
    valid_to: openEnd,
  },
]

/** Flows of an hour: what several kinds of agents tell, some naming an end, answers and addresses of nobody among them. */
export const flows = (count: number, { from = hour, seed = 0 } = {}) =>
  Array.from({ length: count }, (_, i) => {
    const [a, b] = [(i + seed) % 6, Math.floor((i + seed) / 6) % 5]
    return {
      time: from * 1e6 + Math.floor((i * 3_599e6) / count),
      source: ['hubble', 'netobserv', 'envoy'][i % 3],
      reporter: i % 3 === 1 ? '10.1.0.1' : 'node-1',
      cluster: 'east',
      layer: 'kernel',
      type: 'l3_l4',
      event: ['trace', 'policy_verdict', 'unknown'][i % 3],
      direction: ['ingress', 'egress', 'unknown'][(i % 7) % 3],
      is_reply: ['unknown', 'yes', 'no'][(i % 5) % 3],
      verdict: i % 10 ? 'forwarded' : 'dropped',
      src_address: `10.0.0.${a + 1}`,
      dst_address: `10.0.0.${b + 1}`,
      src_port: i % 4 ? 40_000 + (i % 100) : 8080,
      dst_port: i % 4 ? 8080 : 41_000,
      protocol: 'tcp',
      tcp_flags: i % 8 ? 16 : 2,
      weight: 1 + (i % 3),
      bytes: i % 3 ? 100 + (i % 50) : 0,
      packets: i % 3 ? 2 : 0,
      ...(i % 11 === 0 && { src_pod: 'web-1', src_namespace: 'shop', src_workload: 'web', src_identity: 17 }),
      ...(i % 13 === 0 && { dst_namespace: 'elsewhere', dst_pod: 'ghost-1', dst_dns_name: 'ghost.example.org' }),
    }
  })

export const requests = (count: number, { from = hour } = {}) =>
  Array.from({ length: count }, (_, i) => ({
    time: from * 1e6 + Math.floor((i * 3_599e6) / count),
    source: 'envoy',
    reporter: `proxy-${i % 3}`,
    cluster: 'east',
    layer: 'l7_proxy',
    direction: ['ingress', 'egress'][i % 2],
    phase: 'exchange',
    verdict: 'forwarded',
    protocol: 'http',
    method: ['GET', 'POST'][i % 2],
    path: `/item/${i}`,
    status_code: i % 9 ? 200 : 503,
    error: i % 9 === 0,
    latency: 1_000_000 + (i % 97) * 130_000,
    src_address: `10.0.0.${(i % 5) + 1}`,
    dst_address: `10.0.0.${(i % 3) + 1}`,
    dst_port: 8080,
    ...(i % 6 === 0 && { src_spiffe_id: 'spiffe://east/ns/shop/sa/web', src_spiffe_id_source: 'certificate', src_service_account: 'web' }),
  }))

/** An hour all of whose edges are due. */
export const spanHour = hour - 3600

/**
 * Spans of as many calls: both halves, some alone, some a message, some over the borders of windows; the first begin a minute before the hour and the
 * last end a minute after it.
 */
export const spans = (calls: number, { from = spanHour } = {}) =>
  Array.from({ length: calls }, (_, i) => {
    const began = (from - 60) * 1e6 + Math.floor((i * 3_720e6) / calls)
    const [caller, called] = [i % 5, (i * 3 + 1) % 4]
    const common = { cluster: 'east', source: 'otlp', protocol: 'http', trace_id: i.toString(16).padStart(32, '0'), weight: 1 + (i % 2) }
    const isMessage = i % 7 === 0
    const client = {
      ...common,
      time: began,
      span_id: 'c',
      kind: isMessage ? 'producer' : 'client',
      service_name: `app-${caller}`,
      peer_service: `app-${called}`,
      duration: 30e6 + i * 1000,
      status: i % 9 ? 'unset' : 'error',
      src_address: `10.0.0.${caller + 1}`,
      dst_address: i % 4 ? '10.2.0.1' : `10.0.0.${called + 1}`,
      dst_port: 8080,
    }
    const server = {
      ...common,
      time: began + (i % 3) * 20e6,
      span_id: 's',
      parent_span_id: 'c',
      kind: isMessage ? 'consumer' : 'server',
      service_name: `app-${called}`,
      duration: 20e6 + i * 1000,
      src_address: `10.0.0.${caller + 1}`,
      dst_address: `10.0.0.${called + 1}`,
      ...(i % 11 === 0 && { dst_namespace: 'said', dst_workload: 'itself' }),
    }
    return i % 8 === 3 ? [client] : i % 8 === 5 ? [server] : [client, server]
  }).flat()

const edgeColumns = spanEdge.columns.map(({ name }) => name).filter(name => !['revision', 'duration', 'messaging'].includes(name))
const computed = ['messaging = true AS message', 'toString(finalizeAggregation(duration)) AS quantiles']

/** All edges that shall be seen, or what they would be if they were made of the spans as they are now. */
export async function edges(clickhouse: ClickHouse, { madeNow = false } = {}): Promise<Record<string, unknown>[]> {
  const columns = [...edgeColumns, ...computed].join(', ')
  if (!madeNow) {
    const state = await readState({ reader: clickhouse }, 'span_edge')
    const seen = (state && seenSql(state, 'bucket')) ?? '1'
    return (await clickhouse.query<Record<string, unknown>>(`SELECT ${columns} FROM span_edge WHERE ${seen} ORDER BY ALL`)).rows
  }
  const windows = Array.from({ length: 36 }, (_, i) => spanHour - 3600 + i * windowSeconds)
  const made = windows.map(from =>
    clickhouse.query<Record<string, unknown>>(`SELECT ${columns} FROM (${edgesSql()}) ORDER BY ALL`, { params: { from } }),
  )
  return (await Promise.all(made)).flatMap(({ rows }) => rows)
}

export interface World extends AsyncDisposable {
  clickhouse: ClickHouse
  bus: Bus
  stores: Stores
  running: Running
  /** Publishes records and waits until they are stored. */
  send(kind: KindName, records: readonly object[]): Promise<void>
  publish(kind: KindName, records: readonly object[]): Promise<void>
  settled(): Promise<void>
  /** Publishes the objects, and waits until they are known. */
  tell(): Promise<void>
  busPath: string
  /** Of ClickHouse. */
  url: string
  database: string
  /** Makes edges of all spans that are stored. */
  makeEdges(): Promise<number>
  reattribute(request?: Partial<Request>, more?: Partial<Running>, signal?: AbortSignal): Promise<Report>
}

export const steps = (options: EnrichOptions = {}, known: readonly ObjectVersion[] = objects) => {
  const table = new ObjectTable()
  for (const version of known) table.add(version)
  return () => stepsOf({ objects: table }, options)
}

let ids = 0

/** An enricher over a database of its own, to which objects are known from the start, or none. */
export async function openWorld({ knows = false, options = {} }: { knows?: boolean; options?: EnrichOptions } = {}): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const { clickhouse, url, database } = stack.use(await openTestDatabase())
  const { bus, path: busPath } = stack.use(await openTestBus())
  const publish = async (kind: KindName, records: readonly object[]) => bus.publish(topicOf(kinds[kind]), [await messageOf(kind, records)])
  const tell = async (versions: readonly ObjectVersion[]) => {
    for (const version of versions)
      await bus.publish(topicOf(kinds.object), [{ ...(await messageOf('object', [version])), key: version.uid }])
  }
  if (knows) await tell(objects)
  const { context, stop } = testService()
  const enricher = runEnricher({ bus, clickhouse, servers: [clickhouse], options: { batch, ...options } }, context)
  stack.defer(async () => {
    stop()
    await enricher.catch(() => {})
  })
  const settled = async () => {
    await until('nothing unread', async () =>
      (await bus.lag()).filter(({ topic }) => topic !== 'weir-reattribution-v1').every(({ messages }) => !messages),
    )
  }
  await until('readers', async () => (await bus.lag()).length > Object.keys(kinds).length)
  const stores: Stores = { reader: clickhouse, inserter: clickhouse, shards: async () => [[clickhouse]] }
  const running: Running = { stores, bus, group: 'enricher', steps: steps(options), log: quietLog, settleMs: 0 }
  const held = stack.move()
  return {
    clickhouse,
    bus,
    stores,
    running,
    publish,
    settled,
    busPath,
    url,
    database,
    async tell() {
      await tell(objects)
      await settled()
      await sleep(200)
    },
    async send(kind, records) {
      for (let at = 0; at < records.length; at += 1_000) await publish(kind, records.slice(at, at + 1_000))
      await settled()
    },
    makeEdges: () => makeSpanEdges({ reader: clickhouse, inserter: clickhouse, bus, group: 'enricher', log: quietLog }),
    reattribute: (request = {}, more = {}, signal = AbortSignal.timeout(60_000)) =>
      reattribute(
        { id: `test-${++ids}`, kind: 'flow', from: hour, to: hour + 3600, provisional: false, ...request },
        { ...running, ...more },
        signal,
      ),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

const finished = (kind: RecordKind) => Object.entries(kind.measures!).map(([name, { merge }]) => `toString(${merge}) AS total_${name}`)

/** All that is stored of a kind and shall be seen: of the records and of both rollups, without which attribution it is of. */
export async function contents(
  clickhouse: ClickHouse,
  name: AttributedKind,
  from = hour,
  to = hour + 3600,
): Promise<Record<string, unknown[]>> {
  const kind = attributedKind(name)
  const state = await readState({ reader: clickhouse }, name)
  const seen = (time: string) => (state && seenSql(state, time)) ?? '1'
  const within = (time: string) => `${time} >= toDateTime(${from}, 'UTC') AND ${time} < toDateTime(${to}, 'UTC') AND ${seen(time)}`
  const read = async (sql: string) => (await clickhouse.query(sql)).rows
  const keys = rollupKeys(kind).filter(key => key !== 'revision')
  const columns = Object.keys(kind.fields).filter(field => field !== 'revision')
  const found: Record<string, unknown[]> = {
    records: await read(
      `SELECT ${columns.join(', ')} FROM ${name} WHERE ${within('time')} ORDER BY ${collectedFields(kind)
        .map(([field]) => field)
        .join(', ')}`,
    ),
  }
  for (const rollup of rollups) {
    const by = ['bucket', ...keys].join(', ')
    found[rollup.suffix] = await read(
      `SELECT ${by}, ${finished(kind).join(', ')} FROM ${rollupTable(kind, rollup)} WHERE ${within('bucket')} GROUP BY ${by} ORDER BY ${by}`,
    )
  }
  return found
}

/** The same as one number for each table and hour. */
export async function digests(clickhouse: ClickHouse, name: AttributedKind, from: number, to: number): Promise<Record<string, string>> {
  const kind = attributedKind(name)
  const state = await readState({ reader: clickhouse }, name)
  const within = (time: string) =>
    `${time} >= toDateTime(${from}, 'UTC') AND ${time} < toDateTime(${to}, 'UTC') AND ${(state && seenSql(state, time)) ?? '1'}`
  const keys = rollupKeys(kind).filter(key => key !== 'revision')
  const columns = Object.keys(kind.fields).filter(field => field !== 'revision')
  const totals = Object.keys(kind.measures!).map(measure => `total_${measure}`)
  const ofRollup = (table: string) => {
    const by = ['bucket', ...keys].join(', ')
    const rows = `SELECT ${by}, ${finished(kind).join(', ')} FROM ${table} WHERE ${within('bucket')} GROUP BY ${by}`
    return `SELECT '${table}' AS source, toStartOfHour(bucket) AS hour, sum(cityHash64(${by}, ${totals.join(', ')})) AS digest FROM (${rows}) GROUP BY hour`
  }
  const ofRecords = `SELECT '${name}' AS source, toStartOfHour(time) AS hour, sum(cityHash64(${columns.join(', ')})) AS digest FROM ${name} WHERE ${within('time')} GROUP BY hour`
  const sql = [ofRecords, ...rollups.map(rollup => ofRollup(rollupTable(kind, rollup)))].join(' UNION ALL ')
  const { rows } = await clickhouse.query<{ name: string; digest: string }>(
    `SELECT concat(source, ' ', toString(hour)) AS name, toString(digest) AS digest FROM (${sql}) ORDER BY name`,
  )
  return Object.fromEntries(rows.map(({ name, digest }) => [name, digest]))
}

export type { Progress }
