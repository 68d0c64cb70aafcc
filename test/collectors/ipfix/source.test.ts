import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { FlowExportOptions } from '../../../collectors/ipfix/options.ts'
import { flowExport } from '../../../collectors/ipfix/source.ts'
import type { Outbox } from '../../../collectors/outbox.ts'
import { openPublisher } from '../../../collectors/publisher.ts'
import type { SourceStatus } from '../../../collectors/source.ts'
import { Block } from '../../../runtime/block/block.ts'
import { BlockBuilder } from '../../../runtime/block/builder.ts'
import { kinds } from '../../../schema/record.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { quietLog } from '../../helpers/clickhouse.ts'
import { deadLetters, published, start } from '../hubble/running.ts'
import { flowSample, ipfix, ipfixTemplate, ipv4, netflow5, number, rawHeader, set, sflow } from './encode.ts'

const fields = [
  { id: 8, length: 4 },
  { id: 12, length: 4 },
  { id: 1, length: 8 },
]
const template = ipfixTemplate(256, fields)
const data = (...bytes: number[]) =>
  set(256, Buffer.concat(bytes.map(count => Buffer.concat([ipv4('10.0.0.1'), ipv4('10.0.0.2'), number(count, 8)]))))

async function until(isTrue: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !(await isTrue()); tries++) await sleep(25)
}

async function run(options: FlowExportOptions = {}) {
  const stack = new AsyncDisposableStack()
  const { bus } = stack.use(await openTestBus())
  const free = { netflow: { port: 0 }, ipfix: { port: 0 }, sflow: { port: 0 } }
  const running = stack.use(start(flowExport, { ...free, ...options }, bus))
  const listening = () => (running.statuses.at(-1)?.detail as { listening: string[] } | undefined)?.listening ?? []
  await until(() => listening().length > 0)
  const ports = Object.fromEntries(listening().map(text => [text.split(' ')[0], Number(text.slice(text.lastIndexOf(':') + 1))])) as Record<
    'netflow' | 'ipfix' | 'sflow',
    number
  >
  const socket = createSocket('udp4')
  stack.defer(() => void socket.close())
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  const send = (name: keyof typeof ports, bytes: Buffer) =>
    new Promise<void>((resolve, reject) => socket.send(bytes, ports[name], '127.0.0.1', error => (error ? reject(error) : resolve())))
  return { bus, running, ports, send, flows: () => published(bus, 'flow'), losses: () => published(bus, 'loss'), stack }
}

test('datagrams to the three ports become flows on the bus', async t => {
  const { send, flows, stack } = await run({ cluster: 'home' })
  await using _ = stack
  await send('netflow', netflow5([{ src: '10.0.0.1', dst: '10.0.0.2', bytes: 100, packets: 1 }]))
  await send('ipfix', ipfix([template, data(200)]))
  const packet = Buffer.from('4500001c000000004011000010000001100000020035003500080000', 'hex')
  await send('sflow', sflow([flowSample([rawHeader(packet, 60, 11)], { rate: 100 })]))
  await until(async () => (await flows()).length === 3)
  const found = (await flows()).map(({ source, bytes, weight, reporter, cluster, layer }) => [
    source,
    bytes,
    weight,
    reporter,
    cluster,
    layer,
  ])
  t.deepEqual(found.toSorted(), [
    ['ipfix', 200, 1, '127.0.0.1', 'home', 'exporter'],
    ['netflow', 100, 1, '127.0.0.1', 'home', 'exporter'],
    ['sflow', 60, 100, '192.0.2.7', 'home', 'exporter'],
  ])
})

test('data that comes before its template is read once the template comes, and a datagram that never came is a loss', async t => {
  const { send, flows, losses, running, stack } = await run({ netflow: false, sflow: false })
  await using _ = stack
  await send('ipfix', ipfix([data(1, 2)], { sequence: 0 }))
  await send('ipfix', ipfix([template, data(3)], { sequence: 2 }))
  await send('ipfix', ipfix([data(4)], { sequence: 8 }))
  await until(async () => (await flows()).length === 4 && (await losses()).length > 0)
  t.deepEqual(
    (await flows()).map(({ bytes }) => bytes),
    [1, 2, 3, 4],
  )
  t.like((await losses())[0], { source: 'ipfix', reporter: '127.0.0.1', stage: 'network', reason: 'sequence_gap', count: 5, known: true })
  t.is(running.discarded.size, 0)
})

test('data whose template never comes is counted, and what is no message is kept as a dead letter', async t => {
  const { send, bus, running, losses, stack } = await run({ hold_seconds: 0 })
  await using _ = stack
  await send('ipfix', ipfix([data(1)]))
  await send('netflow', Buffer.from('hello'))
  await until(() => running.discarded.size === 2)
  t.deepEqual(Object.fromEntries(running.discarded), { no_template: 1, undecodable: 1 })
  t.is((await deadLetters(bus))[0].body, 'hello')
  await until(async () => (await losses()).length > 0)
  t.like((await losses())[0], { reason: 'no_template', count: 1, known: false, stage: 'collector' })
})

