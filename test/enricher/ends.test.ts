import test from 'ava'
import fc from 'fast-check'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { orientation } from '../../enricher/steps/orientation.ts'
import { readReach } from '../../enricher/ends/reach.ts'
import type { Reachable } from '../../enricher/ends/clusters.ts'
import type { ObjectVersion } from '../../schema/object.ts'
import type { KindName } from '../../schema/record.ts'
import { enriched, objectsOf, tableOf } from './enriched.ts'

const { node, pod, service } = objectsOf('east')
const onNode = (name: string, address: string, port: string, more: ObjectVersion = {}) =>
  pod(name, address, { namespace: 'system', host_network: true, node: 'node-1', ports: [port], ...more })

const objects: ObjectVersion[] = [
  node('node-1', '192.168.0.1', { zone: 'zone-a' }),
  node('node-2', '192.168.0.2'),
  onNode('agent-1', '192.168.0.1', 'tcp/4244'),
  onNode('exporter-1', '192.168.0.1', 'tcp/9100', { services: ['system/exporter'], service_account: 'exporter' }),
  onNode('dns-1', '192.168.0.1', 'udp/53'),
  onNode('twin-1', '192.168.0.1', 'tcp/8443'),
  onNode('twin-2', '192.168.0.1', 'tcp/8443'),
  onNode('late-1', '192.168.0.1', 'tcp/7000', { valid_from: 5000, valid_to: 6000 }),
  onNode('lonely-1', '192.168.0.9', 'tcp/10250', { node: 'node-9' }),
  pod('cart-1', '10.0.0.1', { node: 'node-1', services: ['shop/cart-headless', 'shop/cart', 'shop/cart-admin'] }),
  pod('web-1', '10.0.0.2', { node: 'node-2', services: ['shop/front'] }),
  service('cart', ['10.96.0.1', '203.0.113.10'], {
    ports: ['tcp/80'],
    spec: JSON.stringify({ nodePorts: { 'tcp/30080': 'tcp/80' }, external: ['203.0.113.10'] }),
  }),
  service('cart-admin', ['10.96.0.2'], { ports: ['tcp/9000'] }),
  service('cart-headless', [], { ports: ['tcp/6379'] }),
  service('mail', ['203.0.113.20'], { ports: ['tcp/25'] }),
  service('chat', ['203.0.113.20'], { ports: ['tcp/443', 'udp/443'] }),
  service('old', ['10.96.0.9'], { valid_to: 5000, ports: ['tcp/80'], spec: JSON.stringify({ nodePorts: { 'tcp/30090': 'tcp/80' } }) }),
  service('new', ['10.96.0.8'], { valid_from: 5000, ports: ['tcp/80'], spec: JSON.stringify({ nodePorts: { 'tcp/30090': 'tcp/80' } }) }),
  pod('pay-1', '10.0.0.3', { services: ['shop/pay-a', 'shop/pay-b', 'shop/pay'] }),
  service('pay-a', ['10.96.0.31'], {
    ports: ['tcp/80'],
    spec: JSON.stringify({ ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080, nodePort: 30_031 }] }),
  }),
  service('pay-b', ['10.96.0.32'], {
    ports: ['tcp/80'],
    spec: JSON.stringify({ ports: [{ port: 80, protocol: 'TCP', targetPort: 8081 }] }),
  }),
  service('broken', ['10.96.0.7'], { spec: '{"nodePorts": 7, "external": "x"' }),
]

const to = (address: string, port: number, more: object = {}) => ({
  cluster: 'east',
  time: 1000,
  src_address: '10.0.0.2',
  src_port: 40_000,
  dst_address: address,
  dst_port: port,
  protocol: 'tcp',
  is_reply: 'no',
  layer: 'kernel',
  ...more,
})
const asked = (address: string, port: number, more: object = {}) => {
  const { is_reply: _, ...record } = to(address, port)
  return { ...record, protocol: 'http', ...more }
}
/** The same as an answer: what was called sends. */
const back = (address: string, port: number, more: object = {}) => ({
  ...to('10.0.0.2', 40_000, more),
  src_address: address,
  src_port: port,
  is_reply: 'yes',
})
const crowd = 'system/agent-1,system/dns-1,system/exporter-1,system/twin-1,system/twin-2'

