import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { type GoldmaneOptions, goldmane } from '../../../collectors/goldmane/source.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { type Certificates, makeCertificates } from '../../helpers/kafka/certificates.ts'
import { until } from '../../helpers/wait.ts'
import { deadLetters, published, start } from '../hubble/running.ts'
import { flow } from './flows.ts'
import { openGoldmane } from './goldmane-server.ts'

const now = Math.floor(Date.now() / 15_000) * 15
const follow = (bus: Bus, address: string, more: Partial<GoldmaneOptions> = {}) =>
  start(goldmane, { address, tls: false, cluster: 'home', ...more }, bus)

type Row = { bytes: number; packets: number; connections: number; is_reply: string }
const sums = (rows: Record<string, unknown>[]) => {
  const total = (name: keyof Row) => rows.reduce((sum, row) => sum + Number(row[name]), 0)
  return { rows: rows.length, bytes: total('bytes'), packets: total('packets'), connections: total('connections') }
}

/** Waits for so many rows, and for a moment in which there could be more. */
async function settled(bus: Bus, count: number) {
  await until(`${count} rows`, async () => (await published(bus, 'flow')).length >= count, { timeoutMs: 10_000 })
  await new Promise(resolve => setTimeout(resolve, 200))
  return sums(await published(bus, 'flow'))
}

test('flows come onto the bus, and what is told again counts only by what it has grown', async t => {
  await using open = await openTestBus()
  const { bus } = open
  await using server = await openGoldmane()
  await using running = follow(bus, server.address)
  await until('the stream', () => server.streams.size === 1)
  t.deepEqual(server.asked[0].aggregation_interval, 15)
  server.tell(flow(now - 30))
  t.deepEqual(await settled(bus, 2), { rows: 2, bytes: 1800, packets: 18, connections: 2 })
  server.tell(flow(now - 30))
  server.tell(flow(now - 30, {}, { packets_in: 12, bytes_in: 1200, packets_out: 1, bytes_out: 80 }))
  t.deepEqual(await settled(bus, 3), { rows: 3, bytes: 2000, packets: 20, connections: 2 })
  server.tell(flow(now - 30, {}, { packets_in: 0, bytes_in: 0, packets_out: 0, bytes_out: 0, num_connections_started: 0 }))
  server.tell(flow(now - 15))
  t.deepEqual(await settled(bus, 5), { rows: 5, bytes: 3800, packets: 38, connections: 4 })
  t.deepEqual(Object.fromEntries(running.discarded), { repeated: 1, interim: 1 })
})

test('after the connection broke it goes on a little before where it was, and counts nothing twice', async t => {
  await using open = await openTestBus()
  const { bus } = open
  await using server = await openGoldmane()
  await using running = follow(bus, server.address)
  await until('the stream', () => server.streams.size === 1)
  server.tell(flow(now - 45), flow(now - 30))
  await settled(bus, 4)
  server.breakConnections()
  await until('another stream', () => server.asked.length === 2 && server.streams.size === 1)
  t.is(server.asked[1].start_time_gte, now - 30 - 60)
  server.tell(flow(now - 15))
  t.deepEqual(await settled(bus, 6), { rows: 6, bytes: 5400, packets: 54, connections: 6 })
  t.is(running.discarded.get('repeated'), 2)
  const away = running.log.filter(line => line.includes('Goldmane went away'))
  t.is(away.length, 1)
})

test('a collector that was killed goes on from what is on the bus', async t => {
  await using open = await openTestBus()
  const { bus } = open
  await using server = await openGoldmane()
  const first = follow(bus, server.address)
  await until('the stream', () => server.streams.size === 1)
  server.tell(flow(now - 45), flow(now - 30))
  await settled(bus, 4)
  await first.kill()
  server.tell(flow(now - 30, {}, { packets_in: 11, bytes_in: 1100 }), flow(now - 15))
  await using second = follow(bus, server.address)
  t.deepEqual(await settled(bus, 7), { rows: 7, bytes: 5500, packets: 55, connections: 6 })
  t.is(server.asked[1].start_time_gte, now - 30 - 60)
  t.is(second.discarded.get('repeated'), 2)
})

