import test from 'ava'
import { ask } from '../../query-api/query.ts'
import { type TestDatabase, hasClickHouse, openTestDatabase } from '../helpers/clickhouse.ts'
import { store } from './records.ts'
import { at, delivered, denied, departed, dropped, edge, every, exchange, now, range, verdict } from './traffic.ts'

type Records = Record<string, unknown>[]
type Stored = { flow?: Records; request?: Records; span?: Records; loss?: Records }

const minutes = (count: number, record: object) => every(60, count, record)

const sidecar = { ...exchange, reporter_kind: 'sidecar' } as const
const waypoint = { ...exchange, reporter_kind: 'waypoint' } as const
const outside = { src_cluster: '', src_namespace: '', src_workload: '', src_workload_kind: '' } as const

/** Accounts of whole conversations. */
const ztunnel = { ...edge, source: 'ztunnel', reporter_kind: 'ztunnel', layer: 'l4_proxy', direction: 'ingress', connections: 1 } as const
const tcpLog = { ...edge, source: 'envoy', reporter_kind: 'sidecar', layer: 'l4_proxy', direction: 'ingress', connections: 1 } as const
const netflow = {
  ...edge,
  source: 'ipfix',
  reporter_kind: 'exporter',
  layer: 'exporter',
  type: 'unknown',
  src_cluster: '',
  dst_cluster: '',
} as const
const bothEnds = (record: object, bytes: number) => [
  ...minutes(5, { ...record, direction: 'ingress', bytes }),
  ...minutes(5, { ...record, direction: 'egress', bytes: bytes - 1 }),
]
const swappedEnds = { src_workload: 'cart', dst_workload: 'web', dst_service: '', src_service: 'shop/cart', connections: 0 } as const

const tuple = { src_address: '10.0.0.1', src_port: 40_000, dst_address: '10.0.0.2', dst_port: 8080 } as const

const inMinute = (minute: number, record: object) => ({ ...record, time: at(minute * 60) })

/** What is added up from metrics: of a scrape, with the number of requests as its weight, and without a port. */
const counted = { ...exchange, source: 'istio_metrics', reporter_kind: 'sidecar', server_port: 0, weight: 10 } as const
const transferred = { ...edge, source: 'istio_metrics', reporter_kind: 'ztunnel', layer: 'l4_proxy', server_port: 0, bytes: 1000 } as const
const refused = {
  ...edge,
  source: 'linkerd_metrics',
  reporter_kind: 'sidecar',
  layer: 'l7_proxy',
  type: 'l7',
  event: 'l7',
  direction: 'ingress',
  verdict: 'dropped',
  drop_reason: 'policy_denied',
  policy_name: 'cart-http',
  weight: 4,
} as const
const atBoth = (record: object) =>
  [
    { ...record, direction: 'ingress' },
    { ...record, direction: 'egress' },
  ] as const