const cases: Record<string, [record: object, expected: object, kind?: KindName]> = {
  'a port that one pod of the host network listens at is that pod’s': [
    to('192.168.0.1', 9100),
    {
      dst_pod: 'exporter-1',
      dst_namespace: 'system',
      dst_workload: 'exporter',
      dst_service: 'system/exporter',
      dst_service_account: 'exporter',
      dst_node: 'node-1',
      dst_zone: 'zone-a',
      dst_attribution: 'exact',
      dst_attribution_reason: 'listener',
      dst_candidates: '',
    },
  ],
  'and so is the answer from there': [back('192.168.0.1', 9100), { src_pod: 'exporter-1', src_attribution_reason: 'listener' }],
  'and a request to it': [asked('192.168.0.1', 9100, { transport: 'tcp' }), { dst_pod: 'exporter-1' }, 'request'],
  'also where nobody says by which transport it came': [
    asked('192.168.0.1', 9100),
    { dst_pod: 'exporter-1', dst_attribution_reason: 'listener' },
    'request',
  ],
  'a port two pods of the host network declare is neither’s': [
    to('192.168.0.1', 8443),
    {
      dst_pod: '',
      dst_workload: '',
      dst_node: 'node-1',
      dst_candidates: crowd,
      dst_attribution: 'ambiguous',
      dst_attribution_reason: 'host_network',
    },
  ],
  'a port of another protocol is not the listener’s': [to('192.168.0.1', 53), { dst_pod: '', dst_attribution: 'ambiguous' }],
  'a client’s port names nobody, even one a pod of the node listens at': [
    { ...to('10.0.0.1', 80), src_address: '192.168.0.1', src_port: 9100 },
    { src_pod: '', src_node: 'node-1', src_candidates: crowd, src_attribution: 'ambiguous', src_attribution_reason: 'host_network' },
  ],
  'which end was called must be known for a port to name a pod': [
    to('192.168.0.1', 9100, { is_reply: 'unknown', src_port: 9100 }),
    { dst_pod: '', dst_attribution: 'ambiguous' },
  ],
  'a pod that was not there yet listens at nothing': [to('192.168.0.1', 7000), { dst_pod: '', dst_candidates: crowd }],
  'while it is there it does': [to('192.168.0.1', 7000, { time: 5500 }), { dst_pod: 'late-1', dst_attribution_reason: 'listener' }],
  'a pod of the host network on a node nobody told of is not the only one there could be': [
    to('192.168.0.9', 1234),
    {
      dst_pod: '',
      dst_node: 'node-9',
      dst_cluster: 'east',
      dst_candidates: 'system/lonely-1',
      dst_attribution: 'ambiguous',
      dst_attribution_reason: 'host_network',
    },
  ],
  'but at its port it is': [to('192.168.0.9', 10_250), { dst_pod: 'lonely-1', dst_attribution_reason: 'listener' }],
  'a source that names the pod of the host network is believed': [
    to('192.168.0.1', 1234, { dst_namespace: 'system', dst_pod: 'agent-1' }),
    { dst_workload: 'agent', dst_attribution: 'exact', dst_attribution_reason: 'claim_agrees' },
  ],
  'also where it is the only pod known there': [
    to('192.168.0.9', 1234, { dst_namespace: 'system', dst_pod: 'lonely-1' }),
    { dst_node: 'node-9', dst_attribution_reason: 'claim_agrees' },
  ],
  'a node behind which a client came, and on which no pod shares its address, is that node': [
    { ...to('10.0.0.1', 80), src_address: '192.168.0.2' },
    { src_node: 'node-2', src_pod: '', src_attribution: 'exact', src_attribution_reason: 'object', src_candidates: '' },
  ],
  'the address of a service is the service, and no pod': [
    to('10.96.0.1', 80),
    {
      dst_service: 'shop/cart',
      dst_namespace: 'shop',
      dst_pod: '',
      dst_workload: '',
      dst_node: '',
      dst_attribution: 'exact',
      dst_attribution_reason: 'service',
      before_translation: true,
    },
  ],
  'and so is its load balancer’s': [to('203.0.113.10', 80), { dst_service: 'shop/cart', dst_attribution_reason: 'service' }],
  'a proxy calls a service, and sees no translation': [
    to('10.96.0.1', 80, { layer: 'l4_proxy' }),
    { dst_service: 'shop/cart', before_translation: false },
  ],
  'an answer that seems to come from a service was translated back already': [
    back('10.96.0.1', 80),
    { src_service: 'shop/cart', before_translation: true },
  ],
  'where the source names the backend, the service is only how it was called': [
    to('10.96.0.1', 80, { dst_namespace: 'shop', dst_pod: 'cart-1', dst_workload: 'cart' }),
    {
      dst_pod: 'cart-1',
      dst_service: 'shop/cart',
      dst_attribution: 'exact',
      dst_attribution_reason: 'claim',
      before_translation: false,
    },
  ],
  'packets between pods are no packets to a service': [to('10.0.0.1', 80), { dst_pod: 'cart-1', before_translation: false }],
  'a port of nodes that is a service’s is that service, on that node': [
    to('192.168.0.1', 30_080),
    {
      dst_service: 'shop/cart',
      dst_namespace: 'shop',
      dst_node: 'node-1',
      dst_pod: '',
      dst_attribution: 'exact',
      dst_attribution_reason: 'service',
      before_translation: true,
    },
  ],
  'a port of nodes belongs to whoever had it then': [to('192.168.0.2', 30_090), { dst_service: 'shop/old', dst_node: 'node-2' }],
  'and to the next from then on': [to('192.168.0.2', 30_090, { time: 5000 }), { dst_service: 'shop/new' }],
  'of services that share an address the port tells which': [
    to('203.0.113.20', 25),
    { dst_service: 'shop/mail', dst_attribution: 'exact' },
  ],
  'and where it does not, none is taken': [
    to('203.0.113.20', 22),
    { dst_service: '', dst_attribution: 'ambiguous', dst_attribution_reason: 'several_objects' },
  ],
  'of several services of a pod the one that was called by this port is named': [to('10.0.0.1', 9000), { dst_service: 'shop/cart-admin' }],
  'or that sends to this port, whatever its own is': [to('10.0.0.3', 8081), { dst_service: 'shop/pay-b' }],
  'ports of nodes are also known as Kubernetes tells them': [to('192.168.0.2', 30_031), { dst_service: 'shop/pay-a', dst_node: 'node-2' }],
  'else the one that is called like its workload': [to('10.0.0.1', 1234), { dst_service: 'shop/cart' }],
  'as a client it has the latter': [{ ...to('10.96.0.2', 9000), src_address: '10.0.0.1' }, { src_service: 'shop/cart' }],
  'an end found among the objects of a cluster is in that cluster': [
    to('203.0.113.99', 80),
    { src_cluster: 'east', dst_cluster: '', dst_attribution_reason: 'no_object' },
  ],
}

