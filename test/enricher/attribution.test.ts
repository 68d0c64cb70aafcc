import test from 'ava'
import type { Reachable } from '../../enricher/ends/clusters.ts'
import { Draft } from '../../enricher/step.ts'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { Block } from '../../runtime/block/block.ts'
import { openBlock } from '../../runtime/block/message.ts'
import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import { kinds } from '../../schema/record.ts'
import { deliveredOf } from '../helpers/blocks.ts'

const second = 1e6
const base = { cluster: 'east', source: 'kubernetes', kind: 'pod', namespace: 'shop', valid_from: 0, valid_to: openEnd } as const
const pod = (name: string, more: ObjectVersion = {}): ObjectVersion => ({
  ...base,
  name: `${name}-1`,
  uid: name,
  workload: name,
  service_account: name,
  addresses: ['10.0.0.1'],
  ...more,
})
const heartbeat = (time: number): ObjectVersion => ({ ...base, kind: 'cluster', name: 'east', uid: 'east', time })

const row = (time: number, more: object = {}) => ({ cluster: 'east', time, src_address: '10.0.0.1', ...more })

async function attributed(versions: readonly ObjectVersion[], records: readonly object[], reachable?: Reachable) {
  const objects = new ObjectTable()
  for (const version of versions) objects.add(version)
  const step = kubernetes(objects, { reachable })
  const draft = new Draft(kinds.flow, openBlock(await deliveredOf('flow', records)))
  step.enrich(draft)
  return new Block(draft.block.with(draft.written), kinds.flow).records()
}

const whoOf = ({ src_pod, src_attribution, src_attribution_reason, provisional = false }: Record<string, unknown>) =>
  [src_pod, src_attribution, src_attribution_reason, provisional ? 'provisional' : 'final'].join(' ')

/** Who has an address now, whatever the time of the record: how it goes wrong. */
const nowOf = (versions: readonly ObjectVersion[]) => versions.findLast(({ addresses }) => addresses?.includes('10.0.0.1'))?.name

test('trap 4: an address that was reused belongs to who had it at the time of the record', async t => {
  const versions = [pod('first', { valid_to: 10 * second }), pod('second', { valid_from: 10.5 * second })]
  const rows = await attributed(versions, [row(9 * second), row(10.2 * second), row(11 * second)])
  t.deepEqual(rows.map(whoOf), ['first-1 exact object final', ' none no_object_at_that_time final', 'second-1 exact object final'])
  t.is(nowOf(versions), 'second-1')
})

test('trap 33: two jobs that had one address and came by one port are told apart by the time of each of their flows', async t => {
  const versions = [
    pod('report', { valid_from: 10 * second, valid_to: 12 * second }),
    pod('backup', { valid_from: 12.2 * second, valid_to: 14 * second }),
    pod('later', { valid_from: 20 * second }),
    pod('store', { addresses: ['10.0.0.9'] }),
  ]
  const job = (seconds: number) => row(seconds * second, { src_port: 40_000, dst_address: '10.0.0.9', dst_port: 5432 })
  const rows = await attributed(versions, [job(13), job(11), job(12.1), job(11.9), job(12.2)])
  t.deepEqual(rows.map(whoOf), [
    'backup-1 exact object final',
    'report-1 exact object final',
    ' none no_object_at_that_time final',
    'report-1 exact object final',
    'backup-1 exact object final',
  ])
  t.deepEqual([...new Set(rows.map(({ dst_pod }) => dst_pod))], ['store-1'])
  t.is(nowOf(versions), 'later-1')
})

test('trap 5: a record that comes ten minutes late belongs to who has long gone', async t => {
  const versions = [
    pod('job', { valid_from: 100 * second, valid_to: 102 * second }),
    pod('later', { valid_from: 300 * second }),
    heartbeat(900 * second),
  ]
  const [late] = await attributed(versions, [row(101 * second, { received: 701 * second, reporter: 'n', source: 'a' })])
  t.like(late, { src_pod: 'job-1', src_attribution_reason: 'clock_skew' })
  const [timely, later] = await attributed(versions, [
    row(101 * second, { received: 101.1 * second, reporter: 'n', source: 'a' }),
    row(101 * second, { received: 701 * second, reporter: 'n', source: 'a' }),
  ])
  t.deepEqual([timely, later].map(whoOf), ['job-1 exact object final', 'job-1 exact object final'])
  t.is(nowOf(versions), 'later-1')
})

