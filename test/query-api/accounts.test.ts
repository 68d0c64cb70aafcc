import test from 'ava'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { network } from '../../enricher/steps/network.ts'
import { orientation } from '../../enricher/steps/orientation.ts'
import { vantage } from '../../enricher/steps/vantage.ts'
import { Draft } from '../../enricher/step.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { ask } from '../../query-api/query.ts'
import { Block } from '../../runtime/block/block.ts'
import { openBlock } from '../../runtime/block/message.ts'
import { openEnd } from '../../schema/object.ts'
import { kinds } from '../../schema/record.ts'
import { FlowReader } from '../../collectors/goldmane/message.ts'
import { countsOf, rowsOf } from '../../collectors/goldmane/rows.ts'
import { defaultDeny, encodeResult, flow } from '../collectors/goldmane/flows.ts'
import { type Plain, acl, arrived, ip, record, time } from '../collectors/netobserv/records.ts'
import { rows } from '../collectors/netobserv/rows.ts'
import { deliveredOf } from '../helpers/blocks.ts'
import { type TestDatabase, hasClickHouse, openTestDatabase } from '../helpers/clickhouse.ts'
import { store } from './records.ts'
import { at, now, range } from './traffic.ts'

type Records = Record<string, unknown>[]

/** Packets from web to cart for five minutes, a record a minute. */
const everyMinute = (of: (more: Plain) => Plain, more: Plain = {}) =>
  Array.from({ length: 5 }, (_, minute) =>
    of({ time_flow_start: time(at(minute * 60) / 1000), time_flow_end: time(at(minute * 60 + 4) / 1000), ...more }),
  )

const back = {
  network: { src_addr: ip('10.129.0.9'), dst_addr: ip('10.128.0.7') },
  transport: { src_port: 8080, dst_port: 40000, protocol: 6 },
  flags: 256,
  bytes: 300,
  packets: 2,
}
/** Where the names of interfaces say nothing. */
const within = { dup_list: [{ interface: 'cali1', direction: 'INGRESS' }] }

/** What Goldmane tells of five minutes, at both ends. */
function calico(start: number, more: Plain = {}, counts: Plain = {}): Records {
  const reader = new FlowReader()
  return Array.from({ length: 5 }, (_, minute) => {
    const bytes = encodeResult(flow(start + minute * 60, more, counts))
    const read = reader.readResult(bytes, 0, bytes.length)!
    return rowsOf(read, countsOf(read), { source: 'goldmane', reporter: 'goldmane', cluster: 'one', received: now * 1000 })
  }).flat()
}
const start = Math.floor(at(0) / 1e6)
const atSource = { packets_in: 8, packets_out: 10, bytes_in: 800, bytes_out: 1000 }