/** Records, a question about them, and the rows of its answer. */
const truths: Record<string, [stored: Stored, question: Parameters<typeof ask>[0], rows: unknown[][]]> = {
  'a flow both nodes report is one': [
    { flow: [...minutes(5, delivered), ...minutes(5, departed)] },
    { metrics: ['flows', 'records', 'sent', 'received', 'lost'] },
    [[5, 10, 5, 5, 0]],
  ],
  'packets that stay on a node were sent, though nobody saw them leave one': [
    {
      flow: [
        ...minutes(5, departed),
        ...minutes(5, { ...departed, observation_point: 'from_endpoint' }),
        ...minutes(5, delivered),
        ...minutes(3, { ...departed, observation_point: 'from_endpoint', within_node: true }),
        ...minutes(3, { ...delivered, within_node: true }),
      ],
    },
    { metrics: ['flows', 'sent', 'received', 'lost'] },
    [[8, 8, 8, 0]],
  ],
  'of packets that stay on a node the delivery alone says that they were sent': [
    { flow: [...minutes(5, departed), ...minutes(5, delivered), ...minutes(3, { ...delivered, within_node: true })] },
    { metrics: ['flows', 'sent', 'received', 'lost'] },
    [[8, 8, 8, 0]],
  ],
  'a flow only the source reports still counts': [{ flow: minutes(3, departed) }, { metrics: ['flows', 'received', 'lost'] }, [[3, 0, 3]]],
  'the view is chosen minute by minute, so an agent that stops hides nothing': [
    { flow: [...minutes(10, departed), ...minutes(4, delivered)] },
    { metrics: ['flows'] },
    [[10]],
  ],
  'four observation points of one packet are one flow': [
    {
      flow: [
        ...minutes(2, delivered),
        ...minutes(2, departed),
        ...minutes(2, { ...departed, observation_point: 'from_endpoint' }),
        ...minutes(2, { ...delivered, observation_point: 'from_overlay' }),
        ...minutes(2, verdict),
      ],
    },
    { metrics: ['flows', 'records'] },
    [[2, 10]],
  ],
  'two kinds of agent that saw the same are not added up': [
    { flow: [...minutes(3, delivered), ...minutes(3, { ...delivered, source: 'netobserv' })] },
    { metrics: ['flows'] },
    [[3]],
  ],
  'edges are chosen apart': [
    { flow: [...minutes(3, delivered), ...minutes(2, { ...departed, src_workload: 'admin' })] },
    { metrics: ['flows'], by: ['src_workload'] },
    [
      ['web', 3],
      ['admin', 2],
    ],
  ],
  'a node is one end, whatever its own agent and the others call it': [
    {
      flow: [
        ...minutes(2, { ...delivered, src_namespace: '', src_workload: '', src_entity: 'remote-node' }),
        ...minutes(2, { ...departed, src_namespace: '', src_workload: '', src_entity: 'host' }),
      ],
    },
    { metrics: ['flows'] },
    [[2]],
  ],
  'packets to a service are counted at its backend only': [
    { flow: [...minutes(2, delivered), ...minutes(2, { ...departed, dst_namespace: '', dst_workload: '', dst_entity: 'world' })] },
    { metrics: ['flows'] },
    [[2]],
  ],
  'packets that were on their way to a service are counted where they arrive, also where objects say it was one': [
    {
      flow: [
        ...minutes(2, delivered),
        ...minutes(2, { ...departed, dst_workload: '', dst_address: '10.96.0.7', before_translation: true }),
        ...minutes(3, { ...departed, dst_workload: '', dst_service: 'shop/mail', before_translation: true }),
      ],
    },
    { metrics: ['flows', 'sent', 'received'] },
    [[2, 0, 2]],
  ],
  'socket translations are no flows': [
    {
      flow: [
        ...minutes(2, delivered),
        ...minutes(2, { ...edge, type: 'sock', event: 'trace_sock', verdict: 'translated', dst_workload: 'x' }),
      ],
    },
    { metrics: ['flows'] },
    [[2]],
  ],
  'sampled flows count by their weight, records do not': [
    { flow: minutes(2, { ...delivered, weight: 50, bytes: 100, packets: 2 }) },
    { metrics: ['flows', 'bytes', 'packets', 'records'] },
    [[100, 10_000, 200, 2]],
  ],
  'bytes come from whoever counts them': [
    { flow: [...minutes(2, delivered), ...minutes(2, { ...departed, source: 'netobserv', bytes: 1500, packets: 1 })] },
    { metrics: ['flows', 'bytes'] },
    [[2, 3000]],
  ],
  'connections are opened, not answered': [
    {
      flow: [
        ...minutes(2, { ...delivered, tcp_flags: 2 }),
        ...minutes(2, { ...delivered, tcp_flags: 16 }),
        ...minutes(2, { ...delivered, orientation: 'reply', tcp_flags: 18 }),
      ],
    },
    { metrics: ['connections', 'flows'] },
    [[2, 6]],
  ],
  'what needs no handshake begins with its first packet': [
    {
      flow: [
        ...minutes(2, { ...delivered, protocol: 'udp', trace_reason: 'new' }),
        ...minutes(3, { ...delivered, protocol: 'udp', trace_reason: 'established' }),
        ...minutes(2, { ...delivered, protocol: 'udp', trace_reason: 'new', orientation: 'reply' }),
      ],
    },
    { metrics: ['connections', 'flows'] },
    [[2, 7]],
  ],
  'two connections of one address and port, one soon after the other, are two, each of whom it was then': [
    {
      flow: [
        ...[0, 5].map(second => ({ ...tuple, ...delivered, src_workload: 'job-a', tcp_flags: 2, time: at(second) })),
        { ...tuple, ...delivered, src_workload: 'job-b', tcp_flags: 2, time: at(20) },
        { ...tuple, ...delivered, src_workload: 'job-b', tcp_flags: 16, time: at(21) },
      ],
    },
    { metrics: ['connections', 'flows'], by: ['src_workload'] },
    [
      ['job-a', 2, 2],
      ['job-b', 1, 2],
    ],
  ],
  'the verdict and the drop of one packet are one drop and one denial': [
    { flow: [...minutes(4, denied), ...minutes(4, dropped)] },
    { metrics: ['drops', 'denials', 'flows'] },
    [[4, 4, 4]],
  ],
  'a drop for another reason than policy is no denial': [
    { flow: [...minutes(2, { ...dropped, drop_reason: 'STALE_OR_UNROUTABLE_IP' }), ...minutes(3, denied)] },
    { metrics: ['denials'] },
    [[3]],
  ],
  'a denial has the policy that either of its views names': [
    { flow: [...minutes(4, { ...denied, policy_name: 'no-web', policy_namespace: 'shop' }), ...minutes(4, dropped)] },
    { metrics: ['denials'], by: ['policy_namespace', 'policy_name'] },
    [['shop', 'no-web', 4]],
  ],
  'a denial that several policies may have decided has the name of none': [
    {
      flow: [
        ...minutes(1, { ...denied, policy_name: 'no-web', policy_namespace: 'shop', policy_source: 'dataplane' }),
        ...minutes(1, { ...denied, policy_name: 'only-pay', policy_namespace: 'shop', policy_source: 'dataplane' }),
        ...minutes(1, dropped),
        ...minutes(1, dropped),
      ],
    },
    { metrics: ['denials'], by: ['policy_name', 'policy_source'] },
    [['', '', 2]],
  ],
  'a denial at one port of a range has not the name of the policy at another': [
    {
      flow: [
        ...minutes(2, { ...denied, policy_name: 'no-web', policy_namespace: 'shop' }),
        ...minutes(2, dropped),
        ...minutes(3, { ...dropped, server_port: 8081 }),
      ],
    },
    { metrics: ['denials'], by: ['policy_name', 'server_port'] },
    [
      ['', 8081, 3],
      ['no-web', 8080, 2],
    ],
  ],
  'a default deny has not the name of the policy that denied other packets of its edge': [
    {
      flow: [
        ...minutes(2, { ...denied, drop_reason: 'policy_deny', policy_name: 'no-web', policy_namespace: 'shop' }),
        ...minutes(2, { ...dropped, drop_reason: 'policy_deny' }),
        ...minutes(3, { ...dropped, drop_reason: 'policy_denied' }),
      ],
    },
    { metrics: ['denials'], by: ['policy_name', 'drop_reason'] },
    [
      ['', 'policy_denied', 3],
      ['no-web', 'policy_deny', 2],
    ],
  ],
  'a denial by a proxy is a denial of its own': [
    { flow: [...minutes(2, dropped), ...minutes(3, { ...edge, type: 'l7', event: 'l7', verdict: 'dropped', direction: 'ingress' })] },
    { metrics: ['denials', 'drops'] },
    [[5, 5]],
  ],
  'a request counts as its destination reports it': [
    {
      request: [
        ...every(60, 10, { ...exchange, latency: 10e6 }),
        ...every(60, 10, { ...exchange, direction: 'egress', latency: 20e6, error: true }),
      ],
    },
    { metrics: ['requests', 'errors', 'error_ratio'] },
    [[10, 0, 0]],
  ],
  'the source tells of requests that reached no destination': [
    { request: every(60, 4, { ...exchange, direction: 'egress', error: true, dst_workload: '' }) },
    { metrics: ['requests', 'errors', 'error_ratio'] },
    [[4, 4, 1]],
  ],
  'a request that both sidecars and a waypoint report counts once, as the server saw it, whatever port each tells': [
    {
      request: [
        ...every(60, 10, { ...sidecar, direction: 'egress', server_port: 80, latency: 30e6 }),
        ...every(60, 10, { ...sidecar, direction: 'ingress', latency: 10e6, status_code: 200 }),
        ...every(60, 10, { ...waypoint, latency: 20e6, error: true }),
      ],
    },
    { metrics: ['requests', 'errors'], by: ['reporter_kind', 'direction'] },
    [['sidecar', 'ingress', 10, 0]],
  ],
  'without a sidecar at the server the waypoint counts': [
    { request: [...every(60, 10, { ...sidecar, direction: 'egress', error: true }), ...every(60, 9, waypoint)] },
    { metrics: ['requests', 'errors'] },
    [[10, 1]],
  ],
  'logs and metrics of one proxy are one request, although metrics know no port': [
    { request: [...every(60, 10, sidecar), ...every(60, 10, { ...sidecar, source: 'prometheus', server_port: 0 })] },
    { metrics: ['requests', 'records'] },
    [[10, 20]],
  ],
  'a request that Hubble and Envoy saw is one, although only Hubble names the clusters of the ends': [
    {
      request: [
        ...every(60, 10, { ...exchange, source: 'hubble', reporter_kind: 'node' }).flatMap(record => [
          { ...record, phase: 'request' },
          { ...record, phase: 'response' },
        ]),
        ...every(60, 10, { ...sidecar, src_cluster: '', dst_cluster: '', server_port: 80 }),
      ],
    },
    { metrics: ['requests', 'error_ratio'] },
    [[10, 0]],
  ],
  'a client outside is one end, whether it is called the world or nothing': [
    {
      request: [
        ...every(60, 10, { ...sidecar, ...outside, src_entity: 'world' }),
        ...every(60, 10, { ...sidecar, ...outside, source: 'istio' }),
        ...every(60, 2, { ...sidecar, ...outside, src_network: 'partners' }),
      ],
    },
    { metrics: ['requests'], by: ['src_network'] },
    [
      ['', 10],
      ['partners', 2],
    ],
  ],
  'requests of different protocols are different': [
    { request: [...every(60, 10, sidecar), ...every(60, 5, { ...sidecar, protocol: 'grpc', direction: 'egress', server_port: 9090 })] },
    { metrics: ['requests'] },
    [[15]],
  ],
  'requests to different clusters are different': [
    { request: [...every(60, 10, sidecar), ...every(60, 5, { ...sidecar, direction: 'egress', dst_cluster: 'far' })] },
    { metrics: ['requests'] },
    [[15]],
  ],
  'bytes that both ztunnels, both proxies and an exporter counted are counted once, at the destination': [
    { flow: [...bothEnds(ztunnel, 1000), ...bothEnds(tcpLog, 1000), ...minutes(5, { ...netflow, bytes: 1100, packets: 3 })] },
    { metrics: ['bytes', 'records'] },
    [[5000, 25]],
  ],
  'bytes one end alone counted are counted': [
    { flow: [...minutes(5, { ...ztunnel, direction: 'egress', bytes: 900 }), ...minutes(5, { ...netflow, bytes: 1100 })] },
    { metrics: ['bytes'] },
    [[4500]],
  ],
  'bytes only an exporter counted are counted': [
    { flow: [...bothEnds(ztunnel, 1000), ...minutes(5, { ...netflow, server_port: 9090, bytes: 1100 })] },
    { metrics: ['bytes'], by: ['server_port'] },
    [
      [9090, 5500],
      [8080, 5000],
    ],
  ],
  'both ways of a conversation count, each once': [
    { flow: [...bothEnds(ztunnel, 1000), ...bothEnds({ ...ztunnel, ...swappedEnds, orientation: 'reply' }, 7000)] },
    { metrics: ['bytes', 'connections'], by: ['orientation'] },
    [
      ['reply', 35_000, 0],
      ['forward', 5000, 5],
    ],
  ],
  'bytes to an address of a service are not counted beside those to its pod': [
    {
      flow: [
        ...minutes(5, { ...tcpLog, direction: 'ingress', bytes: 1000 }),
        ...minutes(5, { ...netflow, dst_namespace: '', dst_workload: '', server_port: 80, bytes: 1100 }),
      ],
    },
    { metrics: ['bytes'] },
    [[5000]],
  ],
  'packets Hubble saw and bytes Envoy counted are one edge: flows as Hubble delivered them, bytes as Envoy says': [
    { flow: [...minutes(5, delivered), ...minutes(5, departed), ...bothEnds(tcpLog, 1000)] },
    { metrics: ['flows', 'bytes', 'connections'] },
    [[5, 5000, 0]],
  ],
  'where nothing was answered there is no error ratio and no latency': [
    { request: every(60, 4, { ...exchange, phase: 'request' }) },
    { metrics: ['requests', 'error_ratio', 'latency_p95'] },
    [[4, null, null]],
  ],
  'where a proxy knows no workload but its own, the service it calls and the certificate it sees make one edge of requests': [
    {
      request: [
        ...minutes(5, { ...sidecar, direction: 'egress', dst_namespace: '', dst_workload: '', src_service_account: 'web', weight: 3 }),
        ...minutes(5, { ...sidecar, direction: 'ingress', src_workload: '', src_service_account: 'web', weight: 2 }),
      ],
    },
    { metrics: ['requests'] },
    [[10]],
  ],
  'and one of connections': [
    {
      flow: [
        ...minutes(5, { ...tcpLog, direction: 'egress', dst_namespace: '', dst_workload: '', bytes: 1100 }),
        ...minutes(5, { ...tcpLog, src_workload: '', src_service_account: 'web', bytes: 1000 }),
      ],
    },
    { metrics: ['bytes', 'connections'] },
    [[5000, 5]],
  ],
  'requests that metrics of both ends count are one edge, as the destination counted them': [
    { request: atBoth(counted).flatMap((record, i) => minutes(5, { ...record, weight: 10 + i, error: i === 1 })) },
    { metrics: ['requests', 'errors', 'error_ratio', 'latency_p95'] },
    [[50, 0, 0, null]],
  ],
  'logs and metrics of both ends, of a waypoint and of ztunnels are one edge, as the log of the destination has it': [
    {
      request: [
        ...atBoth(counted).flatMap(record => minutes(5, record)),
        ...minutes(5, { ...counted, direction: 'unknown', reporter_kind: 'waypoint' }),
        ...every(60, 9, { ...sidecar, direction: 'ingress' }),
        ...every(60, 8, { ...sidecar, direction: 'egress', server_port: 80 }),
        ...every(60, 7, waypoint),
      ],
      flow: [
        ...atBoth(transferred).flatMap(record => minutes(5, record)),
        ...minutes(5, { ...transferred, reporter_kind: 'waypoint', direction: 'unknown' }),
        ...bothEnds(ztunnel, 900),
      ],
    },
    { metrics: ['requests'], by: ['source', 'reporter_kind', 'direction'] },
    [['envoy', 'sidecar', 'ingress', 9]],
  ],
  'bytes of metrics do not add to those of logs, although metrics know no port': [
    { flow: [...atBoth(transferred).flatMap(record => minutes(5, record)), ...bothEnds(ztunnel, 900)] },
    { metrics: ['bytes', 'connections'], by: ['source', 'server_port'] },
    [['ztunnel', 8080, 4500, 5]],
  ],
  'bytes of metrics count where there are no logs, once': [
    {
      flow: [
        ...atBoth(transferred).flatMap(record => minutes(5, record)),
        ...atBoth({ ...transferred, bytes: 0, connections: 3 }).flatMap(record => minutes(5, record)),
        ...atBoth({ ...transferred, ...swappedEnds, orientation: 'reply', bytes: 4000 }).flatMap(record => minutes(5, record)),
      ],
    },
    { metrics: ['bytes', 'connections'], by: ['src_workload', 'dst_workload'] },
    [
      ['cart', 'web', 20_000, 0],
      ['web', 'cart', 5000, 15],
    ],
  ],
  'metrics count from the second minute on that has no logs': [
    { request: [...minutes(10, { ...counted, direction: 'ingress' }), ...minutes(4, { ...sidecar, direction: 'egress' })] },
    { metrics: ['requests'] },
    [[54]],
  ],
  'metrics that tell a minute later what a log told do not add to it': [
    { request: [inMinute(2, sidecar), inMinute(3, { ...counted, weight: 1 }), inMinute(9, { ...counted, weight: 1 })] },
    { metrics: ['requests'] },
    [[2]],
  ],
  'metrics of both ends that are asked in different minutes are one': [
    {
      request: [inMinute(4, { ...counted, direction: 'ingress', weight: 1 }), inMinute(5, { ...counted, direction: 'egress', weight: 1 })],
    },
    { metrics: ['requests'], by: ['direction'] },
    [['ingress', 1]],
  ],
  'metrics that do not know who is outside do not add to logs that do': [
    {
      request: [
        ...minutes(5, { ...counted, ...outside, direction: 'ingress' }),
        ...minutes(5, { ...sidecar, ...outside, src_network: 'partners' }),
        ...minutes(5, { ...sidecar, ...outside, src_network: 'office' }),
      ],
    },
    { metrics: ['requests'] },
    [[10]],
  ],
  'metrics of other workloads count beside logs': [
    {
      request: [
        ...minutes(5, { ...sidecar, direction: 'ingress' }),
        ...minutes(5, { ...counted, direction: 'egress', dst_workload: 'pay' }),
        ...minutes(5, { ...counted, direction: 'egress', dst_cluster: 'far' }),
      ],
    },
    { metrics: ['requests'], by: ['dst_workload'] },
    [
      ['cart', 55],
      ['pay', 50],
    ],
  ],
  'packets that Hubble saw are no more for what metrics tell of them': [
    { flow: [...minutes(5, delivered), ...minutes(5, departed), ...atBoth(transferred).flatMap(record => minutes(5, record))] },
    { metrics: ['flows', 'bytes', 'sent', 'received', 'lost'] },
    [[5, 5000, 5, 5, 0]],
  ],
  'denials that a mesh only counts have their policy and their number': [
    { flow: minutes(3, refused) },
    { metrics: ['denials', 'drops'], by: ['policy_name'] },
    [['cart-http', 12, 12]],
  ],
  'denials of metrics do not add to those of a log': [
    { flow: [...minutes(3, { ...refused, server_port: 0 }), ...minutes(5, { ...refused, source: 'envoy', weight: 1 })] },
    { metrics: ['denials', 'drops'] },
    [[5, 5]],
  ],
  'the rest of the groups is Other, and adds up exactly': [
    { flow: Array.from({ length: 6 }, (_, i) => minutes(6 - i, { ...delivered, src_workload: `w${i}` })).flat() },
    { metrics: ['flows'], by: ['src_workload'], top: 2 },
    [
      ['w0', 6],
      ['w1', 5],
      ['Other', 4 + 3 + 2 + 1],
    ],
  ],
  'numbers stay numbers beside Other': [
    { flow: [...minutes(3, delivered), ...minutes(2, { ...delivered, server_port: 53 })] },
    { metrics: ['flows'], by: ['server_port'], top: 1 },
    [
      [8080, 3],
      ['Other', 2],
    ],
  ],
  'an earlier range stands beside': [
    { flow: [...minutes(3, delivered), ...minutes(2, delivered).map(record => ({ ...record, time: record.time - 3600e6 }))] },
    { metrics: ['flows'], compare: 3600 },
    [[3, 2]],
  ],
  'records are counted by what only they have': [
    { flow: [...minutes(3, { ...delivered, src_pod: 'web-1' }), ...minutes(3, { ...departed, src_pod: 'web-1' })] },
    { metrics: ['flows', 'records'], by: ['src_pod'] },
    [['web-1', 3, 6]],
  ],
  'spans count by their weight, with how they ended and how long they took': [
    {
      span: [
        ...every(60, 10, { kind: 'server', service_name: 'cart', duration: 100e6, weight: 4 }),
        ...every(60, 5, { kind: 'server', service_name: 'cart', duration: 100e6, status: 'error' }),
        ...every(60, 3, { kind: 'client', service_name: 'web', duration: 0 }),
      ],
    },
    { metrics: ['spans', 'span_errors'], by: ['service_name', 'kind'] },
    [
      ['cart', 'server', 45, 5],
      ['web', 'client', 3, 0],
    ],
  ],
  'losses are counted as records': [
    { loss: [{ time: at(1), source: 'hubble', stage: 'agent', reason: 'ring', count: 5, known: true }] },
    { kind: 'loss', metrics: ['records'], by: ['reason'] },
    [['ring', 1]],
  ],
}

