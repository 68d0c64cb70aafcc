import test from 'ava'
import { hubble } from '../../../collectors/hubble/source.ts'
import { frame } from '../../../collectors/grpc/framing.ts'
import type { Bus, Message } from '../../../runtime/bus/bus.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { type FlowsCall, openObserverServer } from './observer-server.ts'
import { responseType } from './reference.ts'
import { deadLetters, published, start } from './running.ts'

const begin = 1_790_000_000
const uuidOf = (node: string, number: number) =>
  `${number.toString(16).padStart(8, '0')}-${Buffer.from(node.padEnd(4)).toString('hex').slice(0, 4)}-4000-8000-000000000000`

/** Flow `number` of a node, one a second; every third is a request a proxy saw. */
function flow(node: string, number: number) {
  const time = { seconds: begin + number, nanos: 0 }
  const l7 = { type: 1, http: { method: 'GET', url: 'http://a/b' } }
  return {
    flow: { uuid: uuidOf(node, number), time, node_name: node, verdict: 1, ...(number % 3 === 0 && { Type: 2, l7 }) },
    node_name: node,
    time,
  }
}
const flows = (node: string, from: number, to: number) => Array.from({ length: to - from }, (_, index) => flow(node, from + index))
const at = (number: number) => ({ seconds: begin + number, nanos: 0 })

const seconds = (records: Record<string, unknown>[]) => records.map(record => Number(record.time) / 1e6 - begin).sort((a, b) => a - b)
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)
const requestsAmong = (all: number[]) => all.filter(number => number % 3 === 0)

test('goes on after the stream ends well, asks again for a little and writes nothing twice', async t => {
  await using bus = await openTestBus()
  await using server = await openObserverServer(({ number, send, end }: FlowsCall) => {
    if (number === 0) {
      send(...flows('a', 0, 30))
      end()
    } else send(...flows('a', 25, 40))
  })
  await using running = start(hubble, { address: server.address }, bus.bus)
  await until('40 flows', async () => (await published(bus.bus, 'flow')).length >= 40)
  t.is(server.asked[0].since, undefined)
  t.true(server.asked[0].follow)
  t.is(server.asked[1].since?.seconds, begin + 24)
  t.deepEqual(seconds(await published(bus.bus, 'flow')), numbers(0, 40))
  // Requests travel in blocks of their own.
  await until('their requests', async () => (await published(bus.bus, 'request')).length >= requestsAmong(numbers(0, 40)).length)
  t.deepEqual(seconds(await published(bus.bus, 'request')), requestsAmong(numbers(0, 40)))
  t.is(running.discarded.get('repeated'), 5)
  t.deepEqual(await published(bus.bus, 'loss'), [])
})

test('a killed collector goes on where the bus says it was, flows and requests alike', async t => {
  await using bus = await openTestBus()
  await using server = await openObserverServer(({ asked, send }: FlowsCall) =>
    send(...flows('a', Math.max(0, (asked.since?.seconds ?? begin) - begin), asked.since ? 80 : 50), ...flows('b', 40, 45)),
  )
  const first = start(hubble, { address: server.address }, bus.bus, { rowsPerBlock: 16 })
  await until('some flows', async () => (await published(bus.bus, 'flow')).length >= 32)
  await first.kill()
  const before = (await published(bus.bus, 'flow')).length
  t.true(before < 56)
  await using _second = start(hubble, { address: server.address }, bus.bus)
  await until('all flows', async () => (await published(bus.bus, 'flow')).length >= 85)
  t.deepEqual(
    seconds(await published(bus.bus, 'flow')),
    [...numbers(0, 80), ...numbers(40, 45)].sort((a, b) => a - b),
  )
  const requests = requestsAmong([...numbers(0, 80), ...numbers(40, 45)]).sort((a, b) => a - b)
  await until('all requests', async () => (await published(bus.bus, 'request')).length >= requests.length)
  t.deepEqual(seconds(await published(bus.bus, 'request')), requests)
})

