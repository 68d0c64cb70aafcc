import test from 'ava'
import { dns } from '../../enricher/steps/dns.ts'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { NameTable, nameAt } from '../../enricher/tables/names.ts'
import { enriched, objectsOf, tableOf } from './enriched.ts'

const { pod, node } = objectsOf('east')
const objects = tableOf(
  pod('web-1', '10.0.0.1', { addresses: ['10.0.0.1', 'fd00::1'] }),
  pod('cart-1', '10.0.0.2'),
  pod('early-1', '10.0.0.3', { valid_to: 100e6 }),
  pod('late-1', '10.0.0.3', { valid_from: 100e6 }),
  node('node-1', '192.168.0.1'),
)
const second = 1e6
const minute = 60 * second

const answer = (name: string, answers: string[], more: object = {}) => ({
  cluster: 'east',
  time: 10 * second,
  protocol: 'dns',
  phase: 'response',
  src_address: '10.0.0.1',
  dst_address: '10.0.0.53',
  dns_query: `${name}.`,
  dns_answers: answers,
  dns_ttl: 600,
  ...more,
})
const to = (address: string, more: object = {}) => ({
  cluster: 'east',
  time: 11 * second,
  src_address: '10.0.0.1',
  dst_address: address,
  ...more,
})
const back = (address: string, more: object = {}) => ({ ...to('10.0.0.1', more), src_address: address })

const cases: Record<string, [answers: object[], record: object, expected: object]> = {
  'an address outside has the name its client had got it for': [
    [answer('api.example.org', ['203.0.113.1'])],
    to('203.0.113.1'),
    { dst_dns_name: 'api.example.org', src_dns_name: '' },
  ],
  'on the way back as well': [[answer('api.example.org', ['203.0.113.1'])], back('203.0.113.1'), { src_dns_name: 'api.example.org' }],
  'not what another client had got it for': [
    [answer('api.example.org', ['203.0.113.1'])],
    to('203.0.113.1', { src_address: '10.0.0.2' }),
    { dst_dns_name: '' },
  ],
  'nor one of another cluster with the same address': [
    [answer('api.example.org', ['203.0.113.1'], { cluster: 'west' })],
    to('203.0.113.1'),
    { dst_dns_name: '' },
  ],
  'nor the pod that had the address of the client before': [
    [answer('api.example.org', ['203.0.113.1'], { src_address: '10.0.0.3', time: 90 * second })],
    to('203.0.113.1', { src_address: '10.0.0.3', time: 110 * second }),
    { src_pod: 'late-1', dst_dns_name: '' },
  ],
  'a pod is one client with all its addresses': [
    [answer('api.example.org', ['2001:db8::1', '203.0.113.1'])],
    to('2001:db8::1', { src_address: 'fd00::1' }),
    { dst_dns_name: 'api.example.org' },
  ],
  'what the source says stays': [
    [answer('api.example.org', ['203.0.113.1'])],
    to('203.0.113.1', { dst_dns_name: 'said.example.org' }),
    { dst_dns_name: 'said.example.org' },
  ],
  'an answer holds as long as it says': [
    [answer('api.example.org', ['203.0.113.1'])],
    to('203.0.113.1', { time: 10 * second + 10 * minute - 1 }),
    { dst_dns_name: 'api.example.org' },
  ],
  'and no longer': [
    [answer('api.example.org', ['203.0.113.1'])],
    to('203.0.113.1', { time: 10 * second + 10 * minute }),
    { dst_dns_name: '' },
  ],
  'but some minutes at least': [
    [answer('api.example.org', ['203.0.113.1'], { dns_ttl: 1 })],
    to('203.0.113.1', { time: 4 * minute }),
    { dst_dns_name: 'api.example.org' },
  ],
  'nothing is named before it was answered': [
    [answer('api.example.org', ['203.0.113.1'])],
    to('203.0.113.1', { time: 5 * second }),
    { dst_dns_name: '' },
  ],
  'of two names the one got last before is taken': [
    [
      answer('first.example.org', ['203.0.113.1']),
      answer('second.example.org', ['203.0.113.1'], { time: 20 * second }),
      answer('third.example.org', ['203.0.113.1'], { time: 40 * second }),
    ],
    to('203.0.113.1', { time: 30 * second }),
    { dst_dns_name: 'second.example.org' },
  ],
  'the name is what was asked for, not what it led to': [
    [answer('www.example.org', ['edge.cdn.example.net', '203.0.113.1'])],
    to('203.0.113.1'),
    { dst_dns_name: 'www.example.org' },
  ],
  'pods, nodes and services have names of their own': [
    [answer('odd.example.org', ['10.0.0.2', '192.168.0.1'])],
    to('192.168.0.1'),
    { dst_node: 'node-1', dst_dns_name: '' },
  ],
  'a client nobody knows is known by its address': [
    [answer('api.example.org', ['203.0.113.1'], { src_address: '172.31.0.1' })],
    to('203.0.113.1', { src_address: '172.31.0.1' }),
    { dst_dns_name: 'api.example.org' },
  ],
  'without an address all clients of a cluster are one': [
    [answer('api.example.org', ['203.0.113.1'], { src_address: '' })],
    to('203.0.113.1', { src_address: '' }),
    { dst_dns_name: 'api.example.org' },
  ],
  'an IPv4 address in IPv6 form is the same address': [
    [answer('api.example.org', ['::ffff:203.0.113.1'])],
    to('203.0.113.1'),
    { dst_dns_name: 'api.example.org' },
  ],
  'answers that are none say nothing': [
    [answer('', ['203.0.113.1']), answer('api.example.org', []), answer('api.example.org', ['', 'x'])],
    to('203.0.113.1'),
    { dst_dns_name: '' },
  ],
}