const truths: Record<string, [records: () => Promise<Records>, question: Parameters<typeof ask>[0], rows: unknown[][]]> = {
  'NetObserv: a conversation both nodes report counts its bytes once': [
    async () => (await rows(...everyMinute(record), ...everyMinute(arrived))).flow,
    { metrics: ['bytes', 'packets', 'connections', 'flows', 'records', 'sent', 'received'] },
    [[7500, 50, 5, 5, 10, 5, 5]],
  ],
  'NetObserv: so it does where only the objects tell which node has which end': [
    async () => (await rows(...everyMinute(record, within), ...everyMinute(arrived, within))).flow,
    { metrics: ['bytes', 'flows', 'records'] },
    [[7500, 5, 10]],
  ],
  'NetObserv: what goes and what comes back are added up': [
    async () =>
      (await rows(...everyMinute(record), ...everyMinute(arrived), ...everyMinute(record, back), ...everyMinute(arrived, back))).flow,
    { metrics: ['bytes'], by: ['orientation'] },
    [
      ['forward', 7500],
      ['reply', 1500],
    ],
  ],
  'NetObserv: one node alone counts all the same': [
    async () => (await rows(...everyMinute(record))).flow,
    { metrics: ['bytes', 'flows'] },
    [[7500, 5]],
  ],
  'NetObserv: a sample counts by its weight': [
    async () => (await rows(...everyMinute(record, { sampling: 50 }))).flow,
    { metrics: ['bytes'] },
    [[375_000]],
  ],
  'NetObserv: packets on their way to a service are not counted again': [
    async () => {
      const toService = { network: { src_addr: ip('10.128.0.7'), dst_addr: ip('172.30.0.10') } }
      const xlat = { xlat: { src_addr: ip('10.128.0.7'), dst_addr: ip('10.129.0.9') } }
      return (await rows(...everyMinute(record), ...everyMinute(record, { ...toService, ...xlat }))).flow
    },
    { metrics: ['bytes', 'flows', 'records'] },
    [[7500, 5, 10]],
  ],
  'NetObserv: drops are drops, and add nothing to what was counted': [
    async () => (await rows(...everyMinute(record, { pkt_drop_packets: 2, pkt_drop_bytes: 9, pkt_drop_latest_drop_cause: 3 }))).flow,
    { metrics: ['bytes', 'flows', 'connections', 'drops', 'denials'] },
    [[7500, 5, 5, 5, 0]],
  ],
  'NetObserv: what a policy of OVN-Kubernetes denied is a denial, with its policy': [
    async () => (await rows(...everyMinute(record, { network_events_metadata: [acl('drop')] }))).flow,
    { metrics: ['denials'], by: ['policy_kind', 'policy_namespace', 'policy_name'] },
    [['NetworkPolicy', 'shop', 'only-checkout', 5]],
  ],
  'Goldmane: a conversation both ends report counts its bytes and connections once': [
    async () => [...calico(start), ...calico(start, { reporter: 'Src' }, atSource)],
    { metrics: ['bytes', 'connections', 'records'] },
    [[9000, 10, 20]],
  ],
  'Goldmane: what a policy denied is a denial, beside what is allowed': [
    async () => [
      ...calico(start),
      ...calico(start, defaultDeny, { packets_out: 0, bytes_out: 0 }),
      ...calico(start, { reporter: 'Src' }, atSource),
    ],
    { metrics: ['denials', 'drops', 'connections'], by: ['orientation'] },
    [
      ['forward', 5, 5, 10],
      ['reply', 0, 0, 0],
    ],
  ],
  'Goldmane: the policy behind a default deny is named': [
    async () => calico(start, defaultDeny, { packets_out: 0, bytes_out: 0 }),
    { metrics: ['denials'], by: ['policy_kind', 'policy_name'] },
    [['NetworkPolicy', 'only-checkout', 5]],
  ],
}

const base = { cluster: 'one', source: 'kubernetes', valid_from: 0, valid_to: openEnd }
const objects = new ObjectTable()
for (const [name, address] of [
  ['node-1', '192.168.0.1'],
  ['node-2', '192.168.0.2'],
])
  objects.add({ ...base, kind: 'node', name, uid: name, addresses: [address] })
for (const [workload, address, node] of [
  ['web', '10.128.0.7', 'node-1'],
  ['cart', '10.129.0.9', 'node-2'],
])
  objects.add({ ...base, kind: 'pod', namespace: 'shop', name: `${workload}-1`, uid: workload, addresses: [address], node, workload })

/** As the enricher stores them. */
async function enriched(records: Records): Promise<Records> {
  const own = records.map(record => ({ ...record, cluster: 'one' }))
  const draft = new Draft(kinds.flow, openBlock(await deliveredOf('flow', own)))
  for (const step of [orientation(objects), kubernetes(objects), network(), vantage(objects)]) step.enrich(draft)
  return new Block(draft.block.with(draft.written), kinds.flow).records()
}

let database: TestDatabase
test.before(async t => {
  if (await hasClickHouse(t)) database = await openTestDatabase()
})
test.after.always(() => database?.[Symbol.asyncDispose]())

Object.entries(truths).forEach(([promise, [records, question, expected]], i) => {
  test(promise, async t => {
    if (!database) return t.pass()
    const { clickhouse } = database
    const cluster = `accounts-${i}`
    await store(
      clickhouse,
      'flow',
      (await enriched(await records())).map(record => ({ ...record, cluster })),
    )
    const answer = await ask({ ...range, ...question, where: `cluster = ${cluster}` }, { clickhouse, now })
    t.deepEqual(answer.rows, expected, answer.meta.sql)
    return undefined
  })
})
