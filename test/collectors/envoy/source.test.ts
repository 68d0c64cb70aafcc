import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { accessLogsPath } from '../../../collectors/envoy/access-logs.ts'
import { type EnvoyOptions, envoy } from '../../../collectors/envoy/source.ts'
import { statusNames } from '../../../collectors/grpc/status.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { type Sender, openSender } from '../../helpers/grpc-sender.ts'
import { freePort } from '../../helpers/hubble-rig.ts'
import { makeCertificates } from '../../helpers/kafka/certificates.ts'
import { until } from '../../helpers/wait.ts'
import { deadLetters, published, start } from '../hubble/running.ts'
import { countBy } from './decoding.ts'
import type { HttpEntry, LogMessage, TcpEntry } from './plain.ts'
import { areThere, messageType, recordedStreams, recordedTraffic } from './recordings.ts'

async function run(bus: Bus, options: EnvoyOptions = {}, collector = 'test') {
  const port = await freePort()
  const running = start(envoy, { ...options, port }, bus, { collector })
  await until('the source', () => running.statuses.some(({ ready }) => ready))
  return { running, port }
}

async function sendAll(sender: Sender, messages: readonly Buffer[]) {
  const call = sender.call(accessLogsPath)
  for (const message of messages) await call.send(message)
  return call
}

const rowsOf = async (bus: Bus, kind: 'flow' | 'request', count: number) =>
  until(`${count} rows of ${kind}`, async () => {
    const rows = await published(bus, kind)
    return rows.length >= count && rows
  })

async function encoded(message: object): Promise<Buffer> {
  const type = await messageType()
  return Buffer.from(type.encode(type.fromObject(message)).finish())
}

/** The recorded messages as if all had begun a moment ago. */
async function recordedNow(): Promise<Buffer[][]> {
  const type = await messageType()
  const startTime = { seconds: Math.floor(Date.now() / 1000) - 10, nanos: 0 }
  const moved = (entry: HttpEntry & TcpEntry) => ({ ...entry, commonProperties: { ...entry.commonProperties, startTime } })
  const renewed = (message: Buffer) => {
    const plain = type.toObject(type.decode(message), { longs: Number }) as LogMessage
    for (const logs of [plain.httpLogs, plain.tcpLogs]) if (logs?.logEntry) logs.logEntry = logs.logEntry.map(moved)
    return Buffer.from(type.encode(type.fromObject(plain)).finish())
  }
  return (await recordedStreams()).map(stream => stream.map(renewed))
}

const isSkipped = async (t: { log(text: string): void; pass(): void; fail(): void }) => {
  if (await areThere()) return false
  t.log('skipped: no recordings of Envoy beside the checkout')
  if (process.env.CI) t.fail()
  else t.pass()
  return true
}

test('what Envoys send is on the bus: each request and connection once, under the name of its proxy', async t => {
  if (await isSkipped(t)) return
  await using opened = await openTestBus()
  const { running, port } = await run(opened.bus)
  await using source = running
  await using sender = await openSender(port)
  const { expect } = await recordedTraffic()
  for (const stream of await recordedNow()) await sendAll(sender, stream)
  const requests = await rowsOf(opened.bus, 'request', expect.client_http_end + expect.server_http_end)
  t.deepEqual(
    countBy(requests, row => row.reporter),
    { 'shop/frontend-6d5f4c9b7d-x2x4q': 124, 'shop/backend-7c8d9f6b5-k9m2p': 89 },
  )
  const flows = await rowsOf(opened.bus, 'flow', 100)
  t.deepEqual(
    countBy(flows, row => `${row.layer} ${row.event}`),
    { 'l4_proxy unknown': 88, 'l4_proxy policy_verdict': 4, 'l7_proxy l7': 8 },
  )
  t.is(
    flows.reduce((sum, row) => sum + Number(row.connections), 0),
    expect.client_tcp_end + expect.server_tcp_end + expect.listener_nr,
  )
  t.deepEqual([...source.discarded], [['interim', 80]])
})