test('trap 6: a clock that is ahead is set right, and one that may be behind is not believed to the second', async t => {
  const versions = [pod('first', { valid_to: 10 * second }), pod('second', { valid_from: 10 * second }), heartbeat(900 * second)]
  const by = (reporter: string) => ({ source: 'agent', reporter })
  const rows = await attributed(versions, [
    // Sent at 9 s by a clock two seconds ahead, received at once.
    row(11 * second, { received: 9.05 * second, ...by('ahead') }),
    // Sent at 11 s by a clock two seconds behind: what was received two seconds after its time, or was it late?
    row(9 * second, { received: 11.05 * second, ...by('behind') }),
    row(30 * second, { received: 32.05 * second, ...by('behind') }),
    row(9 * second, { received: 9.05 * second, ...by('right') }),
  ])
  t.deepEqual(rows.map(whoOf), [
    'first-1 exact object final',
    ' ambiguous clock_skew final',
    'second-1 exact object final',
    'first-1 exact object final',
  ])
  const byItsOwnClock = (time: number) => versions.find(({ valid_from = 0, valid_to = 0 }) => time >= valid_from && time < valid_to)?.name
  t.deepEqual([byItsOwnClock(11 * second), byItsOwnClock(9 * second)], ['second-1', 'first-1'])
  t.deepEqual(
    rows.map(({ time }) => time),
    [11, 9, 30, 9].map(time => time * second),
  )
})

test('an end that nobody saw is ambiguous from when it was surely there until when it surely was gone, and shows who it was probably', async t => {
  const gone = pod('cart', { valid_to: 40 * second, ended_after: 10 * second })
  const times = [9, 10, 39, 40].map(time => row(time * second))
  t.deepEqual((await attributed([gone, heartbeat(100 * second)], times)).map(whoOf), [
    'cart-1 exact object final',
    'cart-1 ambiguous perhaps_ended provisional',
    'cart-1 ambiguous perhaps_ended provisional',
    ' none no_object_at_that_time provisional',
  ])
  const next = pod('next', { valid_from: 30 * second })
  t.deepEqual((await attributed([gone, next, heartbeat(100 * second)], times)).map(whoOf), [
    'cart-1 exact object final',
    'cart-1 ambiguous perhaps_ended provisional',
    ' ambiguous several_objects provisional',
    'next-1 exact object final',
  ])
  const told = { ...gone, valid_to: 20 * second, ended_after: 0 }
  t.deepEqual((await attributed([gone, told], times)).map(whoOf).slice(1, 3), [
    'cart-1 exact object final',
    ' none no_object_at_that_time final',
  ])
})

test('what is later than all that is known of the cluster is ambiguous, unless the source says who it is', async t => {
  const versions = [pod('cart'), heartbeat(100 * second)]
  const rows = await attributed(versions, [
    row(100 * second),
    row(101 * second),
    row(101 * second, { src_pod: 'cart-1', src_namespace: 'shop' }),
    row(101 * second, { src_pod: 'other-1', src_namespace: 'shop' }),
    row(101 * second, { src_workload: 'cart', src_namespace: 'shop' }),
    row(101 * second, { cluster: 'west' }),
  ])
  t.deepEqual(rows.map(whoOf), [
    'cart-1 exact object final',
    'cart-1 ambiguous stale_objects provisional',
    'cart-1 exact claim_agrees final',
    'other-1 exact claim final',
    'cart-1 ambiguous stale_objects provisional',
    ' none no_object final',
  ])
  t.like(rows[2], { src_workload: 'cart' })
  t.like(rows[3], { src_workload: '' })
})

test('an address of which nothing is known may become known where the cluster has pods or services, never outside', async t => {
  const versions = [
    pod('cart'),
    pod('six', { addresses: ['fd00:1::1'] }),
    pod('host', { addresses: ['192.168.9.1'], host_network: true }),
    { ...base, kind: 'node', name: 'n', uid: 'n', addresses: ['192.168.9.1'], spec: '{"podCIDRs":["10.7.0.0/16","fd07::/64"]}' },
    { ...base, kind: 'service', name: 's', uid: 's', addresses: ['10.96.0.1', '198.51.100.1'] },
    heartbeat(100 * second),
  ] satisfies ObjectVersion[]
  const may = ['10.0.0.77', '10.7.200.1', '10.96.0.99', 'fd00:1::99', 'fd07::1']
  const never = ['10.0.1.1', '10.8.0.1', '198.51.100.9', '203.0.113.1', '2001:db8::1', '192.168.9.7']
  const rows = await attributed(
    versions,
    [...may, ...never].map(address => row(50 * second, { src_address: address })),
  )
  t.deepEqual(
    rows.map(({ provisional }) => Boolean(provisional)),
    [...may.map(() => true), ...never.map(() => false)],
  )
  const [outside] = await attributed(versions, [row(50 * second, { src_address: '10.0.0.77', src_entity: 'world' })])
  t.is(whoOf(outside), ' none outside final')
})

test('nor is an address for good that may become that of a pod of a neighbour', async t => {
  const inWest = { cluster: 'west', addresses: ['10.9.0.1'] }
  const versions = [pod('cart'), pod('far', inWest), heartbeat(100 * second)]
  const watched = [...versions, { ...heartbeat(100 * second), cluster: 'west' }]
  const records = [row(50 * second, { src_address: '10.9.0.77' }), row(50 * second, { src_address: '203.0.113.1' })]
  const marks = async (...given: Parameters<typeof attributed>) =>
    (await attributed(...given)).map(({ provisional }) => Boolean(provisional))
  t.deepEqual(await marks(watched, records, { meshes: [['east', 'west']] }), [true, false])
  t.deepEqual(await marks(watched, records, { gateways: [['east', 'west']] }), [false, false], 'its pods are not reached')
  t.deepEqual(await marks(watched, records), [false, false])
  t.deepEqual(await marks(versions, records, { meshes: [['east', 'west']] }), [false, false], 'nobody says up to when it is complete')
})

