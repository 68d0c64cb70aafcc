import test from 'ava'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { network } from '../../enricher/steps/network.ts'
import { orientation } from '../../enricher/steps/orientation.ts'
import { vantage } from '../../enricher/steps/vantage.ts'
import { Draft, type Step } from '../../enricher/step.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { Block } from '../../runtime/block/block.ts'
import { openBlock } from '../../runtime/block/message.ts'
import { ConfigError } from '../../runtime/error.ts'
import { claimableFields } from '../../schema/ends.ts'
import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import { type KindName, kinds } from '../../schema/record.ts'
import { deliveredOf } from '../helpers/blocks.ts'

const base = { cluster: 'east', source: 'kubernetes', valid_to: openEnd }
const cart: ObjectVersion = {
  ...base,
  kind: 'pod',
  namespace: 'shop',
  name: 'cart-1',
  uid: 'a',
  valid_from: 1000,
  valid_to: 2000,
  addresses: ['10.0.0.1', 'fd00::1'],
  node: 'node-1',
  workload: 'cart',
  workload_kind: 'Deployment',
  services: ['shop/cart'],
  service_account: 'cart',
  spiffe_id: 'spiffe://shop.example/ns/shop/sa/cart',
}
const fraud: ObjectVersion = {
  ...cart,
  namespace: 'payments',
  name: 'fraud-1',
  uid: 'b',
  valid_from: 2000,
  valid_to: openEnd,
  workload: 'fraud',
  services: [],
}
const node: ObjectVersion = { ...base, kind: 'node', name: 'node-1', uid: 'n', valid_from: 0, addresses: ['192.168.0.1'], zone: 'zone-a' }
const agent: ObjectVersion = {
  ...base,
  kind: 'pod',
  namespace: 'kube-system',
  name: 'agent',
  uid: 'c',
  valid_from: 5000,
  host_network: true,
  addresses: ['192.168.0.1'],
  node: 'node-1',
}
const service: ObjectVersion = {
  ...base,
  kind: 'service',
  namespace: 'shop',
  name: 'cart',
  uid: 's',
  valid_from: 0,
  addresses: ['10.96.0.1'],
  ports: ['tcp/8080'],
}

async function enriched(steps: Step[], records: object[], kind: KindName = 'flow') {
  const draft = new Draft(kinds[kind], openBlock(await deliveredOf(kind, records)))
  for (const step of steps) step.enrich(draft)
  return new Block(draft.block.with(draft.written), kinds[kind]).records()
}

function tableOf(...versions: ObjectVersion[]): ObjectTable {
  const table = new ObjectTable()
  for (const version of versions) table.add(version)
  return table
}

const all = [cart, fraud, node, agent, service]
const at = (time: number, address: string, claim: object = {}) => ({ cluster: 'east', time, src_address: address, ...claim })

