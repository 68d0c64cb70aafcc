import grpc from '@grpc/grpc-js'
import test from 'ava'
import fc from 'fast-check'
import { type Call, serveGrpc } from '../../../collectors/grpc/server.ts'
import { streamMetrics, streamMetricsPath } from '../../../collectors/prometheus/envoy-metrics.ts'
import { openLog } from '../../../runtime/log.ts'
import { encode, familyType, streamMetricsType } from './protos.ts'
import { fixture } from './fixture.ts'
import { type Taken, collectPoints } from './running.ts'

async function serve() {
  const { taken, openTaker } = collectPoints()
  const discarded = new Map<string, number>()
  const letters: string[] = []
  const instruments = {
    received: () => {},
    sent: () => {},
    discarded: (count: number, reason: string) => void discarded.set(reason, (discarded.get(reason) ?? 0) + count),
  }
  const log = openLog({ write: () => {} })
  const taker = await openTaker({ outbox: undefined as never, source: 'envoy', instruments })
  const outbox = { deadLetter: ({ reason }: { reason: string }) => void letters.push(reason) }
  const method = streamMetrics({ taker, outbox, instruments, log, source: 'envoy', cluster: 'home' })
  const server = await serveGrpc({ listen: {}, methods: { [streamMetricsPath]: method }, setting: 'collect.envoy', log, instruments })
  return { taken, discarded, letters, method, server }
}

/** Sends messages on one stream over a socket; resolves to the status. */
async function send(port: number, messages: readonly Buffer[]): Promise<grpc.status> {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
  try {
    return await new Promise(resolve => {
      const call = client.makeClientStreamRequest(
        streamMetricsPath,
        (message: Buffer) => message,
        bytes => bytes,
        error => resolve(error?.code ?? grpc.status.OK),
      )
      for (const message of messages) call.write(message)
      call.end()
    })
  } finally {
    client.close()
  }
}

/** Messages behind their lengths of four bytes. */
function messagesIn(recording: Buffer): Buffer[] {
  const messages: Buffer[] = []
  for (let at = 0; at < recording.length; at += 4 + recording.readUInt32BE(at))
    messages.push(recording.subarray(at + 4, at + 4 + recording.readUInt32BE(at)))
  return messages
}

const recordings = {
  'envoy-rig/single/metricsvc-006.bin.gz': { reporter: 'shop/backend-7c8d9f6b5-k9m2p', address: '10.244.1.22' },
  'envoy-rig/single/metricsvc-007.bin.gz': { reporter: 'shop/frontend-6d5f4c9b7d-x2x4q', address: '10.244.0.11' },
}

for (const [name, { reporter, address }] of Object.entries(recordings))
  test(`${name}: every metric of a real Envoy is a point, with who it is`, async t => {
    const recording = await fixture(name)
    if (!recording) {
      t.log('skipped: no recordings')
      return t.pass()
    }
    const { taken, discarded, server } = await serve()
    await using _ = server
    const messages = messagesIn(recording)
    t.is(await send(server.port, messages), grpc.status.OK)
    t.deepEqual(countsOf(taken), referenceCounts(messages))
    t.deepEqual([...discarded.keys()], ['repeated'])
    t.true(taken.every(({ target }) => target.reporter === reporter && target.cluster === 'Kubernetes'))
    const [namespace, pod] = reporter.split('/')
    t.like(Object.fromEntries(taken[0].labels), { instance: address, job: 'envoy', namespace, pod })
  })

const countsOf = (taken: readonly Taken[]) =>
  Object.fromEntries(['counter', 'gauge', 'histogram'].map(type => [type, taken.filter(point => point.type === type).length]))

/** As protobufjs reads them, without the summaries, all of which are histograms too. */
function referenceCounts(messages: readonly Buffer[]) {
  const counts: Record<string, number> = { counter: 0, gauge: 0, histogram: 0 }
  for (const bytes of messages)
    for (const family of streamMetricsType.toObject(streamMetricsType.decode(bytes), { enums: String, arrays: true }).envoy_metrics) {
      const type = String(family.type ?? 'COUNTER').toLowerCase()
      if (type in counts) counts[type] += family.metric.length
    }
  return counts
}

const identifier = Buffer.from([10, 5, 10, 3, 10, 1, 120])
const familyBytes = (family: object) => {
  const bytes = encode(familyType, family)
  return Buffer.concat([Buffer.from([18, bytes.length]), bytes])
}
const gauge = (name: string) => familyBytes({ name, type: 'GAUGE', metric: [{ gauge: { value: 1 } }] })

test('an Envoy introduces itself in the first message only, and is told by its id where it is no pod', async t => {
  const { taken, server } = await serve()
  await using _ = server
  t.is(await send(server.port, [Buffer.concat([identifier, gauge('a')]), gauge('b')]), grpc.status.OK)
  t.deepEqual(
    taken.map(({ metric, target }) => [metric, target.reporter, target.cluster]),
    [
      ['a', 'x', 'home'],
      ['b', 'x', 'home'],
    ],
  )
})

test('a stream without an identifier is refused', async t => {
  const { taken, server } = await serve()
  await using _ = server
  t.is(await send(server.port, [gauge('a')]), grpc.status.INVALID_ARGUMENT)
  t.is(taken.length, 0)
})

test('what cannot be read is counted and kept, and the stream goes on', async t => {
  const { taken, discarded, letters, server } = await serve()
  await using _ = server
  const broken = Buffer.from([18, 2, 10, 99])
  t.is(await send(server.port, [identifier, Buffer.concat([gauge('a'), broken, gauge('b')]), gauge('c')]), grpc.status.OK)
  t.deepEqual(
    taken.map(({ metric }) => metric),
    ['a', 'b', 'c'],
  )
  t.deepEqual([[...discarded], letters.length], [[['undecodable', 1]], 1])
})

test('no bytes end anything but their own stream', async t => {
  const { method, server } = await serve()
  await using _ = server
  const call = (messages: Buffer[]): Call => ({
    headers: {},
    peer: 'p',
    messages: (async function* () {
      yield* messages
    })(),
    send: async () => t.fail('the service answers once'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 3 }), async noise => {
      const messages = noise.map(bytes => Buffer.from(bytes))
      await method(call([identifier, ...messages]))
      await method(call(messages)).catch((error: Error) => t.is(error.name, 'GrpcError'))
    }),
    { numRuns: 300 },
  )
  t.pass()
})
