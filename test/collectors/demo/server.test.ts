import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { runDemo, truth } from '../../../collectors/demo/index.ts'
import { readPlan } from '../../../collectors/demo/plan.ts'
import { FlowStream } from '../../../collectors/demo/stream.ts'
import { openBlock } from '../../../runtime/block/message.ts'
import type { Bus, Delivered } from '../../../runtime/bus/bus.ts'
import { untilCaughtUp } from '../../../runtime/bus/until-caught-up.ts'
import { openLog } from '../../../runtime/log.ts'
import { type ObjectVersion, objectKey } from '../../../schema/object.ts'
import { kinds, topicOf } from '../../../schema/record.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { decodeResponse, messagesIn, microsecondsOf, openClient, timestampOf } from './hubble-client.ts'

const log = openLog({ write: () => {} })

async function openDemo({ rate = 200, now = Date.now, bus }: { rate?: number; now?: () => number; bus?: Bus } = {}) {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'weir-demo-'))
  const stack = new AsyncDisposableStack()
  stack.defer(() => rm(dataDir, { recursive: true }))
  const on = bus ?? stack.use(await openTestBus()).bus
  const demo = stack.use(await runDemo({ bus: on, dataDir, rate, seed: 21, log, now, signal: new AbortController().signal }))
  const client = stack.use(openClient(demo.address))
  return { dataDir, demo, client, bus: on, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Every version on the topic of objects, in the order it was published. */
async function publishedOn(bus: Bus): Promise<{ key: string; version: ObjectVersion; delivered: Delivered }[]> {
  const found: { key: string; version: ObjectVersion; delivered: Delivered }[] = []
  for await (const delivered of untilCaughtUp(bus, topicOf(kinds.object), new AbortController().signal))
    for (const version of openBlock(delivered).records() as ObjectVersion[]) found.push({ key: delivered.key ?? '', version, delivered })
  return found
}

/** What the plan says was sent in [from, to), microseconds, as messages. */
async function regenerated(dataDir: string, from: number, to: number): Promise<Buffer[]> {
  const plan = await readPlan(dataDir)
  const stream = new FlowStream(plan!)
  const messages: Buffer[] = []
  for (let at = from; at < to; at = Math.floor(at / 1e6) * 1e6 + 1e6)
    for (const bytes of stream.encode(at, Math.min(to, Math.floor(at / 1e6) * 1e6 + 1e6))) messages.push(...messagesIn(bytes))
  return messages
}

test('says that its nodes are connected before the first flow', async t => {
  await using demo = await openDemo()
  const [first] = await demo.client.flows({ follow: true }, 1)
  t.is(first.node_status?.state_change, 'NODE_CONNECTED')
  t.is(first.node_status?.node_names.length, 5)
})

test('sends what lies from since to until, both included, and ends', async t => {
  await using demo = await openDemo()
  const from = (Math.floor(Date.now() / 1000) - 1800) * 1e6 + 250_000
  const to = from + 4_000_000
  const [, ...messages] = await demo.client.raw({ since: timestampOf(from), until: timestampOf(to) })
  t.deepEqual(messages, await regenerated(demo.dataDir, from, to + 1))
  const { flows } = await truth({ dataDir: demo.dataDir, from: from / 1000, to: to / 1000 })
  t.true(Math.abs(messages.length - flows) <= 1)

  const [first] = messages.slice(5).map(decodeResponse)
  const exact = microsecondsOf(first.time)
  const [, ...same] = await demo.client.flows({ since: timestampOf(exact), until: timestampOf(exact) })
  t.true(same.some(({ flow }) => flow?.uuid === first.flow?.uuid))
})

test('what came live is what the plan makes of that time later', async t => {
  await using demo = await openDemo({ rate: 2_000 })
  const begun = Date.now()
  const [, ...live] = await demo.client.raw({ follow: true }, 3_000)
  const times = [live[0], live.at(-1)!].map(message => microsecondsOf(decodeResponse(message).time))
  // On a busy machine the newest that is served may be a moment old.
  t.true(times[0] >= (begun - 2_000) * 1000, 'follow alone begins now')
  const again = await regenerated(demo.dataDir, times[0], times[1])
  const start = again.findIndex(message => message.equals(live[0]))
  const common = Math.min(again.length - start, live.length)
  t.true(start >= 0 && common > 2_900)
  t.deepEqual(live.slice(0, common), again.slice(start, start + common))
})

test('a follower from the past gets the past, then goes on with what is new, without a gap or a repeat', async t => {
  await using demo = await openDemo()
  const since = (Math.floor(Date.now() / 1000) - 20) * 1e6
  const [, ...messages] = await demo.client.raw({ since: timestampOf(since), follow: true }, 4_400)
  const again = await regenerated(demo.dataDir, since, since + 30_000_000)
  t.deepEqual(messages, again.slice(0, messages.length))
})

test.serial('no flow comes before its time, nor much later', async t => {
  await using demo = await openDemo({ rate: 500 })
  const call = demo.client.stream({ follow: true })
  call.on('error', () => {})
  const delays: number[] = []
  for await (const bytes of call as AsyncIterable<Buffer>) {
    const { flow, time } = decodeResponse(bytes)
    if (flow) delays.push(Date.now() - microsecondsOf(time) / 1000)
    if (delays.length >= 800) break
  }
  call.cancel()
  t.true(Math.min(...delays) >= -1, `${Math.min(...delays)} ms`)
  t.true(delays.toSorted((a, b) => a - b)[400] < 1_500, `${delays[400]} ms`)
})

test('since before its memory is cut there: an hour before the first start', async t => {
  await using demo = await openDemo({ rate: 10 })
  const [, first] = await demo.client.flows({ since: timestampOf(0) }, 2)
  const plan = await readPlan(demo.dataDir)
  t.true(Math.abs(microsecondsOf(first.time) / 1e6 - (plan!.anchor - 3600)) < 2)
})

test('number gives the newest flows, first and number the oldest', async t => {
  await using demo = await openDemo()
  const [, ...newest] = await demo.client.flows({ number: 450 })
  t.is(newest.length, 450)
  t.true(microsecondsOf(newest[0].time) > (Date.now() - 60_000) * 1000)
  const times = newest.map(({ time }) => microsecondsOf(time))
  t.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
  const [, ...oldest] = await demo.client.flows({ number: 7, first: true })
  t.is(oldest.length, 7)
  t.true(microsecondsOf(oldest[0].time) < (Date.now() - 3_500_000) * 1000)
})

const refused: Record<string, [request: object, code: number]> = {
  'a filter': [{ whitelist: [{ source_ip: ['10.0.0.1'] }], follow: true }, 12],
  'a blacklist': [{ blacklist: [{ source_ip: ['10.0.0.1'] }] }, 12],
  'a field mask': [{ field_mask: { paths: ['time'] } }, 12],
  'number with since': [{ number: 5, since: timestampOf(1) }, 3],
  'first with follow': [{ first: true, follow: true }, 3],
}
for (const [what, [request, code]] of Object.entries(refused))
  test(`${what} is refused rather than half obeyed`, async t => {
    await using demo = await openDemo({ rate: 5 })
    const error = await t.throwsAsync(demo.client.flows(request))
    t.is((error as { code?: unknown }).code, code)
  })

test('tells its status, nodes and namespaces as Relay does', async t => {
  await using demo = await openDemo()
  const status = (await demo.client.call('ServerStatus')) as { num_connected_nodes: { value: number }; seen_flows: string }
  t.is(status.num_connected_nodes.value, 5)
  t.true(Number(status.seen_flows) >= 720_000)
  const { nodes } = (await demo.client.call('GetNodes')) as { nodes: { name: string; state: string }[] }
  t.deepEqual(
    nodes.map(({ name }) => name),
    [1, 2, 3, 4, 5].map(number => `shop/worker-${number}`),
  )
  const { namespaces } = (await demo.client.call('GetNamespaces')) as { namespaces: { namespace: string }[] }
  t.true(namespaces.some(({ namespace }) => namespace === 'payments'))
})

test.serial('a client that does not read holds up nobody, and nothing piles up for it', async t => {
  await using demo = await openDemo({ rate: 200 })
  const slow = demo.client.stream({ since: timestampOf((Date.now() - 3_000_000) * 1000), follow: true })
  slow.on('error', () => {})
  await once(slow, 'readable')
  await sleep(300)
  globalThis.gc?.()
  const before = process.memoryUsage()
  await sleep(1_000)
  const after = process.memoryUsage()
  t.true(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed < 40e6)
  const quick = openClient(demo.demo.address)
  const started = Date.now()
  t.is((await quick.raw({ since: timestampOf((Date.now() - 60_000) * 1000) }, 5_000)).length, 5_000)
  t.true(Date.now() - started < 10_000)
  slow.cancel()
  quick[Symbol.dispose]()
})

test('the objects of the last hour are on the bus, each under its key, before the first flow can be had', async t => {
  await using demo = await openDemo()
  const found = await publishedOn(demo.bus)
  t.deepEqual([...new Set(found.map(({ version }) => version.kind))].sort(), [
    'namespace',
    'network_policy',
    'node',
    'pod',
    'service',
    'service_account',
    'workload',
  ])
  for (const { key, version, delivered } of found) {
    t.is(key, objectKey(version))
    t.like(delivered.headers, { kind: 'object', version: '1', rows: '1', collector: 'demo' })
  }
  const now = Date.now() * 1000
  t.true(
    found.every(
      ({ version }) => version.valid_from! <= now + 1e6 && (version.valid_to! <= now + 1e6 || version.valid_to === 4_102_444_800_000_000),
    ),
  )
  const pods = found.filter(({ version }) => version.kind === 'pod').map(({ version }) => version)
  t.true(pods.length > 100)
  const restricted = found.filter(({ version }) => version.name === 'restrict-fraud')
  t.is(restricted.length, 3)
})

test('no two pods have an address at the same time', async t => {
  await using demo = await openDemo()
  const pods = (await publishedOn(demo.bus))
    .map(({ version }) => version)
    .filter(version => version.kind === 'pod' && !version.host_network)
  const byAddress = Map.groupBy(pods, pod => pod.addresses![0])
  for (const holders of byAddress.values()) {
    const inOrder = holders.toSorted((a, b) => a.valid_from! - b.valid_from!)
    for (let i = 1; i < inOrder.length; i++) t.true(inOrder[i - 1].valid_to! <= inOrder[i].valid_from!)
  }
})

test('what ended while the demo was off for days is told to have ended', async t => {
  await using owned = await openTestBus()
  const dataDir = await mkdtemp(path.join(tmpdir(), 'weir-demo-'))
  const run = async (now: () => number) => {
    await using _ = await runDemo({ bus: owned.bus, dataDir, rate: 5, seed: 21, log, now, signal: new AbortController().signal })
  }
  await run(Date.now)
  const later = Date.now() + 50 * 3_600_000
  await run(() => later)
  const newest = new Map((await publishedOn(owned.bus)).map(({ key, version }) => [key, version]))
  const open = [...newest.values()].filter(version => version.valid_to === 4_102_444_800_000_000)
  const addresses = open.flatMap(({ kind, host_network, addresses }) => (kind === 'pod' && !host_network ? addresses! : []))
  t.is(new Set(addresses).size, addresses.length)
  t.is(open.filter(({ kind, workload }) => kind === 'workload' && workload === 'checkout').length, 1)
  t.true(open.filter(({ kind, workload }) => kind === 'pod' && workload === 'report').length <= 1)
  await rm(dataDir, { recursive: true })
})

async function spawnDemo(
  t: ExecutionContext,
  dataDir: string,
  file: string,
  rate: number,
): Promise<{ child: ChildProcess; address: string }> {
  const program = path.join(import.meta.dirname, 'demo-process.ts')
  const child = spawn(process.execPath, [program, dataDir, file, String(rate)], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  return { child, address: line.toString().trim() }
}

test.serial('a kill loses nothing: after a restart the same flows and the same objects are told', async t => {
  await using owned = await openTestBus()
  const dataDir = await mkdtemp(path.join(tmpdir(), 'weir-demo-'))
  const first = await spawnDemo(t, dataDir, owned.path, 300)
  const since = timestampOf((Date.now() - 5_000) * 1000)
  const before = openClient(first.address)
  const [, ...told] = await before.raw({ since, follow: true }, 2_000)
  const objects = await publishedOn(owned.bus)
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  before[Symbol.dispose]()

  const second = await spawnDemo(t, dataDir, owned.path, 300)
  const after = openClient(second.address)
  const [, ...again] = await after.raw({ since, follow: true }, 2_000)
  t.deepEqual(again, told)
  const newer = new Map((await publishedOn(owned.bus)).map(({ key, version }) => [key, version]))
  for (const { key, version } of objects) {
    const now = newer.get(key)
    if (version.valid_to === now?.valid_to) t.deepEqual(now, version)
    else t.true(now!.valid_to! < version.valid_to!, 'an end may become known')
  }
  after[Symbol.dispose]()
  second.child.kill('SIGKILL')
  await once(second.child, 'exit')
  await rm(dataDir, { recursive: true })
})

test.serial('while the bus takes no objects no flow of that time is told', async t => {
  await using owned = await openTestBus()
  let blocked: PromiseWithResolvers<void> | undefined
  const bus: Bus = Object.assign(Object.create(owned.bus) as Bus, {
    publish: async (...args: Parameters<Bus['publish']>) => {
      await blocked?.promise
      return owned.bus.publish(...args)
    },
  })
  // A clock that runs through a swap of addresses, so that there are objects to publish.
  let ahead = 0
  await using demo = await openDemo({ bus, now: () => Date.now() + ahead })
  blocked = Promise.withResolvers()
  ahead = 600_000
  await sleep(1_100)
  const [, ...flows] = await demo.client.flows({ since: timestampOf(Date.now() * 1000) })
  const newest = Math.max(0, ...flows.map(({ time }) => microsecondsOf(time)))
  t.true(newest < (Date.now() + 60_000) * 1000)
  blocked.resolve()
  const there = async () => (await demo.client.raw({ since: timestampOf((Date.now() + ahead - 1_500) * 1000) })).length > 100
  t.true(await until('the flows of that time', there))
})
