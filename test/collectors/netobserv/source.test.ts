import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { type TlsOptions, connect } from '../../../collectors/address.ts'
import { type Channel, openChannel } from '../../../collectors/grpc/channel.ts'
import { GrpcError } from '../../../collectors/grpc/status.ts'
import { type NetobservOptions, netobserv } from '../../../collectors/netobserv/source.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openEmbeddedBus } from '../../../runtime/bus/embedded.ts'
import { kinds, topicOf } from '../../../schema/record.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { quietLog } from '../../helpers/clickhouse.ts'
import { type Certificates, makeCertificates } from '../../helpers/kafka/certificates.ts'
import { until } from '../../helpers/wait.ts'
import { type Running, deadLetters, published, start } from '../hubble/running.ts'
import { sentBy, storedFlows } from './fixtures.ts'
import { type Plain, encodeRecords, record } from './records.ts'

interface Receiving extends AsyncDisposable {
  running: Running
  port: number
}

async function receive(bus: Bus, options: NetobservOptions = {}, rowsPerBlock?: number): Promise<Receiving> {
  const running = start(netobserv, { port: 0, cluster: 'home', ...options }, bus, { rowsPerBlock })
  const status = await until('the port', () => running.statuses.at(-1))
  return { running, port: (status.detail as { port: number }).port, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

async function agent(port: number, tls: TlsOptions = false): Promise<Channel> {
  const connection = await connect({ host: '127.0.0.1', port }, tls)
  return openChannel({ authority: `127.0.0.1:${port}`, connection })
}

const send = (channel: Channel, message: Buffer) => channel.call('/pbflow.Collector/Send', message, 10_000)
const sendAll = (channel: Channel, records: Plain[]) => send(channel, encodeRecords(records))

test('what an agent was told to be taken is on the bus', async t => {
  await using open = await openTestBus()
  await using receiving = await receive(open.bus)
  await using channel = await agent(receiving.port)
  t.is((await sendAll(channel, [record(), record({ bytes: 7 })])).length, 0)
  const rows = await published(open.bus, 'flow')
  t.deepEqual(
    rows.map(({ bytes, src_address, cluster }) => ({ bytes, src_address, cluster })),
    [1500, 7].map(bytes => ({ bytes, src_address: '10.128.0.7', cluster: 'home' })),
  )
})

test('more agents at once than blocks have room for mix nothing up', async t => {
  await using open = await openTestBus()
  await using receiving = await receive(open.bus, {}, 16)
  const drop = { pkt_drop_packets: 1, pkt_drop_bytes: 9, pkt_drop_latest_drop_cause: 3 }
  const batch = (of: number) => Array.from({ length: 100 }, (_, i) => record({ bytes: of * 1000 + i, ...(i % 3 === 0 && drop) }))
  await Promise.all(
    [1, 2, 3, 4].map(async of => {
      await using channel = await agent(receiving.port)
      await sendAll(channel, batch(of))
    }),
  )
  const rows = await published(open.bus, 'flow')
  const counted = rows.filter(({ event }) => event === 'trace').map(({ bytes }) => Number(bytes))
  t.deepEqual(
    counted.toSorted((a, b) => a - b),
    [1, 2, 3, 4].flatMap(of => batch(of).map(({ bytes }) => Number(bytes))),
  )
  t.is(rows.length - counted.length, 4 * 34)
})

test('a record that cannot be read keeps no other back, and a message that is none is refused', async t => {
  await using open = await openTestBus()
  await using receiving = await receive(open.bus)
  await using channel = await agent(receiving.port)
  const broken = Buffer.from([0x0a, 3, 0x08, 0xff, 0xff])
  await send(channel, Buffer.concat([encodeRecords([record()]), broken, encodeRecords([record({ dns_name: 'x'.repeat(5000) }), record()])]))
  t.is((await published(open.bus, 'flow')).length, 2)
  const error = await t.throwsAsync(send(channel, Buffer.from('no protobuf at all')), { instanceOf: GrpcError })
  t.is((error as GrpcError).code, 'INVALID_ARGUMENT')
  t.deepEqual(Object.fromEntries(receiving.running.discarded), { undecodable: 2, over_limit: 1 })
  await receiving.running[Symbol.asyncDispose]()
  t.is((await deadLetters(open.bus)).length, 3)
})

test('a message larger than is taken is refused', async t => {
  await using open = await openTestBus()
  await using receiving = await receive(open.bus, { max_message_bytes: 2000 })
  await using channel = await agent(receiving.port)
  const error = await t.throwsAsync(
    sendAll(
      channel,
      Array.from({ length: 100 }, () => record()),
    ),
  )
  t.is((error as GrpcError).code, 'RESOURCE_EXHAUSTED')
  t.is(receiving.running.discarded.get('too_large'), 1)
})

test('ten thousand records, as agents send them at the most, are one message', async t => {
  await using open = await openTestBus()
  await using receiving = await receive(open.bus)
  await using channel = await agent(receiving.port)
  await sendAll(
    channel,
    Array.from({ length: 10_000 }, (_, i) => record({ bytes: i + 1 })),
  )
  const rows = await published(open.bus, 'flow')
  t.is(rows.length, 10_000)
  t.is(
    rows.reduce((sum, { bytes }) => sum + Number(bytes), 0),
    (10_000 * 10_001) / 2,
  )
})

const sum = (values: (number | undefined)[]) => values.reduce<number>((sum, value) => sum + (value ?? 0), 0)

for (const name of ['flow_records', 'flow_records_has_dropped', 'flow_records_sent'])
  test(`${name} of a real cluster come out as they went in`, async t => {
    const stored = await storedFlows(name)
    if (!stored) {
      t.log('skipped: ../shared/fixtures/netobserv is not there')
      return process.env.CI ? t.fail('no fixtures') : t.pass()
    }
    const ip = stored.filter(({ Etype }) => Etype === 0x0800)
    await using open = await openTestBus()
    await using receiving = await receive(open.bus)
    await using channel = await agent(receiving.port)
    await sendAll(channel, stored.map(sentBy))
    const rows = await published(open.bus, 'flow')
    const counted = rows.filter(({ event }) => event === 'trace')
    const drops = rows.filter(({ event }) => event === 'drop')
    const total = (records: Plain[], field: string) => sum(records.map(record => Number(record[field])))
    t.is(total(counted, 'bytes'), sum(ip.filter(isAllowed).map(({ Bytes }) => Bytes)))
    t.is(total(drops, 'dropped_packets'), sum(ip.filter(isAllowed).map(({ PktDropPackets }) => PktDropPackets)))
    t.deepEqual(
      drops.map(({ drop_reason }) => drop_reason),
      ip.filter(one => one.PktDropPackets && isAllowed(one)).map(({ PktDropLatestDropCause }) => PktDropLatestDropCause),
    )
    t.is((await published(open.bus, 'request')).length, ip.filter(({ DnsId }) => DnsId).length)
    t.is(receiving.running.discarded.get('unknown_kind') ?? 0, stored.length - ip.length)
    return undefined
  })

const isAllowed = ({ NetworkEvents = [] }: { NetworkEvents?: Record<string, string>[] }) =>
  !NetworkEvents.some(({ Action }) => Action === 'drop')

let directory: string | undefined
let certificates: Certificates | undefined
test.before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'weir-netobserv-'))
  certificates = await makeCertificates(directory).catch(() => undefined)
})
test.after.always(async () => directory && rm(directory, { recursive: true, force: true }))