const steps = (table = tableOf(...objects), reachable: Reachable = {}) => [orientation(table), kubernetes(table, { reachable })]

for (const [title, [record, expected, kind]] of Object.entries(cases))
  test(title, async t => {
    const [row] = await enriched(steps(), [record], kind)
    t.like(row, expected)
  })

test('ends of one block are told apart, whichever step of finding out they need', async t => {
  const flows = Object.values(cases).filter(([, , kind]) => !kind)
  const rows = await enriched(
    steps(),
    flows.map(([record]) => record),
  )
  flows.forEach(([, expected], row) => t.like(rows[row], expected))
})

test('of many candidates eight are named, sorted', async t => {
  const many = Array.from({ length: 12 }, (_, i) => onNode(`p-${String.fromCharCode(108 - i)}`, '192.168.0.1', 'tcp/1'))
  const [row] = await enriched(steps(tableOf(node('node-1', '192.168.0.1'), ...many)), [to('192.168.0.1', 2)])
  t.deepEqual(
    String(row.dst_candidates).split(','),
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(letter => `system/p-${letter}`),
  )
})

test('a service address that is a node’s as well is the service at its ports and the node at others', async t => {
  const table = tableOf(node('node-1', '192.168.0.1'), service('lb', ['192.168.0.1'], { ports: ['tcp/443'] }))
  const rows = await enriched(steps(table), [to('192.168.0.1', 443), to('192.168.0.1', 22), back('192.168.0.1', 443)])
  t.like(rows[0], { dst_service: 'shop/lb', dst_attribution_reason: 'service' })
  t.like(rows[1], { dst_service: '', dst_node: 'node-1', dst_attribution: 'exact' })
  t.like(rows[2], { src_service: 'shop/lb', src_attribution_reason: 'service' })
})