const cases: Record<string, [record: object, expected: object]> = {
  'an address handed on belongs to its first pod until then': [
    at(1999, '10.0.0.1'),
    {
      src_pod: 'cart-1',
      src_workload: 'cart',
      src_zone: 'zone-a',
      src_spiffe_id: 'spiffe://shop.example/ns/shop/sa/cart',
      src_service: 'shop/cart',
      src_attribution: 'exact',
      src_attribution_reason: 'object',
    },
  ],
  'and to the next pod from then on': [at(2000, '10.0.0.1'), { src_pod: 'fraud-1', src_namespace: 'payments', src_attribution: 'exact' }],
  'before its first pod it is nobody’s, and that is said': [
    at(999, '10.0.0.1'),
    { src_pod: '', src_attribution: 'none', src_attribution_reason: 'no_object_at_that_time' },
  ],
  'every address of a pod is its own': [at(1500, 'fd00::1'), { src_pod: 'cart-1', src_attribution: 'exact' }],
  'an address of IPv4 that is told in the form of IPv6 is the same address, of the same pod': [
    at(1500, '::ffff:10.0.0.1'),
    { src_address: '10.0.0.1', src_pod: 'cart-1', src_attribution: 'exact' },
  ],
  'the same address in another cluster is somebody else’s': [
    { ...at(1500, '10.0.0.1'), cluster: 'west' },
    { src_pod: '', src_attribution: 'none', src_attribution_reason: 'no_object' },
  ],
  'what the source says itself stays, and what it left out is completed': [
    at(1500, '10.0.0.1', { src_pod: 'cart-1', src_namespace: 'shop', src_workload: 'cart-v2' }),
    {
      src_workload: 'cart-v2',
      src_service_account: 'cart',
      src_node: 'node-1',
      src_attribution: 'exact',
      src_attribution_reason: 'claim_agrees',
    },
  ],
  'where the source and the objects differ, the source stays and nothing is mixed in': [
    at(1500, '10.0.0.1', { src_pod: 'other', src_namespace: 'shop' }),
    { src_pod: 'other', src_workload: '', src_node: '', src_attribution: 'ambiguous', src_attribution_reason: 'claim_differs' },
  ],
  'a claim without an object is first-hand': [
    at(1500, '10.9.9.9', { src_pod: 'x', src_namespace: 'y' }),
    { src_pod: 'x', src_attribution: 'exact', src_attribution_reason: 'claim' },
  ],
  'a node is a node': [at(1500, '192.168.0.1'), { src_node: 'node-1', src_pod: '', src_zone: 'zone-a', src_attribution: 'exact' }],
  'a pod on the host network makes its node ambiguous, never a guess': [
    at(6000, '192.168.0.1'),
    { src_node: 'node-1', src_pod: '', src_attribution: 'ambiguous', src_attribution_reason: 'host_network' },
  ],
  'a service address is the service': [at(1500, '10.96.0.1'), { src_service: 'shop/cart', src_workload: '', src_attribution: 'exact' }],
  'the world is outside': [
    at(1500, '203.0.113.9', { src_entity: 'world' }),
    { src_attribution: 'none', src_attribution_reason: 'outside' },
  ],
  'no address, no attribution': [at(1500, ''), { src_attribution: 'none', src_attribution_reason: 'no_address' }],
}

for (const [title, [record, expected]] of Object.entries(cases))
  test(title, async t => {
    const [row] = await enriched([kubernetes(tableOf(...all))], [record])
    t.like(row, expected)
  })

test('rows of one block are told apart', async t => {
  const records = Object.values(cases).map(([record]) => record)
  const rows = await enriched([kubernetes(tableOf(...all))], records)
  Object.values(cases).forEach(([, expected], row) => t.like(rows[row], expected))
})

test('a version that ends later than was thought is prolonged, and one that ends earlier is cut', async t => {
  const table = tableOf({ ...cart, valid_to: openEnd })
  table.add({ ...cart, valid_to: 1200 })
  const rows = await enriched([kubernetes(table)], [at(1100, '10.0.0.1'), at(1300, '10.0.0.1')])
  t.deepEqual(
    rows.map(row => row.src_pod),
    ['cart-1', ''],
  )
})

test('a new version of an object ends the one before it, in whatever order they come', async t => {
  const first = { ...cart, valid_from: 1000, valid_to: openEnd }
  const second = { ...cart, valid_from: 1500, valid_to: openEnd, workload: 'cart-v2' }
  for (const versions of [
    [first, second],
    [second, first],
  ]) {
    const rows = await enriched([kubernetes(tableOf(...versions))], [at(1499, '10.0.0.1'), at(1500, '10.0.0.1')])
    t.deepEqual(
      rows.map(row => row.src_workload),
      ['cart', 'cart-v2'],
    )
  }
})

