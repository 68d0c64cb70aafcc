import test from 'ava'
import fc from 'fast-check'
import type { Message } from '../../../collectors/ipfix/run.ts'
import { Totals } from '../../../collectors/ipfix/totals.ts'
import { openDecoder, received } from './decoding.ts'
import { ipfix, ipfixTemplate, ipv4, number, set, uint16 } from './encode.ts'

const u8 = (value: number) => Buffer.from([value])
const octetTotal = 85
const packetTotal = 86
const reverse = 29305
const ends = [
  { id: 8, length: 4 },
  { id: 12, length: 4 },
  { id: 7, length: 2 },
  { id: 11, length: 2 },
  { id: 4, length: 1 },
]
const both = [
  ...ends,
  { id: 152, length: 8 },
  { id: octetTotal, length: 8 },
  { id: packetTotal, length: 8 },
  { id: octetTotal, length: 8, enterprise: reverse },
  { id: packetTotal, length: 8, enterprise: reverse },
  { id: 136, length: 1 },
]
const millis = received / 1000

interface Told {
  port?: number
  start?: number
  there: number
  back?: number
  endReason?: number
}

const endsOf = (port: number) => Buffer.concat([ipv4('10.0.0.1'), ipv4('10.0.0.2'), uint16(port), uint16(443), u8(6)])
const record = ({ port = 40000, start = millis, there, back = 0, endReason = 2 }: Told) =>
  Buffer.concat([endsOf(port), number(start, 8), ...[there * 100, there, back * 100, back].map(count => number(count, 8)), u8(endReason)])

/** Bytes of the rows, of both ways, that exporters of totals make. */
async function told(records: readonly (Told & { exported?: number })[], { since = 0 } = {}) {
  const opened = openDecoder({ since })
  const at = (exported = 1) => ({ exported: Math.floor(millis / 1000) + exported })
  await opened.take(ipfix([ipfixTemplate(256, both)], at()))
  for (const one of records) await opened.take(ipfix([set(256, record(one))], at(one.exported)))
  const rows = opened.rows()
  const bytesOf = (isReply: boolean) =>
    rows.filter(row => (row.is_reply === 'yes') === isReply).map(({ bytes, packets }) => [bytes, packets])
  return { there: bytesOf(false), back: bytesOf(true), discarded: opened.discarded }
}

test('of totals a row has what was not counted before, each way', async t => {
  const { there, back, discarded } = await told([
    { there: 3, back: 1 },
    { there: 10, back: 1 },
    { there: 10, back: 7, endReason: 3 },
  ])
  t.deepEqual(
    [there, back],
    [
      [
        [300, 3],
        [700, 7],
        [0, 0],
      ],
      [
        [100, 1],
        [0, 0],
        [600, 6],
      ],
    ],
  )
  t.deepEqual(discarded, {})
})

test('a new flow between the same ports counts from its beginning', async t => {
  const { there } = await told([{ there: 5 }, { there: 5, endReason: 3 }, { there: 9, start: millis + 60_000 }])
  t.deepEqual(there, [
    [500, 5],
    [0, 0],
    [900, 9],
  ])
})

test('flows between other ports, and of other domains, are others', async t => {
  const opened = openDecoder()
  for (const domain of [1, 2]) {
    await opened.take(ipfix([ipfixTemplate(256, both)], { domain }))
    await opened.take(ipfix([set(256, Buffer.concat([record({ there: 5 }), record({ there: 5, port: 2 })]))], { domain }))
  }
  t.deepEqual(
    opened.rows().map(({ bytes }) => bytes),
    [500, 500, 500, 500],
  )
})

test('of a flow that began when nobody listened only what is new counts, which is told', async t => {
  const { there, discarded } = await told(
    [
      { there: 5, start: millis - 60_000 },
      { there: 8, start: millis - 60_000 },
    ],
    { since: received },
  )
  t.deepEqual(there, [
    [0, 0],
    [300, 3],
  ])
  t.deepEqual(discarded, { no_baseline: 1 })
})

test('what comes late counts nothing twice', async t => {
  const { there } = await told([
    { there: 3, exported: 1 },
    { there: 9, exported: 3 },
    { there: 5, exported: 2 },
    { there: 10, exported: 4 },
  ])
  t.deepEqual(
    there.map(([bytes]) => bytes),
    [300, 600, 0, 100],
  )
})

test('where an exporter sends what was counted since its last report too, that is what counts', async t => {
  const opened = openDecoder()
  const fields = [...ends, { id: octetTotal, length: 8 }, { id: 1, length: 4 }, { id: 2, length: 4 }, { id: packetTotal, length: 8 }]
  const one = (delta: number, total: number) =>
    Buffer.concat([endsOf(1), number(total, 8), number(delta, 4), number(delta, 4), number(total, 8)])
  await opened.take(ipfix([ipfixTemplate(256, fields), set(256, Buffer.concat([one(5, 5), one(3, 8)]))]))
  t.deepEqual(
    opened.rows().map(({ bytes, packets }) => [bytes, packets]),
    [
      [5, 5],
      [3, 3],
    ],
  )
})

test('without a start the first total is a beginning, and what counts less has begun anew', async t => {
  const opened = openDecoder()
  const fields = [...ends, { id: octetTotal, length: 8 }]
  await opened.take(ipfix([ipfixTemplate(256, fields)]))
  for (const [exported, total] of [
    [1, 100],
    [2, 150],
    [2, 120],
    [3, 40],
  ] as const)
    await opened.take(ipfix([set(256, Buffer.concat([endsOf(1), number(total, 8)]))], { exported: 1_700_000_000 + exported }))
  t.deepEqual(
    opened.rows().map(({ bytes }) => bytes),
    [0, 50, 0, 40],
  )
  t.deepEqual(opened.discarded, { no_baseline: 1 })
})

const session = { protocol: 'ipfix', exporter: { address: '192.0.2.1' }, domain: 0 } as unknown as Message['session']

test('whatever is told of any flows in any order, nothing counts twice, and all counts when all are remembered', t => {
  const reports = fc.array(
    fc.record({ flow: fc.nat({ max: 9 }), grows: fc.nat({ max: 50 }), passes: fc.nat({ max: 5_000_000 }), isLost: fc.boolean() }),
    { maxLength: 200 },
  )
  fc.assert(
    fc.property(reports, fc.constantFrom(3, 1000), fc.nat({ max: 10 }), (all, mostFlows, restarted) => {
      const totals = new Totals({ since: 1e6 * restarted, mostFlows, idleMs: mostFlows === 3 ? 10_000 : 1e9 })
      const [real, heard, counted] = [new Map<number, number>(), new Map<number, number>(), new Map<number, number>()]
      const startOf = (flow: number) => (flow + 1) * 1e6
      let now = 12e6
      for (const { flow, grows, passes, isLost } of all) {
        now += passes
        real.set(flow, (real.get(flow) ?? 0) + grows)
        if (isLost) continue
        heard.set(flow, real.get(flow)!)
        const message = { session, received: now, exported: now, uptime: NaN }
        const bytes = real.get(flow)!
        const growth = totals.grow(
          String(flow),
          { bytes, packets: undefined, replyBytes: undefined, replyPackets: undefined },
          { message, start: startOf(flow), isOver: false },
        )
        counted.set(flow, (counted.get(flow) ?? 0) + (growth?.bytes ?? 0))
      }
      for (const [flow, bytes] of counted) {
        t.true(bytes <= heard.get(flow)!)
        if (mostFlows > 10 && startOf(flow) >= 1e6 * restarted) t.is(bytes, heard.get(flow)!)
      }
    }),
  )
})