test('a stream that breaks or sends garbage ends, is kept as a dead letter, and no other ends with it', async t => {
  if (await isSkipped(t)) return
  await using opened = await openTestBus()
  const { running, port } = await run(opened.bus)
  await using source = running
  await using sender = await openSender(port)
  const [stream] = await recordedStreams()
  const good = await sendAll(sender, stream.slice(0, 2))
  const garbage = await sendAll(sender, [Buffer.from('neither of these is a message')])
  const ended = await garbage.ended
  t.is(ended.status, String(statusNames.indexOf('INVALID_ARGUMENT')))
  await using other = await openSender(port)
  await sendAll(other, stream.slice(0, 1))
  await other[Symbol.asyncDispose]()
  for (const message of stream.slice(2, 20)) await good.send(message)
  t.is((await good.end()).status, '0')
  await rowsOf(opened.bus, 'request', 20)
  t.is(source.discarded.get('undecodable'), 1)
  const [letter] = await until('the letter', async () => {
    const letters = await deadLetters(opened.bus)
    return letters.length > 0 && letters
  })
  t.is(letter.body, 'neither of these is a message')
})

test('an Envoy that does not introduce itself is known by its address, and its client by the connection, not by X-Forwarded-For, which is kept', async t => {
  if (await isSkipped(t)) return
  await using opened = await openTestBus()
  const { running, port } = await run(opened.bus, { reporter_kind: 'gateway', cluster: 'edge' })
  await using _ = running
  await using sender = await openSender(port)
  const socket = (address: string, portValue: number) => ({ socketAddress: { address, portValue } })
  const commonProperties = {
    downstreamDirectRemoteAddress: socket('198.51.100.7', 50_123),
    downstreamRemoteAddress: socket('203.0.113.9', 0),
    downstreamLocalAddress: socket('192.0.2.1', 443),
    upstreamRemoteAddress: socket('10.0.0.9', 8080),
    upstreamCluster: 'cart_upstream',
    startTime: { seconds: 1_700_000_000 },
    duration: { nanos: 5_000_000 },
  }
  const http = {
    commonProperties,
    request: { requestMethod: 1, path: '/', forwardedFor: '203.0.113.9' },
    response: { responseCode: { value: 200 } },
  }
  const call = sender.call(accessLogsPath)
  await call.send(await encoded({ httpLogs: { logEntry: [http] } }))
  const [row] = await rowsOf(opened.bus, 'request', 1)
  t.like(row, {
    reporter: '127.0.0.1',
    reporter_kind: 'gateway',
    cluster: 'edge',
    direction: 'egress',
    src_address: '198.51.100.7',
    src_port: 50_123,
    attributes: { x_forwarded_for: '203.0.113.9' },
    dst_address: '10.0.0.9',
    dst_port: 8080,
    latency: 5_000_000,
    time: 1_700_000_000_005_000,
  })
})

test('Envoys that send in turn on one connection each keep the name their stream began with', async t => {
  await using opened = await openTestBus()
  const { running, port } = await run(opened.bus)
  await using _ = running
  await using sender = await openSender(port)
  const entry = { commonProperties: { startTime: { seconds: 1_700_000_000 } }, request: { requestMethod: 1 } }
  const httpLogs = { logEntry: [entry] }
  const begun = (pod: string) =>
    encoded({ identifier: { node: { id: `sidecar~10.0.0.1~${pod}.shop~shop.svc.cluster.local` }, logName: 'x' }, httpLogs })
  const [web, cart] = [sender.call(accessLogsPath), sender.call(accessLogsPath)]
  let sent = 0
  for (const [call, message] of [
    [web, await begun('web')],
    [cart, await begun('cart')],
    [web, await encoded({ httpLogs })],
    [cart, await encoded({ httpLogs })],
  ] as const) {
    await call.send(message)
    await rowsOf(opened.bus, 'request', ++sent)
  }
  const rows = await rowsOf(opened.bus, 'request', sent)
  t.deepEqual(
    rows.map(row => row.reporter),
    ['shop/web', 'shop/cart', 'shop/web', 'shop/cart'],
  )
})

