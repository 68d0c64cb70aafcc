import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import test from 'ava'
import { frame } from '../../../collectors/grpc/framing.ts'
import { type GrpcServerOptions, type Method, serveGrpc, unary } from '../../../collectors/grpc/server.ts'
import { GrpcError, statusNames } from '../../../collectors/grpc/status.ts'
import { ConfigError } from '../../../runtime/error.ts'
import { quietLog } from '../../helpers/clickhouse.ts'
import { openSender } from '../../helpers/grpc-sender.ts'
import { until } from '../../helpers/wait.ts'

const path = '/test.Service/Take'
const codeOf = (name: (typeof statusNames)[number]) => String(statusNames.indexOf(name))

async function open(method: Method, options: Partial<GrpcServerOptions> = {}) {
  const discarded: string[] = []
  const instruments = { received: () => {}, sent: () => {}, discarded: (_count: number, reason: string) => void discarded.push(reason) }
  const listen = { port: 0, max_message_bytes: 4096, ...options.listen }
  const server = await serveGrpc({ methods: { [path]: method }, setting: 'collect.test', log: quietLog, instruments, ...options, listen })
  return { port: server.port, discarded, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

const echo = unary(async message => message)
const countAll: Method = async ({ messages }) => {
  let count = 0
  for await (const message of messages) count += message.length
  return Buffer.from(String(count))
}

test('a unary call is answered with its message and OK', async t => {
  await using server = await open(echo)
  await using sender = await openSender(server.port)
  const call = sender.call(path)
  await call.send(Buffer.from('hello'))
  const { status, body } = await call.end()
  t.is(status, '0')
  t.deepEqual(body, frame(Buffer.from('hello')))
})

test('the messages of a stream are handed on in order, however they are cut', async t => {
  await using server = await open(countAll)
  await using sender = await openSender(server.port)
  const call = sender.call(path)
  const bytes = Buffer.concat([10, 0, 1000, 1].map(length => frame(Buffer.alloc(length, 7))))
  for (let at = 0; at < bytes.length; at += 7) call.sendRaw(bytes.subarray(at, at + 7))
  const { status, body } = await call.end()
  t.is(status, '0')
  t.is(body.subarray(5).toString(), '1011')
})

test('a compressed message is read in the encoding its call names', async t => {
  await using server = await open(echo)
  await using sender = await openSender(server.port)
  const packed = frame(gzipSync(Buffer.alloc(3000, 65)))
  packed[0] = 1
  const call = sender.call(path, { 'grpc-encoding': 'gzip' })
  call.sendRaw(packed)
  t.is((await call.end()).body.length, 3005)
  for (const [encoding, status] of [
    ['brotli', 'UNIMPLEMENTED'],
    [undefined, 'UNIMPLEMENTED'],
    ['deflate', 'INVALID_ARGUMENT'],
  ] as const) {
    const other = sender.call(path, encoding ? { 'grpc-encoding': encoding } : {})
    other.sendRaw(packed)
    t.is((await other.end()).status, codeOf(status), encoding)
  }
})

test('a message that is too large, also once it is unpacked, ends its call and is counted', async t => {
  await using server = await open(echo)
  await using sender = await openSender(server.port)
  const large = sender.call(path)
  await large.send(Buffer.alloc(5000))
  t.is((await large.ended).status, codeOf('RESOURCE_EXHAUSTED'))
  const bomb = frame(gzipSync(Buffer.alloc(1 << 20)))
  bomb[0] = 1
  const packed = sender.call(path, { 'grpc-encoding': 'gzip' })
  packed.sendRaw(bomb)
  t.is((await packed.ended).status, codeOf('RESOURCE_EXHAUSTED'))
  t.deepEqual(server.discarded, ['too_large', 'too_large'])
  const call = sender.call(path)
  await call.send(Buffer.from('still here'))
  t.is((await call.end()).status, '0')
})

test('a method that is not there is said to be, with those that are', async t => {
  await using server = await open(echo)
  await using sender = await openSender(server.port)
  for (const other of ['/test.Service/Other', '/', '/constructor', '/__proto__']) {
    const { status, message } = await sender.call(other).end()
    t.is(status, codeOf('UNIMPLEMENTED'))
    t.regex(message, /test\.Service\/Take/)
  }
})

test('a call that ends within a message, or without one, is told so', async t => {
  await using server = await open(echo)
  await using sender = await openSender(server.port)
  t.is((await sender.call(path).end()).status, codeOf('INVALID_ARGUMENT'))
  const call = sender.call(path)
  call.sendRaw(frame(Buffer.alloc(100)).subarray(0, 50))
  t.is((await call.end()).status, codeOf('INVALID_ARGUMENT'))
})

test('what a method throws ends the call as it says, and anything else as INTERNAL; others go on', async t => {
  await using server = await open(
    unary(async message => {
      if (message.length === 1) throw new GrpcError('UNAVAILABLE', 'later, perhaps')
      if (message.length === 2) throw new Error('broken')
      return message
    }),
  )
  await using sender = await openSender(server.port)
  const other = sender.call(path)
  for (const [length, status, said] of [
    [1, 'UNAVAILABLE', /later, perhaps/],
    [2, 'INTERNAL', /broken/],
  ] as const) {
    const call = sender.call(path)
    await call.send(Buffer.alloc(length))
    const ended = await call.end()
    t.is(ended.status, codeOf(status))
    t.regex(ended.message, said)
  }
  await other.send(Buffer.alloc(3))
  t.is((await other.end()).status, '0')
})

test('only who has a token of the file may call', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-grpc-'))
  const token_file = join(directory, 'tokens')
  await writeFile(token_file, 'one\ntwo\n')
  await using server = await open(echo, { listen: { token_file } })
  await using sender = await openSender(server.port)
  for (const [authorization, status] of [
    ['Bearer two', 'OK'],
    ['Bearer three', 'UNAUTHENTICATED'],
    ['two', 'UNAUTHENTICATED'],
    [undefined, 'UNAUTHENTICATED'],
  ] as const) {
    const call = sender.call(path, authorization ? { authorization } : {})
    await call.send(Buffer.from('x'))
    t.is((await call.end()).status, codeOf(status), authorization)
  }
  await rm(directory, { recursive: true })
})

test('who sends more than is taken is held back', async t => {
  const go = Promise.withResolvers<void>()
  let taken = 0
  const slow: Method = async ({ messages }) => {
    for await (const message of messages) {
      taken += message.length
      await go.promise
    }
    return Buffer.alloc(0)
  }
  await using server = await open(slow, { windowBytes: 65_536, listen: { max_message_bytes: 65_536 } })
  await using sender = await openSender(server.port)
  const call = sender.call(path)
  const message = Buffer.alloc(60_000)
  let sent = 0
  const sending = (async () => {
    while (sent < 400) {
      await call.send(message)
      sent++
    }
  })()
  await sleep(500)
  const heldAt = sent
  await sleep(300)
  t.is(sent, heldAt, 'it waits')
  t.true(heldAt * message.length < 12 << 20, `${heldAt} messages are on their way`)
  t.is(taken, message.length)
  go.resolve()
  await sending
  t.is((await call.end()).status, '0')
  t.is(taken, 400 * message.length)
})

test('more connections, and more calls on one, than are taken wait or are closed', async t => {
  const going: PromiseWithResolvers<void>[] = []
  const waiting: Method = async ({ messages }) => {
    const mine = Promise.withResolvers<void>()
    going.push(mine)
    for await (const message of messages) t.truthy(message)
    await mine.promise
    return Buffer.alloc(0)
  }
  await using server = await open(waiting, { maxConnections: 1, maxStreamsPerConnection: 2 })
  await using sender = await openSender(server.port)
  const first = [sender.call(path), sender.call(path)]
  const calls = first.map(call => call.end())
  await until('both calls', () => going.length === 2)
  const other = await openSender(server.port).catch(() => undefined)
  if (other) t.is((await other.call(path).end()).status, '')
  for (const each of going) each.resolve()
  t.deepEqual(
    (await Promise.all(calls)).map(({ status }) => status),
    ['0', '0'],
  )
  await other?.[Symbol.asyncDispose]()
})

test('closing ends calls that go on, soon', async t => {
  const server = await open(countAll)
  await using sender = await openSender(server.port)
  const call = sender.call(path)
  await call.send(Buffer.alloc(10))
  await sleep(50)
  const begin = Date.now()
  await server[Symbol.asyncDispose]()
  await call.ended
  t.true(Date.now() - begin < 4000)
})

test('a port that is taken is an error of the configuration', async t => {
  await using server = await open(echo)
  const error = await t.throwsAsync(open(echo, { listen: { port: server.port } }), { instanceOf: ConfigError })
  t.regex(error.message, /collect\.test\.port/)
})