test('IPFIX comes over TCP too, in pieces as it may', async t => {
  const port = 20_000 + (process.pid % 20_000)
  const { flows, stack } = await run({ ipfix: { port, tcp: true }, netflow: false, sflow: false })
  await using _ = stack
  const bytes = Buffer.concat([ipfix([template]), ipfix([data(7)]), ipfix([data(8)], { sequence: 1 })])
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  for (const part of [bytes.subarray(0, 5), bytes.subarray(5, 60), bytes.subarray(60)]) {
    socket.write(part)
    await sleep(20)
  }
  await until(async () => (await flows()).length === 2)
  t.deepEqual(
    (await flows()).map(flow => flow.bytes),
    [7, 8],
  )
  socket.destroy()
})

test('what was received before it stops is published', async t => {
  await using stack = new AsyncDisposableStack()
  const { bus } = stack.use(await openTestBus())
  const stop = new AbortController()
  const statuses: SourceStatus[] = []
  const instruments = { received() {}, sent() {}, discarded() {} }
  const outbox = openPublisher({ bus, collector: 'test', log: quietLog, instruments, maxBlockAgeMs: 60_000 })
  const running = flowExport.run(
    { netflow: false, ipfix: { port: 0 }, sflow: false },
    { outbox, signal: stop.signal, log: quietLog, instruments, status: status => void statuses.push(status) },
  )
  await until(() => statuses.length > 0)
  const [address] = (statuses[0].detail as { listening: string[] }).listening
  const socket = createSocket('udp4')
  stack.defer(() => void socket.close())
  const bytes = ipfix([template, data(...Array.from({ length: 20 }, (_, index) => index))])
  await new Promise<void>(resolve => socket.send(bytes, Number(address.split(':')[1]), '127.0.0.1', () => resolve()))
  await sleep(100)
  stop.abort()
  await running
  await outbox[Symbol.asyncDispose]()
  t.is((await published(bus, 'flow')).length, 20)
})

test('a port that somebody else has is an error that names it', async t => {
  const { ports, bus, stack } = await run()
  await using _ = stack
  const second = start(flowExport, { netflow: { port: ports.netflow }, ipfix: false, sflow: false }, bus)
  const error = await t.throwsAsync(async () => second[Symbol.asyncDispose]())
  t.regex(error?.message ?? '', new RegExp(`cannot listen on 127.0.0.1:${ports.netflow}`))
})

test('while nothing can be published the kernel drops what comes, and what is missing afterwards is told to the flow', async t => {
  const gate = Promise.withResolvers<void>()
  const builders = { flow: new BlockBuilder(kinds.flow, 64), loss: new BlockBuilder(kinds.loss, 1024) }
  const losses: Record<string, unknown>[] = []
  let flows = 0
  const outbox: Outbox = {
    block: kind => builders[kind as keyof typeof builders],
    from() {},
    silent() {},
    async ready() {
      await gate.promise
      flows += builders.flow.rows
      builders.flow.reset()
    },
    async durable() {},
    async flush() {},
    deadLetter() {},
    async *published() {},
  }
  const stop = new AbortController()
  const statuses: SourceStatus[] = []
  const instruments = { received() {}, sent() {}, discarded() {} }
  const running = flowExport.run(
    { netflow: false, ipfix: { port: 0 }, sflow: false, queue_bytes: 1 << 20, receive_buffer_bytes: 1 << 16 },
    { outbox, signal: stop.signal, log: quietLog, instruments, status: status => void statuses.push(status) },
  )
  await until(() => statuses.length > 0)
  const [address] = (statuses[0].detail as { listening: string[] }).listening
  const socket = createSocket('udp4')
  const send = (bytes: Buffer) =>
    new Promise<void>(resolve => socket.send(bytes, Number(address.split(':')[1]), '127.0.0.1', () => resolve()))
  const perDatagram = 80
  const datagrams = 1500
  const records = data(...Array.from({ length: perDatagram }, () => 1))
  for (let sent = 0; sent < datagrams; sent++) await send(ipfix([template, records], { sequence: sent * perDatagram }))
  gate.resolve()
  await until(() => flows > 0)
  await sleep(300)
  await send(ipfix([records], { sequence: datagrams * perDatagram }))
  await sleep(100)
  stop.abort()
  await running
  socket.close()
  flows += builders.flow.rows
  losses.push(...new Block(builders.loss.encode(), kinds.loss).records())
  const counted = (reason: string) => losses.filter(loss => loss.reason === reason).reduce((sum, { count }) => sum + Number(count), 0)
  t.true(counted('receive_buffer_full') > 0)
  t.is(flows + counted('sequence_gap'), (datagrams + 1) * perDatagram)
  t.is(counted('sequence_gap'), counted('receive_buffer_full') * perDatagram)
})