test('a ring that was overwritten meanwhile is a loss of unknown size', async t => {
  await using bus = await openTestBus()
  await using server = await openObserverServer(({ number, send, end }: FlowsCall) => {
    send(...(number === 0 ? flows('a', 0, 10) : flows('a', 100, 110)))
    if (number === 0) end()
  })
  await using _running = start(hubble, { address: server.address }, bus.bus)
  const [loss] = await until('the loss', async () => {
    const losses = await published(bus.bus, 'loss')
    return losses.length > 0 && losses
  })
  t.like(loss, {
    reason: 'ring_overwritten',
    known: false,
    reporter: 'a',
    stage: 'agent',
    since: (begin + 9) * 1e6,
    until: (begin + 100) * 1e6,
  })
})

test('events an agent lost are losses, each once', async t => {
  await using bus = await openTestBus()
  const lost = { lost_events: { source: 1, num_events_lost: 7, first: at(1), last: at(2) }, node_name: 'a', time: at(3) }
  await using server = await openObserverServer(({ number, send, end }: FlowsCall) => {
    send(flow('a', 1), lost, flow('a', 5))
    if (number === 0) end()
    else send(flow('a', 6))
  })
  await using _running = start(hubble, { address: server.address }, bus.bus)
  await until('three flows', async () => (await published(bus.bus, 'flow')).length >= 3)
  const losses = await published(bus.bus, 'loss')
  t.is(losses.length, 1)
  t.like(losses[0], { reason: 'perf_event_ring_buffer', known: true, count: 7, since: (begin + 1) * 1e6, until: (begin + 2) * 1e6 })
})

test('a node that was away is one loss, from its last flow to its first one after', async t => {
  await using bus = await openTestBus()
  const status = (state: number, time: number) => ({
    node_status: { state_change: state, node_names: ['b'], message: 'EOF' },
    time: at(time),
  })
  await using server = await openObserverServer(({ send }: FlowsCall) =>
    send(flow('a', 1), flow('b', 2), status(4, 3), status(4, 5), flow('a', 9), flow('b', 12), flow('b', 13), status(4, 6)),
  )
  await using running = start(hubble, { address: server.address }, bus.bus)
  await until('five flows', async () => (await published(bus.bus, 'flow')).length >= 5)
  const losses = await published(bus.bus, 'loss')
  t.is(losses.length, 1)
  t.like(losses[0], {
    reason: 'node_error',
    reporter: 'b',
    known: false,
    since: (begin + 2) * 1e6,
    until: (begin + 12) * 1e6,
    detail: 'EOF',
  })
  t.truthy(running.statuses.find(({ ready }) => ready))
})

test('a node that Relay says failed while we reconnected has failed, its ring was not overwritten', async t => {
  await using bus = await openTestBus()
  const failed = { node_status: { state_change: 4, node_names: ['b'], message: 'EOF' }, time: at(4) }
  await using server = await openObserverServer(({ number, send, end }: FlowsCall) => {
    if (number === 0) {
      send(flow('a', 1), flow('b', 2))
      end()
    } else send(flow('a', 1), failed, flow('a', 9), flow('b', 12), flow('b', 13))
  })
  await using _running = start(hubble, { address: server.address }, bus.bus)
  await until('five flows', async () => (await published(bus.bus, 'flow')).length >= 5)
  const losses = await published(bus.bus, 'loss')
  t.deepEqual(
    losses.map(({ reason, reporter, since, until }) => ({ reason, reporter, since, until })),
    [{ reason: 'node_error', reporter: 'b', since: (begin + 2) * 1e6, until: (begin + 12) * 1e6 }],
  )
})

test('a broken message is counted and kept, and the next one is taken', async t => {
  await using bus = await openTestBus()
  await using server = await openObserverServer(({ send, stream }: FlowsCall) => {
    send(flow('a', 1))
    stream.write(frame(Buffer.from([0x0a, 0x05, 0x12])))
    send(flow('a', 2))
  })
  await using running = start(hubble, { address: server.address }, bus.bus)
  await until('two flows', async () => (await published(bus.bus, 'flow')).length === 2)
  t.is(running.discarded.get('undecodable'), 1)
  t.regex((await deadLetters(bus.bus))[0].reason, /bytes expected/)
})