for (const [title, [answers, record, expected]] of Object.entries(cases))
  test(title, async t => {
    const steps = [kubernetes(objects), dns(new NameTable(), objects)]
    await enriched(steps, answers, 'request')
    const [row] = await enriched(steps, [record])
    t.like(row, expected)
  })

test('records of one block are told apart, and a request learns from those before it', async t => {
  const steps = [kubernetes(objects), dns(new NameTable(), objects)]
  const requests = [answer('api.example.org', ['203.0.113.1']), { ...to('203.0.113.1'), protocol: 'http' }]
  const [, request] = await enriched(steps, requests, 'request')
  t.is(request.dst_dns_name, 'api.example.org')
  const rows = await enriched(steps, [
    to('203.0.113.1'),
    to('203.0.113.1', { src_address: '10.0.0.2' }),
    to('203.0.113.2'),
    to('203.0.113.1', { dst_dns_name: 'said.example.org' }),
    back('203.0.113.1'),
    to('203.0.113.1', { time: 60 * minute }),
  ])
  t.deepEqual(
    rows.map(row => [row.src_dns_name, row.dst_dns_name]),
    [
      ['', 'api.example.org'],
      ['', ''],
      ['', ''],
      ['', 'said.example.org'],
      ['api.example.org', ''],
      ['', ''],
    ],
  )
})

test('so many names are remembered and no more, and what made room is counted', t => {
  let evicted = 0
  const names = new NameTable({ max: 100, onEvicted: () => evicted++ })
  const learn = (i: number) => names.learn('client', `address-${i}`, { name: `name-${i}`, time: i, ttl: 60 })
  for (let i = 0; i < 100; i++) learn(i)
  // Heard of again, and so not the oldest any more.
  learn(0)
  for (let i = 100; i < 150; i++) learn(i)
  t.is(names.size, 100)
  t.is(evicted, 50)
  t.is(nameAt(names.answers('client', 'address-0'), 10), 'name-0')
  t.is(nameAt(names.answers('client', 'address-1'), 10), '')
})

test('however often an address changes its name, little is kept of it', t => {
  const names = new NameTable()
  for (let i = 0; i < 1000; i++) names.learn('client', 'address', { name: `name-${i}`, time: i * second, ttl: 1 })
  t.true(names.answers('client', 'address')!.length <= 4)
  t.is(nameAt(names.answers('client', 'address'), 999 * second), 'name-999')
})