test('with an authority for agents, only who has a certificate of it may send', async t => {
  if (!certificates || !directory) {
    t.log('skipped: openssl is not there')
    return process.env.CI ? t.fail('openssl is not there') : t.pass()
  }
  const { ca, broker, client } = certificates
  const pem = path.join(directory, 'server.pem')
  writeFileSync(pem, readFileSync(broker))
  await using open = await openTestBus()
  await using receiving = await receive(open.bus, { tls: { cert: pem, key: pem, client_ca: ca } })
  await using known = await agent(receiving.port, { ca, ...client })
  await sendAll(known, [record()])
  t.is((await published(open.bus, 'flow')).length, 1)
  await t.throwsAsync(async () => {
    await using stranger = await agent(receiving.port, { ca })
    await sendAll(stranger, [record()])
  })
  return undefined
})

test('while the bus takes nothing agents are told so', async t => {
  const full = await mkdtemp(path.join(tmpdir(), 'weir-bus-'))
  await using bus = await openEmbeddedBus({ path: path.join(full, 'bus.sqlite'), log: quietLog })
  await bus.ensureTopic(topicOf(kinds.flow), { maxBytes: 1 })
  await using receiving = await receive(bus, {}, 16)
  await using channel = await agent(receiving.port)
  const batch = Array.from({ length: 16 }, (_, i) => record({ bytes: i + 1 }))
  // One that is published, one on its way, one that is being filled; a fourth finds no room.
  const sent = [1, 2, 3].map(() => sendAll(channel, batch).catch(() => undefined))
  await until('full blocks', () => receiving.running.statuses.length > 0)
  await new Promise(resolve => setTimeout(resolve, 500))
  const error = await t.throwsAsync(sendAll(channel, batch), { instanceOf: GrpcError })
  t.is((error as GrpcError).code, 'UNAVAILABLE')
  t.is(receiving.running.discarded.get('busy'), 1)
  await receiving.running.kill()
  await Promise.all(sent)
  await rm(full, { recursive: true, force: true })
})

test('a port that somebody else has is named', async t => {
  await using open = await openTestBus()
  const taken = createServer().listen(0, '127.0.0.1')
  await until('a port', () => taken.listening)
  const { port } = taken.address() as { port: number }
  const running = start(netobserv, { port }, open.bus)
  await t.throwsAsync(() => running[Symbol.asyncDispose](), {
    message: new RegExp(`collect.netobserv.port: cannot listen on port ${port}`),
  })
  taken.close()
})
