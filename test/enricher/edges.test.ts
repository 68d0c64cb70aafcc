import test, { type ExecutionContext } from 'ava'
import { type SpanEdges, makeSpanEdges, settleSeconds } from '../../enricher/edges/edges.ts'
import { reachSeconds, windowSeconds } from '../../enricher/edges/sql.ts'
import type { GroupLag } from '../../runtime/bus/bus.ts'
import { kinds, topicOf } from '../../schema/record.ts'
import { type TestDatabase, hasClickHouse, openTestDatabase, quietLog } from '../helpers/clickhouse.ts'
import { store } from '../query-api/records.ts'

const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 3_600_000
/** Microseconds after a full hour. */
const at = (seconds: number) => (hour + seconds * 1000) * 1000

type Span = Record<string, unknown>
const trace = (number: number) => number.toString(16).padStart(32, '0')
const web = { service_name: 'web', src_namespace: 'shop', src_workload: 'web', kind: 'client', protocol: 'http' }
const cart = { service_name: 'cart', dst_namespace: 'shop', dst_workload: 'cart', kind: 'server', protocol: 'http' }
/** A call from web to cart, as both ends tell it. */
const call = (number: number, { client = {}, server = {} }: { client?: Span; server?: Span } = {}): Span[] => [
  { ...web, time: at(10), trace_id: trace(number), span_id: 'c', duration: 30e6, ...client },
  { ...cart, time: at(10.01), trace_id: trace(number), span_id: 's', parent_span_id: 'c', duration: 20e6, ...server },
]

interface Edge {
  paired: string
  src_name: string
  dst_name: string
  calls: number
  errors: number
}

interface World extends AsyncDisposable {
  database: TestDatabase
  options: SpanEdges
  lags: GroupLag[]
  store(spans: Span[]): Promise<void>
  edges(columns?: string): Promise<unknown[]>
}

