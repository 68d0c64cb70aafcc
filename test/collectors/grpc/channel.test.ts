import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { connect, parseAddress } from '../../../collectors/address.ts'
import { Framing, frame } from '../../../collectors/grpc/framing.ts'
import { failureOf, percentDecoded } from '../../../collectors/grpc/status.ts'
import { openChannel } from '../../../collectors/grpc/channel.ts'
import { Remembered } from '../../../collectors/hubble/remember.ts'
import { ConfigError } from '../../../runtime/error.ts'
import { openObserverServer } from '../hubble/observer-server.ts'

test('messages come out as they went in, however the stream is cut', t => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (messages, cuts) => {
        const stream = Buffer.concat(messages.map(frame))
        const framing = new Framing()
        const found: Uint8Array[] = []
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const end = at + cuts[turn % cuts.length]
          framing.push(stream.subarray(at, end))
          while (framing.next()) found.push(Uint8Array.from(framing.bytes.subarray(framing.start, framing.end)))
          at = end
        }
        t.deepEqual(found, messages)
        t.true(framing.empty)
      },
    ),
  )
})

type Headers = Record<string, string>
const endings: Record<string, [[Headers | undefined, Headers | undefined], string | undefined]> = {
  well: [[{ ':status': '200' }, { 'grpc-status': '0' }], undefined],
  'with trailers only': [
    [{ ':status': '200', 'grpc-status': '12', 'grpc-message': 'no%20such%20thing' }, undefined],
    'UNIMPLEMENTED: no such thing',
  ],
  'with a code from the future': [[{}, { 'grpc-status': '99' }], 'UNKNOWN'],
  'at a proxy': [[{ ':status': '503' }, undefined], 'UNAVAILABLE: HTTP status 503'],
  'without a word': [[{ ':status': '200' }, undefined], 'UNAVAILABLE: the call ended without a status'],
}
for (const [how, [args, message]] of Object.entries(endings))
  test(`a call that ends ${how}`, t => t.is(failureOf(...(args as unknown as Parameters<typeof failureOf>))?.message, message))

test('percent signs that are no escapes stay', t => {
  t.is(percentDecoded('100%, gr%C3%BC%C3%9Fe %zz'), '100%, grüße %zz')
})

test('addresses', t => {
  t.deepEqual(parseAddress('hubble-relay:4245', 'collect.hubble.address'), { host: 'hubble-relay', port: 4245 })
  t.deepEqual(parseAddress('[::1]:80', 'collect.hubble.address'), { host: '::1', port: 80 })
  t.deepEqual(parseAddress('unix:///var/run/cilium/hubble.sock', 'collect.hubble.address'), { path: '/var/run/cilium/hubble.sock' })
  for (const bad of ['relay', 'relay:', 'relay:0', 'relay:99999', 'http://relay:80', ':80', 'unix:x'])
    t.throws(() => parseAddress(bad, 'collect.hubble.address'), {
      instanceOf: ConfigError,
      message: /expected host:port or unix:\/\/\/path, got/,
    })
})

test('a peer that falls silent without closing is given up', async t => {
  await using server = await openObserverServer(() => {})
  const upstream = parseAddress(server.address, 'collect.hubble.address') as { host: string; port: number }
  const proxy = net.createServer(client => {
    const server = net.connect(upstream)
    client.pipe(server).pipe(client)
    setTimeout(() => server.unpipe(client), 400)
    client.on('error', () => server.destroy())
    client.on('close', () => server.destroy())
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = { host: '127.0.0.1', port: (proxy.address() as AddressInfo).port }
  await using channel = await openChannel({ authority: 'test', connection: await connect(address, false), idleMs: 150, answerMs: 300 })
  const error = await t.throwsAsync(channel.stream('/observer.Observer/GetFlows', Buffer.alloc(0), new AbortController().signal, () => {}))
  t.regex(String((error?.cause as Error | undefined)?.message ?? error?.message), /no answer to a PING for 300 ms/)
  proxy.close()
})

test('an idle peer that answers is kept', async t => {
  await using server = await openObserverServer(({ end }) => void setTimeout(() => end(), 900))
  const connection = await connect(parseAddress(server.address, 'collect.hubble.address'), false)
  await using channel = await openChannel({ authority: 'test', connection, idleMs: 100, answerMs: 400 })
  await t.notThrowsAsync(channel.stream('/observer.Observer/GetFlows', Buffer.alloc(0), new AbortController().signal, () => {}))
})

test('a stream that is told to stop before it begins does not begin', async t => {
  await using server = await openObserverServer(() => {})
  const connection = await connect(parseAddress(server.address, 'collect.hubble.address'), false)
  await using channel = await openChannel({ authority: 'test', connection })
  const stream = channel.stream('/observer.Observer/GetFlows', Buffer.alloc(0), AbortSignal.abort(), () => {})
  await t.throwsAsync(Promise.race([stream, sleep(3000)]), { name: 'AbortError' })
})

test('ids are remembered exactly, up to the capacity and no further', t => {
  const memory = new Remembered(16_000)
  const id = (number: number): [number, number, number] => [Math.imul(number, 0x9e3779b1) >>> 0, number, number]
  for (let number = 0; number < 40_000; number++) t.true(memory.add(...id(number)) || t.fail(String(number)))
  t.false(memory.add(...id(39_999)))
  t.false(memory.add(...id(40_000 - 15_000)))
  t.true(memory.horizon > 0 && memory.horizon <= 40_000 - 15_000)
  t.true(memory.add(...id(10)))
})

test('ids of blocks are remembered, the id of only zeros too', t => {
  const memory = new Remembered()
  memory.load(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]), 5, 9)
  t.false(memory.add(0, 0, 7))
  t.false(memory.add(1, 2, 5))
  t.true(memory.add(2, 1, 5))
  t.true(memory.has(2, 1))
  t.false(memory.has(3, 1))
})

test('an id is known when it comes again, whether times rise or not', t => {
  // A record has the same time whenever it comes.
  const timeOf = (id: number) => 100 + ((id * 37) % 50)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -40, max: 40 }), { maxLength: 100 }), ids => {
      const memory = new Remembered(2000)
      const known = new Set<number>()
      for (const id of ids) {
        if (id % 3 === 0) t.is(memory.has(id, -id), known.has(id))
        t.is(memory.add(id, -id, timeOf(id)), !known.has(id))
        known.add(id)
      }
    }),
  )
})