test('a service that ends takes its node port along', async t => {
  const spec = JSON.stringify({ nodePorts: { 'tcp/30080': 'tcp/80' } })
  const table = tableOf(node('node-1', '192.168.0.1'), service('cart', ['10.96.0.1'], { ports: ['tcp/80'], spec }))
  table.add(service('cart', ['10.96.0.1'], { ports: ['tcp/80'], spec, valid_to: 1000 }))
  const rows = await enriched(steps(table), [to('192.168.0.1', 30_080, { time: 999 }), to('192.168.0.1', 30_080)])
  t.deepEqual(
    rows.map(row => row.dst_service),
    ['shop/cart', ''],
  )
})

test('whatever the spec of a service is, it is read or says nothing', t => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc
          .record({ ports: fc.array(fc.jsonValue()), nodePorts: fc.jsonValue(), external: fc.jsonValue() })
          .map(value => JSON.stringify(value)),
      ),
      spec => {
        const { nodePorts, targets, external } = readReach(spec)
        return [...nodePorts, ...targets].every(port => port > 0) && external.every(address => typeof address === 'string')
      },
    ),
  )
  t.pass()
})

/** Two clusters with the same addresses of pods, and a third that has its own. */
const [east, west, flat] = ['east', 'west', 'flat'].map(objectsOf)
const world: ObjectVersion[] = [
  east.pod('web-1', '10.0.0.1'),
  west.pod('api-1', '10.0.0.1'),
  west.pod('db-1', '10.0.0.7'),
  west.node('node-w', '172.20.0.1', { zone: 'zone-w' }),
  flat.pod('queue-1', '10.9.0.1'),
  flat.pod('agent-1', '172.20.0.9', { host_network: true, ports: ['tcp/9100'], node: 'node-f' }),
  flat.node('node-f', '172.20.0.9'),
  flat.service('gateway', ['10.96.0.50', '203.0.113.50'], { ports: ['tcp/15443'], spec: JSON.stringify({ external: ['203.0.113.50'] }) }),
]
const meshed: Reachable = { meshes: [['east', 'flat']] }
const from = (cluster: string, address: string, port = 80, more: object = {}) => ({
  ...to(address, port),
  cluster,
  src_address: '10.0.0.1',
  ...more,
})

