import test from 'ava'
import type { Reachable } from '../../enricher/ends/clusters.ts'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { network } from '../../enricher/steps/network.ts'
import { orientation } from '../../enricher/steps/orientation.ts'
import { ask } from '../../query-api/query.ts'
import { topology } from '../../query-api/topology.ts'
import { type TestDatabase, hasClickHouse, openTestDatabase } from '../helpers/clickhouse.ts'
import { store } from '../query-api/records.ts'
import { every, now, range } from '../query-api/traffic.ts'
import { enriched, objectsOf, tableOf } from './enriched.ts'

/** What sources write of packets from web to cart, by way of the address of the service and at its backend. */
const seen = {
  cluster: '',
  layer: 'kernel',
  type: 'l3_l4',
  event: 'trace',
  verdict: 'forwarded',
  protocol: 'tcp',
  is_reply: 'no',
  src_address: '10.0.0.1',
  src_port: 40_000,
  dst_address: '10.0.0.2',
  dst_port: 8080,
  bytes: 1000,
  packets: 1,
} as const
const answered = {
  ...seen,
  is_reply: 'yes',
  src_address: '10.0.0.2',
  src_port: 8080,
  dst_address: '10.0.0.1',
  dst_port: 40_000,
  bytes: 7000,
}
const vip = { dst_address: '10.96.0.1', dst_port: 80 } as const
const fromVip = { src_address: '10.96.0.1', src_port: 80 } as const
const client = { src_namespace: 'shop', src_pod: 'web-1', src_workload: 'web' } as const
const hubble = { ...seen, ...client, source: 'hubble', direction: 'egress', bytes: 0, packets: 0 } as const
const netobserv = { ...seen, source: 'netobserv', reporter_kind: 'node', direction: 'egress' } as const
const exporter = { ...seen, source: 'ipfix', reporter_kind: 'exporter', layer: 'exporter', type: 'unknown', event: 'unknown' } as const
const goldmane = {
  ...seen,
  ...client,
  source: 'goldmane',
  event: 'policy_verdict',
  direction: 'ingress',
  src_address: '',
  dst_address: '',
  dst_service: 'shop/cart',
} as const

/** Records of one minute each, and how much they are: flows, bytes. */
const cases: Record<string, [records: object[], flows: number, bytes: number]> = {
  'Hubble: what goes to a service counts at its backend': [
    [
      { ...hubble, ...vip, dst_entity: 'world', dst_service: 'shop/cart', observation_point: 'from_endpoint' },
      { ...hubble, observation_point: 'to_stack', dst_namespace: 'shop', dst_pod: 'cart-1', dst_workload: 'cart' },
    ],
    5,
    0,
  ],
  'Hubble: also where it names no service': [
    [
      { ...hubble, ...vip, dst_entity: 'world', observation_point: 'from_endpoint' },
      { ...hubble, observation_point: 'to_stack', dst_namespace: 'shop', dst_pod: 'cart-1', dst_workload: 'cart' },
    ],
    5,
    0,
  ],
  'NetObserv: bytes before and behind the translation are the same bytes, also where the agent watches no translations': [
    [
      { ...netobserv, ...vip },
      { ...netobserv, direction: 'ingress' },
      { ...answered, source: 'netobserv', direction: 'egress' },
      { ...answered, ...fromVip, source: 'netobserv', direction: 'ingress' },
    ],
    10,
    40_000,
  ],
  'NetObserv: and where it watches them': [
    [
      { ...netobserv, ...vip, event: 'trace_sock', verdict: 'translated' },
      { ...netobserv, direction: 'ingress' },
    ],
    5,
    5000,
  ],
  'flow exporters: bytes to the address of a service are those to its pod': [[{ ...exporter, ...vip }, exporter], 5, 5000],
  'flow exporters: bytes to a port of a node, too': [
    [
      { ...exporter, src_address: '203.0.113.9', dst_address: '192.168.0.1', dst_port: 30_080 },
      { ...exporter, src_address: '192.168.0.1' },
    ],
    5,
    5000,
  ],
  'Calico: traffic that came by way of a service has its backend already, also when that is a pod without an owner': [
    [{ ...goldmane, dst_namespace: 'shop', dst_pod: 'bare' }],
    5,
    5000,
  ],
  'Calico: or a node': [[{ ...goldmane, dst_entity: 'host', dst_node: 'node-1', dst_service: 'default/kubernetes' }], 5, 5000],
  'proxies: who is called by the address of a service counts': [
    [{ ...seen, ...vip, source: 'envoy', layer: 'l4_proxy', reporter_kind: 'sidecar', direction: 'egress' }],
    5,
    5000,
  ],
}

