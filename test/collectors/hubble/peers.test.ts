import test from 'ava'
import { frame } from '../../../collectors/grpc/framing.ts'
import { hubble } from '../../../collectors/hubble/source.ts'
import { readerOf } from '../../../collectors/hubble/share.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { type FlowsCall, openObserverServer } from './observer-server.ts'
import { responseType } from './reference.ts'
import { type Running, published, start } from './running.ts'

const begin = 1_790_000_000

/** Flow `number` of a node, one a second. */
function flow(node: string, number: number) {
  const time = { seconds: begin + number, nanos: 0 }
  const uuid = `${number.toString(16).padStart(8, '0')}-${Buffer.from(node.padEnd(4)).toString('hex').slice(0, 4)}-4000-8000-000000000000`
  return { flow: { uuid, time, node_name: node, verdict: 1 }, node_name: node, time }
}

/** An agent with a ring: sends what it has since the time asked for, and what is added later. */
async function openAgent(node: string) {
  let ring: object[] = []
  let newest = 0
  let oldest = 0
  const calls = new Set<FlowsCall>()
  const server = await openObserverServer(call => {
    const since = call.asked.since ? Math.max(oldest, call.asked.since.seconds - begin) : newest
    call.send(...ring.slice(since - oldest))
    calls.add(call)
    call.stream.on('close', () => calls.delete(call))
  })
  return {
    node,
    server,
    address: server.address,
    calls,
    add(count: number) {
      const added = Array.from({ length: count }, () => flow(node, newest++))
      ring.push(...added)
      for (const { send } of calls) send(...added)
    },
    forget() {
      ring = []
      oldest = newest
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

type Agent = Awaited<ReturnType<typeof openAgent>>

async function openAgents(nodes: string) {
  const stack = new AsyncDisposableStack()
  const agents: Agent[] = []
  for (const node of nodes) agents.push(stack.use(await openAgent(node)))
  return {
    agents,
    address: agents.map(({ address }) => address),
    add: (count: number) => agents.forEach(agent => agent.add(count)),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const connected = (agents: readonly Agent[]) => until('all agents to be read', () => agents.every(({ calls }) => calls.size === 1))

const flows = async (bus: Bus) =>
  (await published(bus, 'flow')).map(({ reporter, time }) => `${reporter}${Number(time) / 1e6 - begin}`).sort()
const expected = (nodes: string, from: number, to: number) =>
  [...nodes].flatMap(node => Array.from({ length: to - from }, (_, index) => `${node}${from + index}`)).sort()
const count = (bus: Bus, atLeast: number) => until(`${atLeast} flows`, async () => (await published(bus, 'flow')).length >= atLeast)

const collector = (bus: Bus, address: string[], number: number, of: number): Running =>
  start(hubble, { address, share: { number, of, handover_seconds: 3 } }, bus, { collector: `weir-${number}/hubble` })

interface PeerDetail {
  address: string
  connected: boolean
  reason?: string
  nodes: { reporter: string }[]
}
const details = ({ statuses }: Running) => (statuses.at(-1)!.detail as { peers: PeerDetail[] }).peers

test('two collectors divide three agents and read every flow exactly once', async t => {
  await using bus = await openTestBus()
  await using three = await openAgents('abc')
  await using first = collector(bus.bus, three.address, 0, 2)
  await using second = collector(bus.bus, three.address, 1, 2)
  await connected(three.agents)
  three.add(20)
  await count(bus.bus, 60)
  t.deepEqual(await flows(bus.bus), expected('abc', 0, 20))
  const read = [first, second].map(running => details(running).map(({ address }) => address))
  t.deepEqual(read.flat().sort(), [...three.address].sort())
  t.deepEqual(await published(bus.bus, 'loss'), [])
})

test('one agent that is away holds up no other, is told once, and goes on where it was without a false gap', async t => {
  await using bus = await openTestBus()
  await using three = await openAgents('abc')
  await using running = start(hubble, { address: three.address.join(', ') }, bus.bus)
  await connected(three.agents)
  three.add(10)
  await count(bus.bus, 30)
  const [a, ...others] = three.agents
  const { calls } = a
  for (const { end } of calls) end(14, 'down')
  await until('the reason', () => running.statuses.at(-1)!.reason?.includes('down'))
  t.regex(running.statuses.at(-1)!.reason!, new RegExp(`^${a.address}: .*down`))
  t.deepEqual(
    details(running).map(({ connected }) => connected),
    [false, true, true],
  )
  a.add(10)
  for (const agent of others) agent.add(10)
  await count(bus.bus, 60)
  t.deepEqual(await flows(bus.bus), expected('abc', 0, 20))
  t.deepEqual(
    three.agents.map(({ server }) => server.asked.length),
    [2, 1, 1],
  )
  t.is(a.server.asked[1].since?.seconds, begin + 4)
  t.is(running.log.filter(line => line.includes('went away')).length, 1)
  t.deepEqual(await published(bus.bus, 'loss'), [])
  t.deepEqual(
    details(running).map(({ nodes }) => nodes.map(({ reporter }) => reporter).join()),
    ['a', 'b', 'c'],
  )
})

test('a killed collector asks each agent from where that one was, however far apart they are', async t => {
  await using bus = await openTestBus()
  await using three = await openAgents('abc')
  const [a, b, c] = three.agents
  const first = start(hubble, { address: three.address }, bus.bus)
  await connected(three.agents)
  a.add(5000)
  b.add(10)
  c.add(100)
  await count(bus.bus, 5110)
  await first.kill()
  three.add(5)
  await using _second = start(hubble, { address: three.address }, bus.bus)
  await count(bus.bus, 5125)
  t.deepEqual(
    three.agents.map(({ server }) => server.asked[1].since!.seconds - begin),
    [4994, 4, 94],
  )
  t.deepEqual(await flows(bus.bus), [...expected('a', 0, 5005), ...expected('b', 0, 15), ...expected('c', 0, 105)].sort())
  t.deepEqual(await published(bus.bus, 'loss'), [])
})

test('a ring that was overwritten is a gap of its agent alone', async t => {
  await using bus = await openTestBus()
  await using three = await openAgents('abc')
  const first = start(hubble, { address: three.address }, bus.bus)
  await connected(three.agents)
  three.add(10)
  await count(bus.bus, 30)
  await first.kill()
  three.add(10)
  three.agents[1].forget()
  await using _second = start(hubble, { address: three.address }, bus.bus)
  await connected(three.agents)
  three.add(10)
  await count(bus.bus, 80)
  const losses = await until('the gap', async () => {
    const found = await published(bus.bus, 'loss')
    return found.length > 0 && found
  })
  t.deepEqual(
    losses.map(({ reporter, reason }) => [reporter, reason]),
    [['b', 'ring_overwritten']],
  )
})

test('a third collector takes its share over once the others have let go of it, and nothing is lost or doubled', async t => {
  await using bus = await openTestBus()
  await using agents = await openAgents('abcdefgh')
  const { address } = agents
  const first = collector(bus.bus, address, 0, 2)
  const second = collector(bus.bus, address, 1, 2)
  await connected(agents.agents)
  let each = 0
  const traffic = setInterval(() => agents.add(++each && 1), 50)
  await count(bus.bus, 80)
  const moving = agents.agents.filter(agent => readerOf(agent.address, 3) === 2)
  await using third = collector(bus.bus, address, 2, 3)
  if (moving.length) await until('it to wait', () => third.statuses.at(-1)!.reason?.includes('still read by weir-'))
  await count(bus.bus, 240)
  t.true(agents.agents.every(({ calls }) => calls.size === 1))
  await second.kill()
  await using _second = collector(bus.bus, address, 1, 3)
  await first.kill()
  await using _first = collector(bus.bus, address, 0, 3)
  await connected(agents.agents)
  clearInterval(traffic)
  agents.add(++each && 1)
  await count(bus.bus, 8 * each)
  t.deepEqual(await flows(bus.bus), expected('abcdefgh', 0, each))
  t.deepEqual(await published(bus.bus, 'loss'), [])
})

test('a collector by another name goes on where the one before it was', async t => {
  await using bus = await openTestBus()
  await using two = await openAgents('ab')
  const address = two.address
  const share = { number: 0, of: 1, handover_seconds: 1 }
  const first = start(hubble, { address, share }, bus.bus, { collector: 'old/hubble' })
  await connected(two.agents)
  two.add(10)
  await count(bus.bus, 20)
  await first.kill()
  two.add(10)
  await using _second = start(hubble, { address, share }, bus.bus, { collector: 'new/hubble' })
  await count(bus.bus, 40)
  t.deepEqual(await flows(bus.bus), expected('ab', 0, 20))
  t.deepEqual(await published(bus.bus, 'loss'), [])
})

test('an agent under another address goes on where it was, or its gap is told', async t => {
  await using bus = await openTestBus()
  await using three = await openAgents('abc')
  const first = start(hubble, { address: three.address }, bus.bus)
  await connected(three.agents)
  three.add(10)
  await count(bus.bus, 30)
  await first.kill()
  three.add(10)
  three.agents[2].forget()
  const renamed = three.address.map((address, index) => (index ? address.replace('127.0.0.1', 'localhost') : address))
  await using _second = start(hubble, { address: renamed }, bus.bus)
  await connected(three.agents)
  three.add(10)
  await count(bus.bus, 80)
  t.deepEqual(await flows(bus.bus), [...expected('ab', 0, 30), ...expected('c', 0, 10), ...expected('c', 20, 30)].sort())
  const losses = await until('the gap', async () => {
    const found = await published(bus.bus, 'loss')
    return found.length > 0 && found
  })
  t.deepEqual(
    losses.map(({ reporter, reason }) => [reporter, reason]),
    [['c', 'ring_overwritten']],
  )
})

test('blocks that several peers fill at once go out whole, and a small bus holds up nobody for ever', async t => {
  await using bus = await openTestBus()
  await using agents = await openAgents('abcdef')
  await using _running = start(hubble, { address: agents.address }, bus.bus, { rowsPerBlock: 7 })
  await connected(agents.agents)
  const lost = (number: number) => ({
    lost_events: { source: 1, num_events_lost: number, first: { seconds: begin + number }, last: { seconds: begin + number } },
    node_name: 'a',
    time: { seconds: begin + number, nanos: 0 },
  })
  for (let round = 0; round < 10; round++) {
    agents.add(30)
    for (const { calls } of agents.agents)
      for (const { send } of calls) send(...Array.from({ length: 5 }, (_, index) => lost(round * 5 + index + 1)))
  }
  await count(bus.bus, 1800)
  await until('50 losses', async () => (await published(bus.bus, 'loss')).length >= 50)
  t.deepEqual(await flows(bus.bus), expected('abcdef', 0, 300))
  t.is((await published(bus.bus, 'loss')).length, 50)
})

test('what came before a stream went wrong is known to be of its peer, and of no other', async t => {
  await using bus = await openTestBus()
  const compressed = Buffer.from([1, 0, 0, 0, 0])
  await using broken = await openObserverServer(({ stream }) => {
    const encoded = [0, 1, 2].map(number =>
      frame(
        responseType()
          .encode(responseType().fromObject(flow('x', number)))
          .finish(),
      ),
    )
    stream.write(Buffer.concat([...encoded, compressed]))
  })
  await using one = await openAgents('a')
  const address = [broken.address, ...one.address]
  const first = start(hubble, { address }, bus.bus)
  await connected(one.agents)
  one.add(100)
  await count(bus.bus, 103)
  await until('it to be asked again', () => broken.asked.length > 1)
  one.add(1)
  await count(bus.bus, 104)
  t.deepEqual(
    details(first).map(({ nodes }) => nodes.map(({ reporter }) => reporter).join()),
    ['x', 'a'],
  )
  await first.kill()
  const before = broken.asked.length
  await using _second = start(hubble, { address }, bus.bus)
  await until('both to be asked again', () => broken.asked.length > before && one.agents[0].server.asked.length > 1)
  t.is(broken.asked[before].since!.seconds, begin - 3)
  t.is(one.agents[0].server.asked[1].since!.seconds, begin + 95)
})

test('a peer that has been silent so long that its blocks are out of sight goes on where it was, and nothing is doubled', async t => {
  await using bus = await openTestBus()
  const now = Math.floor(Date.now() / 1000) - begin
  await using silent = await openObserverServer(({ send }) => send(...[0, 1, 2].map(second => flow('s', now - 1000 + second))))
  await using busy = await openObserverServer(({ send, number }) =>
    send(...Array.from({ length: number + 1 }, (_, second) => flow('b', now + second))),
  )
  const address = [silent.address, busy.address]
  const first = start(hubble, { address: silent.address }, bus.bus)
  await count(bus.bus, 3)
  await first.kill()
  const second = start(hubble, { address }, bus.bus)
  await until('it to be asked again', () => silent.asked.length === 2)
  await count(bus.bus, 4)
  await second.kill()
  const outOfSight: Bus = {
    ...bus.bus,
    recent: (topic, wanted) =>
      bus.bus.recent(
        topic,
        (headers, time) => !Object.hasOwn(JSON.parse(headers.peers) as object, silent.address) && wanted(headers, time),
      ),
  }
  await using _third = start(hubble, { address }, outOfSight)
  await count(bus.bus, 5)
  await until('it to be asked a third time', () => silent.asked.length === 3)
  t.deepEqual(
    silent.asked.map(({ since }) => since && since.seconds - begin - now),
    [undefined, -1003, -1003],
  )
  t.is((await published(bus.bus, 'flow')).length, 5)
  t.deepEqual(await published(bus.bus, 'loss'), [])
})