const clusters: Record<string, [record: object, reachable: Reachable, expected: object]> = {
  'the same address is somebody else in another cluster': [from('west', '10.0.0.7'), {}, { src_pod: 'api-1', src_cluster: 'west' }],
  'an address only another cluster has is nobody’s where they do not reach each other': [
    from('east', '10.0.0.7'),
    meshed,
    { src_pod: 'web-1', dst_pod: '', dst_cluster: '', dst_attribution_reason: 'no_object' },
  ],
  'and that cluster’s pod where they do': [
    from('east', '10.9.0.1'),
    meshed,
    {
      dst_pod: 'queue-1',
      dst_cluster: 'flat',
      dst_attribution: 'exact',
      dst_attribution_reason: 'other_cluster',
      src_cluster: 'east',
      src_attribution_reason: 'object',
    },
  ],
  'in both directions': [
    { ...from('flat', '10.9.0.1'), src_address: '10.0.0.1' },
    meshed,
    {
      src_pod: 'web-1',
      src_cluster: 'east',
      src_attribution_reason: 'other_cluster',
      dst_cluster: 'flat',
      dst_attribution_reason: 'object',
    },
  ],
  'an address two other clusters have is neither’s for sure': [
    from('third', '10.0.0.1'),
    { meshes: [['third', 'east', 'west']] },
    {
      dst_pod: '',
      dst_cluster: '',
      dst_candidates: 'shop/api-1,shop/web-1',
      dst_attribution: 'ambiguous',
      dst_attribution_reason: 'several_objects',
    },
  ],
  'a listener on a node of another cluster is found by its port': [
    from('east', '172.20.0.9', 9100),
    meshed,
    { dst_pod: 'agent-1', dst_cluster: 'flat', dst_attribution_reason: 'other_cluster' },
  ],
  'what shares the address of a node there stays as unsure as here': [
    from('east', '172.20.0.9', 22),
    meshed,
    { dst_pod: '', dst_node: 'node-f', dst_cluster: 'flat', dst_candidates: 'shop/agent-1', dst_attribution: 'ambiguous' },
  ],
  'a gateway of another cluster is that cluster’s service': [
    from('east', '203.0.113.50', 15_443),
    { gateways: [['flat', 'east']] },
    {
      dst_service: 'shop/gateway',
      dst_cluster: 'flat',
      dst_attribution: 'exact',
      dst_attribution_reason: 'other_cluster',
      before_translation: false,
    },
  ],
  'its pods are not reached by gateways alone': [
    from('east', '10.9.0.1'),
    { gateways: [['flat', 'east']] },
    { dst_pod: '', dst_cluster: '' },
  ],
  'the inner address of a service is reached from its own cluster only': [
    from('east', '10.96.0.50', 15_443),
    meshed,
    { dst_service: '', dst_cluster: '', dst_attribution_reason: 'no_object' },
  ],
  'where the source names the cluster of an end, it is looked for there': [
    from('east', '10.0.0.1', 80, { dst_cluster: 'west' }),
    {},
    { src_pod: 'web-1', dst_pod: 'api-1', dst_cluster: 'west' },
  ],
}

for (const [title, [record, reachable, expected]] of Object.entries(clusters))
  test(title, async t => {
    const [row] = await enriched(steps(tableOf(...world), reachable), [record])
    t.like(row, expected)
  })

test('crowds of different clusters in one block are different crowds', async t => {
  const table = tableOf(
    ...['east', 'west'].flatMap(cluster => {
      const { node, pod } = objectsOf(cluster)
      const agent = { host_network: true, node: `node-${cluster}`, ports: ['tcp/9100'] }
      return [node(`node-${cluster}`, '192.168.0.1'), pod(`agent-${cluster}`, '192.168.0.1', agent)]
    }),
  )
  const records = ['east', 'west', ''].flatMap(cluster => [from(cluster, '192.168.0.1', 22), from(cluster, '192.168.0.1', 9100)])
  const rows = await enriched(steps(table), records)
  t.deepEqual(
    rows.map(row => [row.dst_cluster, row.dst_node, row.dst_pod, row.dst_candidates]),
    [
      ['east', 'node-east', '', 'shop/agent-east'],
      ['east', 'node-east', 'agent-east', ''],
      ['west', 'node-west', '', 'shop/agent-west'],
      ['west', 'node-west', 'agent-west', ''],
      ['', '', '', ''],
      ['', '', '', ''],
    ],
  )
})

test('a pod of the host network that perhaps ended may still be the listener, and that is said', async t => {
  const table = tableOf(node('node-1', '192.168.0.1'), onNode('agent-1', '192.168.0.1', 'tcp/9100', { valid_to: 9000, ended_after: 5000 }))
  const rows = await enriched(steps(table), [to('192.168.0.1', 9100), to('192.168.0.1', 9100, { time: 6000 })])
  t.like(rows[0], { dst_pod: 'agent-1', dst_attribution: 'exact', dst_attribution_reason: 'listener' })
  t.like(rows[1], { dst_pod: 'agent-1', dst_attribution: 'ambiguous', dst_attribution_reason: 'perhaps_ended' })
})