const ways: Record<string, [record: object, orientation: string, source: string, server: number]> = {
  'what the reporter says counts most': [{ is_reply: 'yes', tcp_flags: 2, src_port: 80, dst_port: 40000 }, 'reply', 'is_reply', 80],
  'a SYN goes forward': [{ tcp_flags: 2, src_port: 40000, dst_port: 8080 }, 'forward', 'syn', 8080],
  'a SYN with ACK comes back': [{ tcp_flags: 18, src_port: 8080, dst_port: 40000 }, 'reply', 'syn', 8080],
  'a port a service has is the server’s': [{ src_port: 8080, dst_port: 4000 }, 'reply', 'service', 8080],
  'the lower port is the server’s': [{ src_port: 50000, dst_port: 443 }, 'forward', 'lower_port', 443],
  'one port alone tells no server, and no end of port 0 is one': [{ src_port: 0, dst_port: 443 }, 'unknown', 'none', 443],
  'without ports nothing is known': [{ src_port: 0, dst_port: 0 }, 'unknown', 'none', 0],
}
for (const [title, [record, way, source, server]] of Object.entries(ways))
  test(title, async t => {
    const [row] = await enriched([orientation(tableOf(service))], [{ time: 1, ...record }])
    t.like(row, { orientation: way, orientation_source: source, server_port: server })
  })

test('an end that is nobody is named by the narrowest network', async t => {
  const steps = [kubernetes(tableOf(...all)), network({ office: ['203.0.113.0/24'], printer: ['203.0.113.7/32'] })]
  const addresses = ['203.0.113.7', '203.0.113.8', '8.8.8.8', '10.1.1.1', '2001:db8::1', '127.0.0.1', '10.0.0.1', '']
  const rows = await enriched(
    steps,
    addresses.map(address => at(1500, address)),
  )
  t.deepEqual(
    rows.map(row => row.src_network),
    ['printer', 'office', 'internet', 'private', 'internet', 'loopback', '', ''],
  )
})

test('a network that is no CIDR is named', t => {
  const error = t.throws(() => network({ office: ['203.0.113.0'] }), { instanceOf: ConfigError })
  t.is(error?.message, 'enrich.networks.office: expected a CIDR such as 10.0.0.0/8, got "203.0.113.0"')
})

test('what the source itself filled is marked, field by field, in the order of the list', async t => {
  const rows = await enriched(
    [kubernetes(tableOf(...all))],
    [at(1500, '10.0.0.1', { src_pod: 'cart-1', src_namespace: 'shop', src_entity: 'x' }), at(1500, '10.0.0.1', { src_namespace: 'shop' })],
  )
  const marked = (bits: number) => claimableFields.filter((_, bit) => bits & (1 << bit))
  t.deepEqual(
    rows.map(row => marked(row.src_claimed as number)),
    [['namespace', 'pod', 'entity'], ['namespace']],
  )
  t.like(rows[1], { src_pod: 'cart-1' })
})

test('where no source says who an end is, nothing is stored of that', async t => {
  const [row] = await enriched([kubernetes(tableOf(...all))], [at(1500, '10.0.0.1')])
  t.false('src_claimed' in row)
})

test('every field a step fills is written for every kind it is declared in, where there is something to say', async t => {
  // What says something of few rows only.
  const rare = ['src_claimed', 'dst_claimed', 'provisional', 'revision', 'direction_found']
  const places = { find: () => ({ as: 64_500, asName: 'Example Net', country: 'DE' }) }
  const steps = [orientation(tableOf()), kubernetes(tableOf(...all)), network({}, { places }), vantage(tableOf(...all))]
  const both = (address: string) => ({ cluster: 'east', time: 6000, src_address: address, dst_address: address })
  for (const kind of ['flow', 'request'] as const) {
    const [row] = await enriched(steps, [both('192.168.0.1'), both('10.96.0.1'), both('203.0.113.9')], kind)
    t.deepEqual(
      Object.keys(kinds[kind].fields).filter(
        name => !(name in row) && !rare.includes(name) && kinds[kind].fields[name as 'time'].filledBy !== 'identity',
      ),
      [],
    )
  }
})