const objectsIn = (cluster: string) => {
  const { node, pod, service } = objectsOf(cluster)
  return [
    node('node-1', '192.168.0.1'),
    pod('web-1', '10.0.0.1'),
    pod('cart-1', '10.0.0.2', { services: ['shop/cart'] }),
    service('cart', ['10.96.0.1'], { ports: ['tcp/80'], spec: JSON.stringify({ nodePorts: { 'tcp/30080': 'tcp/80' } }) }),
  ]
}

let database: TestDatabase
test.before(async t => {
  if (await hasClickHouse(t)) database = await openTestDatabase()
})
test.after.always(() => database?.[Symbol.asyncDispose]())

const stepsOver = (table: ReturnType<typeof tableOf>, reachable?: Reachable) => [
  orientation(table),
  kubernetes(table, { reachable }),
  network(),
]

Object.entries(cases).forEach(([title, [records, flows, bytes]], i) => {
  test(title, async t => {
    if (!database) return t.pass()
    const { clickhouse } = database
    // Each has a cluster of its own in the one database.
    const cluster = `cluster-${i}`
    const seen = records.flatMap(record => every(60, 5, { ...record, cluster }))
    await store(clickhouse, 'flow', await enriched(stepsOver(tableOf(...objectsIn(cluster))), seen))
    const { rows } = await ask({ ...range, metrics: ['flows', 'bytes'], where: `cluster = ${cluster}` }, { clickhouse, now })
    t.deepEqual(rows, [[flows, bytes]])
    return undefined
  })
})

test('what both clusters of a conversation saw of it is one edge between them', async t => {
  if (!database) return t.pass()
  const { clickhouse } = database
  const [here, there] = ['here', 'there'].map(objectsOf)
  const table = tableOf(
    here.pod('web-1', '10.1.0.1'),
    there.pod('cart-1', '10.2.0.1', { services: ['shop/cart'] }),
    there.pod('cart-2', '10.2.0.2', { services: ['shop/cart'] }),
  )
  const between = { ...seen, source: 'hubble', src_address: '10.1.0.1', dst_address: '10.2.0.1', bytes: 0, packets: 0 }
  const views = [
    { ...between, cluster: 'here', direction: 'egress', observation_point: 'to_overlay' },
    { ...between, cluster: 'there', direction: 'ingress', observation_point: 'to_endpoint' },
    { ...netobserv, ...between, cluster: 'here', source: 'netobserv', bytes: 900 },
    { ...netobserv, ...between, cluster: 'there', source: 'netobserv', direction: 'ingress', bytes: 1000 },
  ]
  const steps = stepsOver(table, { meshes: [['here', 'there']] })
  await store(
    clickhouse,
    'flow',
    await enriched(
      steps,
      views.flatMap(view => every(60, 5, view)),
    ),
  )
  const where = "cluster IN ('here', 'there')"
  const { rows } = await ask(
    {
      ...range,
      metrics: ['flows', 'bytes', 'sent', 'received'],
      by: ['src_cluster', 'src_workload', 'dst_cluster', 'dst_workload'],
      where,
    },
    { clickhouse, now },
  )
  t.deepEqual(rows, [['here', 'web', 'there', 'cart', 5, 5000, 5, 5]])
  const { edges } = await topology({ ...range, level: 'workload', where }, { clickhouse, now })
  t.is(edges.length, 1)
  return undefined
})