test('of a cluster of which nobody says up to when it is complete nothing is provisional', async t => {
  const rows = await attributed([pod('cart', { valid_to: 40 * second, ended_after: 10 * second })], [row(20 * second), row(50 * second)])
  t.deepEqual(rows.map(whoOf), ['cart-1 ambiguous perhaps_ended final', ' none no_object_at_that_time final'])
})

const certificate = (account: string) => ({ src_spiffe_id: `spiffe://mesh/ns/shop/sa/${account}`, src_spiffe_id_source: 'certificate' })
const node: ObjectVersion = { ...base, kind: 'node', name: 'n', uid: 'n', addresses: ['192.168.9.1'] }
const onHost = pod('agent', { addresses: ['192.168.9.1'], host_network: true })
const service: ObjectVersion = { ...base, kind: 'service', name: 'cart', uid: 's', addresses: ['10.96.0.1'] }

const claims: Record<string, [claim: object, who: string]> = {
  'a pod alone that is the one': [{ src_pod: 'cart-1' }, 'cart-1 exact claim_agrees final'],
  'a pod alone that is another': [{ src_pod: 'x-1' }, 'x-1 ambiguous claim_differs final'],
  'a pod of another namespace': [{ src_pod: 'cart-1', src_namespace: 'other' }, 'cart-1 ambiguous claim_differs final'],
  'a namespace alone that is the one': [{ src_namespace: 'shop' }, 'cart-1 exact claim_agrees final'],
  'a namespace alone that is another': [{ src_namespace: 'other' }, ' ambiguous claim_differs final'],
  'a workload without a namespace': [{ src_workload: 'cart' }, 'cart-1 exact claim_agrees final'],
  'a service account that is the one': [{ src_service_account: 'cart', src_namespace: 'shop' }, 'cart-1 exact claim_agrees final'],
  'a service account that is another': [{ src_service_account: 'x' }, ' ambiguous claim_differs final'],
  'a certificate that is the one’s': [certificate('cart'), 'cart-1 exact claim_agrees final'],
  'a certificate that is another’s': [certificate('x'), 'cart-1 ambiguous claim_differs final'],
  'a certificate of another form': [
    { src_spiffe_id: 'spiffe://mesh/cart', src_spiffe_id_source: 'certificate' },
    'cart-1 exact claim final',
  ],
  'a pod on the host network': [{ src_address: '192.168.9.1', src_pod: 'agent-1' }, 'agent-1 exact claim_agrees final'],
  'a pod nobody knows on the host network': [{ src_address: '192.168.9.1', src_pod: 'x-1' }, 'x-1 exact claim final'],
  'a workload behind a service’s address': [{ src_address: '10.96.0.1', src_workload: 'cart' }, ' exact claim final'],
  'a certificate and an unknown address': [{ src_address: '10.9.9.9', ...certificate('cart') }, ' exact claim final'],
  'a namespace alone and an unknown address': [{ src_address: '10.9.9.9', src_namespace: 'shop' }, ' none no_object final'],
}
for (const [title, [claim, who]] of Object.entries(claims))
  test(`a claim: ${title}`, async t => {
    const [found] = await attributed([pod('cart'), node, onHost, service, heartbeat(100 * second)], [row(50 * second, claim)])
    t.is(whoOf(found), who)
    t.like(found, claim)
    if (who.startsWith(' ') && who.includes('differs')) t.like(found, { src_node: '', src_workload: '' })
  })

test('a claim that another object contradicts which has perhaps ended is no disagreement', async t => {
  const gone = pod('cart', { valid_to: 40 * second, ended_after: 10 * second })
  const [found] = await attributed([gone, heartbeat(100 * second)], [row(20 * second, { src_pod: 'next-1', src_namespace: 'shop' })])
  t.is(whoOf(found), 'next-1 exact claim final')
})

test('a version that is told again with an address has it', async t => {
  const rows = await attributed([pod('cart', { addresses: [] }), pod('cart')], [row(20 * second)])
  t.deepEqual(rows.map(whoOf), ['cart-1 exact object final'])
})

test('two versions of one pod are one pod, also around the moment between them', async t => {
  const versions = [pod('cart'), pod('cart', { valid_from: 20 * second, workload: 'cart-v2' }), heartbeat(100 * second)]
  const [found] = await attributed(versions, [row(20 * second, { received: 20.5 * second, source: 'a', reporter: 'n' })])
  t.is(whoOf(found), 'cart-1 exact object final')
})