const failures: Record<string, { reason: RegExp; fail: (call: FlowsCall) => void }> = {
  'a status in the trailers': { reason: /UNAVAILABLE: down for 5 %/, fail: ({ end }) => end(14, 'down for 5 %') },
  'a compressed message': {
    reason: /UNIMPLEMENTED: a compressed message/,
    fail: ({ stream }) => void stream.write(Buffer.from([1, 0, 0, 0, 0])),
  },
  'a message that is too long': {
    reason: /RESOURCE_EXHAUSTED: a message of 4294967295 bytes/,
    fail: ({ stream }) => void stream.write(Buffer.from([0, 255, 255, 255, 255])),
  },
  'a stream that is reset': { reason: /UNAVAILABLE/, fail: ({ stream }) => stream.close(2) },
  'a connection that breaks': { reason: /UNAVAILABLE/, fail: ({ stream }) => stream.session?.destroy() },
}
for (const [what, { reason, fail }] of Object.entries(failures))
  test(`${what} is the reason shown, and it goes on`, async t => {
    await using bus = await openTestBus()
    await using server = await openObserverServer(call => {
      call.send(flow('a', call.number))
      if (call.number === 0) setTimeout(() => fail(call), 20)
    })
    await using running = start(hubble, { address: server.address }, bus.bus)
    await until('a flow after the failure', async () => (await published(bus.bus, 'flow')).length === 2)
    t.regex(running.statuses.find(status => !status.ready && status.reason !== 'connecting')?.reason ?? '', reason)
    t.true(running.statuses.at(-1)!.ready)
    t.is(running.log.filter(line => line.includes('went away')).length, 1)
    t.is(running.log.filter(line => line.includes('following Hubble')).length, 2)
  })

test('reads no further while the bus takes nothing', async t => {
  await using bus = await openTestBus()
  let written = 0
  const many = Buffer.concat(
    Array.from({ length: 500 }, (_, index) =>
      frame(
        responseType()
          .encode(responseType().fromObject(flow('a', index)))
          .finish(),
      ),
    ),
  )
  await using server = await openObserverServer(({ stream }: FlowsCall) => {
    const more = () => {
      while (!stream.destroyed && stream.write(many)) written += many.length
      written += many.length
    }
    stream.on('drain', more)
    more()
  })
  const never = (_topic: string, _messages: Message[], signal?: AbortSignal) =>
    new Promise<void>((_, reject) => {
      signal?.throwIfAborted()
      signal?.addEventListener('abort', () => reject(signal.reason as Error))
    })
  const stuck: Bus = { ...bus.bus, publish: never }
  const running = start(hubble, { address: server.address, remember: 1000 }, stuck, { rowsPerBlock: 100 })
  let before = -1
  await until(
    'the server to be held',
    () => {
      const held = written > 0 && written === before
      before = written
      return held
    },
    { everyMs: 300 },
  )
  t.true(written < 64 << 20, `${written} bytes were taken`)
  await running.kill()
})

test('filters go to the server, and the history asked for at the first start', async t => {
  await using bus = await openTestBus()
  await using server = await openObserverServer(({ send }: FlowsCall) => send(flow('a', 1)))
  const options = {
    address: server.address,
    history: 3600,
    allow: [{ source_pod: ['shop/'], verdict: ['DROPPED'] }],
    deny: [{ tcp_flags: [{ SYN: true }] }],
  }
  await using _running = start(hubble, options, bus.bus)
  await until('a flow', async () => (await published(bus.bus, 'flow')).length === 1)
  const [asked] = server.asked
  t.like(asked.whitelist[0], { source_pod: ['shop/'], verdict: ['DROPPED'] })
  t.like(asked.blacklist[0], { tcp_flags: [{ SYN: true }] })
  t.true(Math.abs(asked.since!.seconds - (Date.now() / 1000 - 3600)) < 60)
})