test('a Goldmane that began anew and is told everything again by its nodes is not counted twice', async t => {
  await using open = await openTestBus()
  const { bus } = open
  const before = await openGoldmane()
  await using running = follow(bus, before.address)
  await until('the stream', () => before.streams.size === 1)
  before.tell(flow(now - 45), flow(now - 30))
  await settled(bus, 4)
  const port = Number(before.address.split(':')[1])
  await before[Symbol.asyncDispose]()
  await using after = await openGoldmane(undefined, port)
  await until('the stream', () => after.streams.size === 1)
  // One node is sooner than the others.
  after.tell(flow(now - 30, {}, { packets_in: 3, bytes_in: 300, packets_out: 2, bytes_out: 100, num_connections_started: 1 }))
  after.tell(flow(now - 45), flow(now - 30), flow(now - 15))
  t.deepEqual(await settled(bus, 6), { rows: 6, bytes: 5400, packets: 54, connections: 6 })
  t.is(running.discarded.get('repeated'), 3)
})

test('history is asked for when nothing was collected before, and only then', async t => {
  await using open = await openTestBus()
  await using server = await openGoldmane()
  server.tell(flow(now - 600), flow(now - 60))
  await using running = follow(open.bus, server.address, { history: 300 })
  t.is((await settled(open.bus, 2)).rows, 2)
  t.is(server.asked[0].start_time_gte, -300)
  t.is(running.statuses.at(-1)?.ready, true)
})

test('more than an hour away is a gap of unknown size', async t => {
  await using open = await openTestBus()
  const { bus } = open
  await using server = await openGoldmane()
  const first = follow(bus, server.address)
  await until('the stream', () => server.streams.size === 1)
  server.tell(flow(now - 7200))
  await settled(bus, 2)
  await first.kill()
  await using _second = follow(bus, server.address)
  await until('the loss', async () => (await published(bus, 'loss')).length)
  const [loss] = await published(bus, 'loss')
  t.like(loss, { source: 'goldmane', stage: 'agent', reason: 'history_exceeded', known: false, since: (now - 7185) * 1e6 })
})

test('what is no flow is counted and kept, and the next is read', async t => {
  await using open = await openTestBus()
  const { bus } = open
  await using server = await openGoldmane()
  await using running = follow(bus, server.address)
  await until('the stream', () => server.streams.size === 1)
  server.tellBytes(Buffer.from('no protobuf'))
  server.tell(flow(now - 30, { dest_name: 'x'.repeat(5000) }))
  server.tellBytes(Buffer.alloc(0))
  server.tell(flow(now - 15))
  t.is((await settled(bus, 2)).rows, 2)
  t.deepEqual(Object.fromEntries(running.discarded), { undecodable: 1, over_limit: 1, unknown_kind: 1 })
  t.is((await deadLetters(bus)).length, 2)
})

let directory: string | undefined
let certificates: Certificates | undefined
test.before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'weir-goldmane-'))
  certificates = await makeCertificates(directory).catch(() => undefined)
})
test.after.always(async () => directory && rm(directory, { recursive: true, force: true }))

test('Goldmane lets in who has a certificate of its authority, and nobody else', async t => {
  if (!certificates) {
    t.log('skipped: openssl is not there')
    return process.env.CI ? t.fail('openssl is not there') : t.pass()
  }
  const { ca, broker, client } = certificates
  const pem = readFileSync(broker)
  await using open = await openTestBus()
  await using server = await openGoldmane({ key: pem, cert: pem, ca: readFileSync(ca) })
  await using stranger = follow(open.bus, server.address, { tls: { ca } })
  await until('a refusal', () => stranger.statuses.some(({ ready, reason }) => !ready && reason?.includes('certificate required')))
  t.is(server.streams.size, 0)
  await using _known = follow(open.bus, server.address, { tls: { ca, ...client } })
  await until('the stream', () => server.streams.size === 1)
  server.tell(flow(now - 15))
  t.is((await settled(open.bus, 2)).rows, 2)
})