let database: TestDatabase
test.before(async t => {
  if (await hasClickHouse(t)) database = await openTestDatabase()
})
test.after.always(() => database?.[Symbol.asyncDispose]())

Object.entries(truths).forEach(([promise, [stored, question, rows]], i) => {
  test(promise, async t => {
    if (!database) return t.pass()
    const { clickhouse } = database
    // Each has a cluster of its own in the one database.
    const cluster = `cluster-${i}`
    const named = (of: unknown) => (of === 'one' ? cluster : of)
    const own = (records: Records) =>
      records.map(record => ({ ...record, cluster, src_cluster: named(record.src_cluster), dst_cluster: named(record.dst_cluster) }))
    for (const kind of ['flow', 'request', 'span', 'loss'] as const) if (stored[kind]) await store(clickhouse, kind, own(stored[kind]))
    const answer = await ask({ ...range, ...question, where: `cluster = ${cluster}` }, { clickhouse, now })
    t.deepEqual(answer.rows, rows, answer.meta.sql)
    if (stored.loss) return undefined
    const raw = await ask({ ...range, ...question, where: `cluster = ${cluster} AND time >= now-400d` }, { clickhouse, now })
    t.is(raw.meta.resolution, 0)
    t.deepEqual(raw.rows, rows, 'the same from the records, without the rollups')
    return undefined
  })
})