async function openWorld(): Promise<World> {
  const database = await openTestDatabase()
  const { clickhouse } = database
  const lags: GroupLag[] = []
  return {
    database,
    lags,
    options: {
      reader: clickhouse,
      inserter: clickhouse,
      bus: { lag: async () => lags },
      group: 'enricher',
      log: quietLog,
      now: () => hour + 3_400_000,
    },
    store: spans => store(clickhouse, 'span', spans),
    async edges(columns = 'paired, src_name, dst_name, sum(calls) AS calls, sum(errors) AS errors') {
      return (await clickhouse.query(`SELECT ${columns} FROM span_edge GROUP BY paired, src_name, dst_name ORDER BY ALL`)).rows
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

/** One after the other: side by side they would ask one server more than it answers at a time. */
const promise = (title: string, run: (t: ExecutionContext, world: World) => Promise<void>) =>
  test.serial(title, async t => {
    if (!(await hasClickHouse(t))) return
    await using world = await openWorld()
    await run(t, world)
  })

const edge = (paired: string, src_name: string, dst_name: string, calls: number, errors = 0): Edge => ({
  paired,
  src_name,
  dst_name,
  calls,
  errors,
})

/** Spans and the edges that come of them. */
const truths: Record<string, [spans: Span[], edges: Edge[]]> = {
  'a client and the server it called are one call': [[...call(1), ...call(2)], [edge('both', 'web', 'cart', 2)]],
  'whether a call failed its server says': [
    [...call(1, { server: { status: 'error' } }), ...call(2, { client: { status: 'error' } })],
    [edge('both', 'web', 'cart', 2, 1)],
  ],
  'halves that share an id, as Zipkin has them, are a pair': [
    call(1, { client: { parent_span_id: 'p' }, server: { span_id: 'c', parent_span_id: 'p' } }),
    [edge('both', 'web', 'cart', 1)],
  ],
  'a shared span under another client is called by its own half only': [
    [
      ...call(1, { client: { parent_span_id: 'p' }, server: { span_id: 'c', parent_span_id: 'p' } }),
      { ...web, service_name: 'front', time: at(9), trace_id: trace(1), span_id: 'p' },
    ],
    [edge('both', 'web', 'cart', 1)],
  ],
  'spans of proxies beside both applications are one call, told by the proxies': [
    [
      { ...web, time: at(10), trace_id: trace(1), span_id: 'a' },
      { ...web, time: at(10), trace_id: trace(1), span_id: 'b', parent_span_id: 'a' },
      { ...cart, time: at(10), trace_id: trace(1), span_id: 'c', parent_span_id: 'b' },
      { ...cart, time: at(10), trace_id: trace(1), span_id: 'd', parent_span_id: 'c' },
      { ...cart, time: at(10), trace_id: trace(1), span_id: 'e', parent_span_id: 'd', kind: 'internal' },
    ],
    [edge('both', 'web', 'cart', 1)],
  ],
  'a server below an internal span of another service is called by that service': [
    call(1, { client: { kind: 'internal' } }),
    [edge('both', 'web', 'cart', 1)],
  ],
  'a service that calls itself is an edge': [call(1, { server: { service_name: 'web' } }), [edge('both', 'web', 'web', 1)]],
  'a client nobody answered is an edge to what it names': [
    [{ ...web, time: at(10), trace_id: trace(1), span_id: 'c', peer_service: 'bank', status: 'error' }],
    [edge('client_only', 'web', 'bank', 1, 1)],
  ],
  'a server whose client made no span is called by nobody known': [
    [
      { ...cart, time: at(10), trace_id: trace(1), span_id: 's', parent_span_id: 'unknown' },
      { ...cart, time: at(11), trace_id: trace(2), span_id: 's' },
      { ...cart, kind: 'consumer', time: at(11), trace_id: trace(3), span_id: 's' },
    ],
    [edge('server_only', '', 'cart', 3)],
  ],
  'where the client was sampled pairs count by the lesser weight, so that no call counts twice': [
    [...call(1, { client: { weight: 2 } }), ...call(2).slice(1)],
    [edge('both', 'web', 'cart', 1), edge('server_only', '', 'cart', 1)],
  ],
  'where both were sampled alike a pair stands for those that were not': [
    call(1, { client: { weight: 10 }, server: { weight: 10, status: 'error' } }),
    [edge('both', 'web', 'cart', 10, 10)],
  ],
  'a span that was sent twice counts once': [[...call(1), ...call(1, { client: { received: at(99) } })], [edge('both', 'web', 'cart', 1)]],
  'a consumer is paired with every producer it links to, also of other traces': [
    [
      { ...web, kind: 'producer', time: at(10), trace_id: trace(1), span_id: 'p1' },
      { ...web, kind: 'producer', time: at(10), trace_id: trace(2), span_id: 'p2' },
      { ...web, kind: 'producer', time: at(10), trace_id: trace(3), span_id: 'p3' },
      {
        ...cart,
        kind: 'consumer',
        time: at(40),
        trace_id: trace(4),
        span_id: 'k',
        parent_span_id: 'poll',
        links: [`${trace(1)}/p1`, `${trace(2)}/p2`, 'nonsense'],
      },
      {
        ...cart,
        service_name: 'mail',
        kind: 'consumer',
        time: at(40),
        trace_id: trace(1),
        span_id: 'm',
        parent_span_id: 'p1',
        links: [`${trace(1)}/p1`],
      },
    ],
    [edge('both', 'web', 'cart', 2), edge('both', 'web', 'mail', 1), edge('client_only', 'web', '', 1)],
  ],
  'halves in two windows are one call, of the window of the client': [
    [
      ...call(1, { client: { time: at(windowSeconds - 0.01) }, server: { time: at(windowSeconds + 0.01) } }),
      ...call(2, { client: { time: at(windowSeconds + 0.1) }, server: { time: at(windowSeconds - 0.1) } }),
    ],
    [edge('both', 'web', 'cart', 2)],
  ],
}

for (const [title, [spans, edges]] of Object.entries(truths))
  promise(title, async (t, world) => {
    await world.store(spans)
    await makeSpanEdges(world.options)
    t.deepEqual(await world.edges(), edges)
  })

promise('an edge has both ends, and how long the server took', async (t, world) => {
  await world.store([...call(1), ...call(2)])
  await makeSpanEdges(world.options)
  const [row] = await world.edges(
    'any(src_workload) AS src, any(dst_workload) AS dst, any(protocol) AS protocol, any(toString(bucket)) AS bucket, quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(duration)[2] / 1e6 AS ms',
  )
  t.like(row, { src: 'web', dst: 'cart', protocol: 'http', bucket: new Date(hour).toISOString().slice(0, 19).replace('T', ' ') })
  t.true(Math.abs((row as { ms: number }).ms - 20) < 0.3)
})

promise('a window is made once its spans have had time to come, and not while some wait on the bus', async (t, world) => {
  await world.store([...call(1), ...call(2, { client: { time: at(windowSeconds + 1) }, server: { time: at(windowSeconds + 1) } })])
  const now = (seconds: number) => ({ ...world.options, now: () => hour + seconds * 1000 })
  const due = windowSeconds + settleSeconds + reachSeconds
  t.is(await makeSpanEdges(now(due - 1)), 0)
  world.lags.push({ topic: topicOf(kinds.span), group: 'enricher', messages: 1, bytes: 1, ageMs: 5000 })
  t.is(await makeSpanEdges(now(due + 4)), 0)
  const silent = { lag: () => Promise.reject(new Error('nobody knows')) }
  await t.throwsAsync(makeSpanEdges({ ...now(due), bus: silent }), { message: 'nobody knows' })
  world.lags.length = 0
  world.lags.push({ topic: topicOf(kinds.flow), group: 'enricher', messages: 1, bytes: 1, ageMs: 500_000 })
  t.is(await makeSpanEdges(now(due)), 1)
  t.deepEqual(await world.edges(), [edge('both', 'web', 'cart', 1)])
  t.is(await makeSpanEdges(now(due + windowSeconds)), 1)
  t.deepEqual(await world.edges(), [edge('both', 'web', 'cart', 2)])
})

promise('a late half within the time its window waits has its part, a later one changes nothing', async (t, world) => {
  const [client, server] = call(1)
  await world.store([client])
  const due = { ...world.options, now: () => hour + (windowSeconds + settleSeconds + reachSeconds) * 1000 }
  await world.store([server])
  await makeSpanEdges(due)
  await world.store(call(2))
  await makeSpanEdges(due)
  t.deepEqual(await world.edges(), [edge('both', 'web', 'cart', 1)])
})

promise('edges that were stored by somebody who was killed then, or by two at once, count once', async (t, world) => {
  for (let window = 0; window < 5; window++)
    await world.store(call(window, { client: { time: at(window * windowSeconds) }, server: { time: at(window * windowSeconds + 0.1) } }))
  const { inserter } = world.options
  let stored = 0
  const dying: SpanEdges = {
    ...world.options,
    inserter: {
      async insertNative(...insert) {
        await inserter.insertNative(...insert)
        if (++stored === 3) throw new Error('killed')
      },
    },
  }
  await t.throwsAsync(makeSpanEdges(dying), { message: 'killed' })
  await Promise.all([makeSpanEdges(world.options), makeSpanEdges(world.options)])
  t.deepEqual(await world.edges(), [edge('both', 'web', 'cart', 5)])
  const forgetful = { ...world.options, reader: { ...world.options.reader, query: withoutMade(world.options.reader) } }
  t.is(await makeSpanEdges(forgetful), 5, 'all are made again')
  t.deepEqual(await world.edges(), [edge('both', 'web', 'cart', 5)])
})

/** Answers as if no edges were stored yet. */
function withoutMade({ query }: SpanEdges['reader']): SpanEdges['reader']['query'] {
  return (sql, options) => query(sql.includes('span_edge') ? 'SELECT 0 AS last' : sql, options)
}

promise('spans that came after their window was made are counted, each once', async (t, world) => {
  const due = windowSeconds + settleSeconds + reachSeconds
  const span = { ...cart, trace_id: trace(1) }
  await world.store([
    { ...span, span_id: 'in time', time: at(10), received: at(due - 1) },
    { ...span, span_id: 'late', time: at(10), received: at(due + 1) },
    ...[1, 2, 3].map(window => ({ ...span, span_id: `${window}`, time: at(window * windowSeconds), received: at(window * windowSeconds) })),
  ])
  const late: unknown[] = []
  const log = { ...quietLog, debug: (context: object) => void late.push((context as { late: number }).late) }
  await makeSpanEdges({ ...world.options, log })
  t.deepEqual(late, [0, 1, 0, 0])
})

promise('windows without edges are made once by each process', async (t, world) => {
  await world.store([{ time: at(10), trace_id: trace(1), span_id: 'i', kind: 'internal', service_name: 'web' }])
  const progress = {}
  t.is(await makeSpanEdges(world.options, undefined, progress), 1)
  t.is(await makeSpanEdges(world.options, undefined, progress), 0)
  t.deepEqual(await world.edges(), [])
})

promise('one that was killed before it stored a window makes it the next time', async (t, world) => {
  await world.store(call(1))
  const dying: SpanEdges = {
    ...world.options,
    inserter: {
      insertNative: async () => {
        throw new Error('killed')
      },
    },
  }
  await t.throwsAsync(makeSpanEdges(dying), { message: 'killed' })
  t.is(await makeSpanEdges(world.options), 1)
  t.deepEqual(await world.edges(), [edge('both', 'web', 'cart', 1)])
})