test('a connection that lasts while the collector is killed has each byte counted once', async t => {
  if (await isSkipped(t)) return
  await using opened = await openTestBus()
  const type = { periodic: 2, end: 3 }
  const begin = Math.floor(Date.now() / 1000)
  const entry = (accessLogType: number, receivedBytes: number, sentBytes: number) =>
    encoded({
      identifier: { node: { id: 'sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local' } },
      tcpLogs: {
        logEntry: [
          {
            commonProperties: {
              accessLogType,
              streamId: 'c0ffee00-0000-4000-8000-000000000000',
              intermediateLogEntry: accessLogType === type.periodic,
              startTime: { seconds: begin },
              upstreamCluster: 'outbound|5432||db.shop.svc.cluster.local',
            },
            connectionProperties: { receivedBytes, sentBytes },
          },
        ],
      },
    })
  {
    const { running, port } = await run(opened.bus)
    await using sender = await openSender(port)
    await sendAll(sender, [await entry(type.periodic, 100, 10_000)])
    await rowsOf(opened.bus, 'flow', 2)
    await running.kill()
  }
  const { running, port } = await run(opened.bus)
  await using _ = running
  await using sender = await openSender(port)
  await sendAll(sender, [await entry(type.periodic, 150, 30_000), await entry(type.end, 160, 30_000)])
  const rows = await rowsOf(opened.bus, 'flow', 5)
  t.deepEqual(
    rows.map(row => [row.is_reply, row.bytes, row.connections, row.end_reason]),
    [
      ['no', 100, 0, 'active_timeout'],
      ['yes', 10_000, 0, 'active_timeout'],
      ['no', 50, 0, 'active_timeout'],
      ['yes', 20_000, 0, 'active_timeout'],
      ['no', 10, 1, 'closed'],
    ],
  )
  t.like(rows[1], { src_service: 'shop/db', dst_pod: 'web-1', dst_namespace: 'shop', direction: 'egress' })
})

test('more streams than are taken are refused, and counted', async t => {
  if (await isSkipped(t)) return
  await using opened = await openTestBus()
  const { running, port } = await run(opened.bus, { max_streams: 1 })
  await using source = running
  await using sender = await openSender(port)
  const [stream] = await recordedStreams()
  await sendAll(sender, stream.slice(0, 1))
  await rowsOf(opened.bus, 'request', 1)
  const refused = await sendAll(sender, stream.slice(0, 1))
  t.is((await refused.ended).status, String(statusNames.indexOf('UNAVAILABLE')))
  t.is(source.discarded.get('over_limit'), 1)
})

test('with TLS, only who has a certificate of the authority can send', async t => {
  if (await isSkipped(t)) return
  const directory = await mkdtemp(join(tmpdir(), 'weir-envoy-'))
  const { ca, broker, client } = await makeCertificates(directory)
  await using opened = await openTestBus()
  const { running, port } = await run(opened.bus, { tls: { cert: broker, key: broker, client_ca: ca } })
  await using _ = running
  const [stream] = await recordedStreams()
  const read = (path: string) => readFileSync(path)
  await using sender = await openSender(port, { ca: read(ca), cert: read(client.cert), key: read(client.key) })
  await sendAll(sender, stream.slice(0, 3))
  await rowsOf(opened.bus, 'request', 3)
  const stranger = await openSender(port, { ca: read(ca) }).catch(() => undefined)
  const call = stranger && (await sendAll(stranger, stream.slice(0, 1)))
  t.is((await call?.ended)?.status ?? '', '')
  t.is((await published(opened.bus, 'request')).length, 3)
  await rm(directory, { recursive: true })
})