test('quantiles of many records are merged, not averaged', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  // One slow minute among nine fast ones: the average of the minutes' 95th percentiles would be 0.19 s.
  const fast = every(0.6, 900, { ...exchange, latency: 100e6 })
  const slow = every(3, 20, { ...exchange, latency: 1000e6 }).map(record => ({ ...record, time: record.time + 600e6 }))
  await store(clickhouse, 'request', [...fast, ...slow])
  const { rows, meta } = await ask({ ...range, metrics: ['latency_p50', 'latency_p95', 'latency_p99'] }, { clickhouse, now })
  const expected = [0.1, 0.1, 1]
  rows[0].forEach((value, i) => t.true(Math.abs(Number(value) - expected[i]) <= 0.011 * expected[i], `${value} for ${expected[i]}`))
  t.true(meta.approximate)
})

test('an answer says from which table it is and to when it is complete', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  await store(clickhouse, 'flow', minutes(15, delivered))
  await store(clickhouse, 'flow', every(60, 13, { ...delivered, source: 'netobserv' }))
  await store(clickhouse, 'loss', [
    { time: at(10), count: 7, known: true },
    { time: at(20), known: false },
  ])
  const from = new Date(now - 890_000).toISOString()
  const { meta } = await ask({ from, to: range.to, metrics: ['flows'], every: 300 }, { clickhouse, now })
  t.like(meta, { table: 'flow_1m', resolution: 60, approximate: false, lost: 7, gaps: 1, truncated: false })
  t.is(Date.parse(meta.from), now - 900_000, 'widened to whole points')
  t.is(Date.parse(meta.watermark!), at(720) / 1000, 'the agent that is furthest behind')
  t.deepEqual(
    meta.partial.map(time => Date.parse(time)),
    [now - 300_000],
  )
})
