import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type ChannelCredentials, credentials, makeClientConstructor } from '@grpc/grpc-js'
import type { ClientDuplexStream } from '@grpc/grpc-js'
import test from 'ava'
import { type FelixOptions, felix } from '../../../collectors/goldmane/felix.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { makeCertificates } from '../../helpers/kafka/certificates.ts'
import { until } from '../../helpers/wait.ts'
import { published, start } from '../hubble/running.ts'
import { type Plain, defaultDeny, encodeUpdate, flow } from './flows.ts'

const asIs = { requestSerialize: (bytes: Buffer) => bytes, requestDeserialize: (bytes: Buffer) => bytes }
const Client = makeClientConstructor(
  {
    connect: {
      path: '/goldmane.FlowCollector/Connect',
      requestStream: true,
      responseStream: true,
      ...asIs,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  },
  'FlowCollector',
)

/** A node, as Felix speaks: one update, one receipt. */
function node(port: number, security: ChannelCredentials = credentials.createInsecure()) {
  const client = new Client(`127.0.0.1:${port}`, security)
  const stream = (client.connect as () => ClientDuplexStream<Buffer, Buffer>)()
  const failed = once(stream, 'error').then(([error]) => {
    throw error as Error
  })
  failed.catch(() => {})
  return {
    async send(...messages: Buffer[]) {
      for (const message of messages) {
        const receipt = once(stream, 'data')
        receipt.catch(() => {})
        stream.write(message)
        await Promise.race([receipt, failed])
      }
    },
    async end() {
      stream.resume()
      const ended = once(stream, 'end')
      stream.end()
      await ended
      client.close()
    },
    close: () => client.close(),
  }
}

async function receive(bus: Bus, options: FelixOptions = {}) {
  const running = start(felix, { port: 0, cluster: 'home', ...options }, bus)
  const status = await until('the port', () => running.statuses.at(-1))
  return { running, port: (status.detail as { port: number }).port, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

const rowsOf = (bus: Bus, count: number) =>
  until(`${count} rows`, async () => {
    const rows = await published(bus, 'flow')
    return rows.length >= count && rows
  })
const now = Math.floor(Date.now() / 1000)
/** Felix says no end. */
const update = (at: number, more: Plain = {}, counts: Plain = {}) => encodeUpdate({ ...flow(at, more, counts), end_time: at })

test('each flow of a node is answered with a receipt, and is on the bus', async t => {
  await using open = await openTestBus()
  await using receiving = await receive(open.bus)
  const one = node(receiving.port)
  await one.send(update(now - 30), update(now - 15, defaultDeny, { packets_out: 0, bytes_out: 0 }))
  await one.end()
  const rows = await rowsOf(open.bus, 3)
  t.like(rows[0], { source: 'felix', reporter: '127.0.0.1', cluster: 'home', bytes: 1000, duration: 0, policy_name: 'allow-cart' })
  t.like(rows[2], { verdict: 'dropped', policy_name: 'only-checkout', policy_match: 'end_of_tier' })
})

test('what a node sends again when it comes back is not counted twice, nor after a restart of the collector', async t => {
  await using open = await openTestBus()
  const first = await receive(open.bus)
  const before = node(first.port)
  await before.send(update(now - 30), update(now - 15))
  before.close()
  const again = node(first.port)
  await again.send(update(now - 30), update(now - 15), update(now))
  again.close()
  await rowsOf(open.bus, 6)
  t.is(first.running.discarded.get('repeated'), 2)
  await first.running.kill()
  await using second = await receive(open.bus)
  const later = node(second.port)
  await later.send(update(now - 30), update(now - 15), update(now), update(now + 15))
  await later.end()
  const rows = await rowsOf(open.bus, 8)
  t.is(rows.length, 8)
  t.is(second.running.discarded.get('repeated'), 3)
})

test('two nodes behind one address are two', async t => {
  await using open = await openTestBus()
  await using receiving = await receive(open.bus)
  const [one, other] = [node(receiving.port), node(receiving.port)]
  await one.send(update(now))
  await other.send(update(now, {}, { packets_in: 3, bytes_in: 300 }))
  await one.end()
  await other.end()
  const rows = await rowsOf(open.bus, 4)
  t.is(
    rows.filter(({ is_reply }) => is_reply === 'no').reduce((sum, { bytes }) => sum + Number(bytes), 0),
    1300,
  )
})

test('what is no flow is counted, and the next is taken', async t => {
  await using open = await openTestBus()
  await using receiving = await receive(open.bus)
  const one = node(receiving.port)
  await one.send(Buffer.from('no protobuf'), Buffer.alloc(0), update(now))
  await one.end()
  await rowsOf(open.bus, 2)
  t.deepEqual(Object.fromEntries(receiving.running.discarded), { undecodable: 1, unknown_kind: 1 })
})

test('only nodes with a certificate of the authority may send', async t => {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-felix-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const certificates = await makeCertificates(directory).catch(() => undefined)
  if (!certificates) {
    t.log('skipped: openssl is not there')
    return process.env.CI ? t.fail('openssl is not there') : t.pass()
  }
  const { ca, broker, client } = certificates
  await using open = await openTestBus()
  await using receiving = await receive(open.bus, { tls: { cert: broker, key: broker, client_ca: ca } })
  const stranger = node(receiving.port, credentials.createSsl(readFileSync(ca)))
  await t.throwsAsync(stranger.send(update(now)))
  stranger.close()
  const known = node(receiving.port, credentials.createSsl(readFileSync(ca), readFileSync(client.key), readFileSync(client.cert)))
  await known.send(update(now))
  await known.end()
  t.is((await rowsOf(open.bus, 2)).length, 2)
  return undefined
})
