import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { hubble } from '../../collectors/hubble/source.ts'
import { openTestBus } from '../helpers/bus.ts'
import { freePort, isThere, openNode, openRecorder, openRelay, openSocket, program } from '../helpers/hubble-rig.ts'
import {
  type Counts,
  type Recording,
  type ToldGap,
  countRecorded,
  countStored,
  differences,
  gapTold,
  lossesTold,
  microsOf,
  sum,
} from '../helpers/hubble-truth.ts'
import { until } from '../helpers/wait.ts'
import { type ProcessName, type TestWeir, countBy, startWeir } from '../helpers/weir.ts'
import { type Running, published, start } from '../collectors/hubble/running.ts'

const lowerCase = (counts: Record<string, number>) =>
  Object.fromEntries(Object.entries(counts).map(([key, count]) => [key.toLowerCase(), count]))

/** Kills a process of weir with -9 and waits for the next of its kind. */
async function killed(weir: TestWeir, name: ProcessName): Promise<void> {
  const pid = weir.pidOf(name)
  weir.kill(name)
  await until(`${name} to be started again`, () => weir.pidOf(name) && weir.pidOf(name) !== pid)
}

test.serial('what a real Hubble sends is stored once, by drop reason and policy too, whichever process is killed with -9', async t => {
  if (!(await isThere(t))) return
  t.timeout(400_000)
  const count = 30_000
  const args = ['-count', String(count), '-rate', '3000', '-wait-clients', '2', '-lose', '7', '-lose-every', '10000', '-agent-every', '0']
  await using node = await openNode({ port: await freePort(), args })
  await using recorder = openRecorder(node.address)
  const from = new Date().toISOString()
  await using weir = await startWeir(['--no-demo'], { WEIR_HUBBLE_ADDRESS: node.address })
  for (const name of ['collect', 'enrich', 'clickhouse', 'collect'] as const) {
    await sleep(1500)
    await killed(weir, name)
  }
  weir.kill('weir')
  await weir.ended()
  await weir.start()
  const stored = () => countStored(weir.url, { from })
  await until('all flows', async () => sum((await stored()).verdict) >= count, { timeoutMs: 150_000, everyMs: 500 })
  await sleep(1500)
  const { recording } = recorder
  const told = await node.generated()
  t.is(recording.flows.length, count)
  const truth = countRecorded(recording.flows)
  t.deepEqual([truth.verdict, truth.type], [told.verdict, told.type].map(lowerCase))
  t.is(sum(truth.l7), sum(told.l7))
  t.true(Object.keys(truth.dropReason).length > 20 && Object.keys(truth.policy).length > 100)
  t.deepEqual(await lastingDifferences(truth, stored), [])
  t.true(told.lost_events.PERF_EVENT_RING_BUFFER >= 14)
  t.deepEqual(await lossesTold(weir.url, { from }), { lost: lowerCase(told.lost_events), gaps: {} })
  t.is(await weir.stop(), 0)
})

/** How what is stored differs from what was recorded, once what is under way has come: requests come by blocks of their own, later than flows. */
async function lastingDifferences(recorded: Counts, stored: () => Promise<Counts>): Promise<string[]> {
  for (const end = Date.now() + 20_000; ; await sleep(500)) {
    const found = differences(recorded, await stored())
    if (!found.length || Date.now() > end) return found
  }
}

/** Flows that lie entirely before or after an interval, and a filter for the same. */
const outside = (flows: Recording['flows'], node: string, { since, until }: Pick<ToldGap, 'since' | 'until'>) => ({
  flows: flows.filter(
    ({ node_name, time }) => node_name === node && (microsOf(time) < microsOf(since) || microsOf(time) > microsOf(until)),
  ),
  where: `reporter = ${node} AND (time < ${since} OR time > ${until})`,
})

test.serial('a node behind Relay that dies and returns is one gap, and around it nothing is lost, nor of the others', async t => {
  if (!(await isThere(t))) return
  t.timeout(400_000)
  const port = await freePort()
  const hosts = ['127.0.0.1', '127.0.0.2']
  const peers = hosts.map((host, index) => `node-${index}=${host}`).join(',')
  const openOne = (index: number, { seed, rate = 300, waitFor = 2 }: { seed: number; rate?: number; waitFor?: number }) => {
    const place = ['-node', `node-${index}`, '-node-index', String(index), '-nodes', '2', '-peers', peers]
    const traffic = ['-rate', String(rate), '-seed', String(seed), '-agent-every', '0', '-wait-clients', String(waitFor)]
    return openNode({ host: hosts[index], port, args: [...place, ...traffic] })
  }
  await using steady = await openOne(0, { seed: 1 })
  await using dying = await openOne(1, { seed: 1 })
  await using steadyRecorder = openRecorder(steady.address)
  await using firstLife = openRecorder(dying.address)
  await using relay = await openRelay(steady.address)
  const from = new Date().toISOString()
  await using weir = await startWeir(['--no-demo'], { WEIR_HUBBLE_ADDRESS: relay.address })
  const countOf = async (where: string) => sum((await countStored(weir.url, { from, where })).verdict)
  for (const name of ['node-0', 'node-1'])
    await until(`flows of ${name}`, async () => (await countOf(`reporter = ${name}`)) > 500, { timeoutMs: 150_000, everyMs: 300 })
  await dying.kill()
  await sleep(2000)
  const before = await countOf('reporter = node-1')
  await using back = await openOne(1, { seed: 99, waitFor: 1 })
  await using secondLife = openRecorder(back.address)
  await until('flows after the return', async () => (await countOf('reporter = node-1')) > before + 300, {
    timeoutMs: 150_000,
    everyMs: 300,
  })
  await killed(weir, 'collect')
  const gap = await until('the gap', () => gapTold(weir.url, { from }), { timeoutMs: 150_000 })
  t.like(gap, { reason: 'node_error', reporter: 'node-1' })
  t.true(microsOf(gap.until) - microsOf(gap.since) > 1.5e6)
  await sleep(2000)

  const to = new Date().toISOString()
  for (const name of ['node-0', 'node-1'])
    await until(`what came until now from ${name}`, async () => (await countOf(`reporter = ${name} AND time > ${to}`)) > 100)
  const flows = [steadyRecorder, firstLife, secondLife].flatMap(({ recording }) => recording.flows)
  const nothing = { since: to, until: to }
  for (const [name, interval] of [
    ['node-0', nothing],
    ['node-1', gap],
  ] as const) {
    const around = outside(flows, name, interval)
    const recorded = around.flows.filter(({ time }) => microsOf(time) < microsOf(to))
    t.true(recorded.length > 800)
    const stored = () => countStored(weir.url, { from, to, where: around.where })
    t.deepEqual(await lastingDifferences(countRecorded(recorded), stored), [])
  }
  t.deepEqual(await lossesTold(weir.url, { from }), { lost: {}, gaps: { node_error: 1 } })
})

test.serial('what the ring of a node lost while we could not read is counted, and makes up what was sent', async t => {
  if (!(await isThere(t))) return
  t.timeout(400_000)
  const count = 36_000
  const ring = ['-ring', '4095', '-lost-interval', '200ms']
  const args = ['-count', String(count), '-rate', '1000', '-wait-clients', '1', '-agent-every', '0', ...ring]
  await using node = await openNode({ port: await freePort(), args })
  const from = new Date().toISOString()
  await using weir = await startWeir(['--no-demo'], { WEIR_HUBBLE_ADDRESS: node.address })
  const stored = (dimension: string) => countBy(weir.url, 'flow', dimension, { from, to: 'now' })
  await until('flows', async () => sum(await stored('verdict')) > 1000)
  weir.kill('collect', 'SIGSTOP')
  await node.setRate(6000)
  await sleep(3000)
  // Hubble tells what a ring lost when it sends more, a while later.
  await node.setRate(2500)
  weir.kill('collect', 'SIGCONT')
  const accounted = async () => sum(await stored('verdict')) + sum((await lossesTold(weir.url, { from })).lost)
  await until('all flows or their loss', async () => (await accounted()) >= count, { timeoutMs: 150_000, everyMs: 500 })
  await sleep(1000)
  const { lost, gaps } = await lossesTold(weir.url, { from })
  t.deepEqual([Object.keys(lost), gaps], [['hubble_ring_buffer'], {}])
  t.is(await accounted(), count)
  const told = await node.generated()
  for (const dimension of ['verdict', 'type'] as const)
    for (const [name, records] of Object.entries(await stored(dimension))) t.true(records <= told[dimension][name.toUpperCase()], name)
})

test.serial('a ring that was overwritten while we were away is one gap, and around it nothing is lost', async t => {
  if (!(await isThere(t))) return
  t.timeout(400_000)
  const count = 40_000
  const args = ['-count', String(count), '-rate', '1500', '-ring', '4095', '-wait-clients', '2', '-agent-every', '0']
  await using node = await openNode({ port: await freePort(), args })
  await using recorder = openRecorder(node.address)
  const from = new Date().toISOString()
  await using weir = await startWeir(['--no-demo'], { WEIR_HUBBLE_ADDRESS: node.address })
  const countOf = async (where?: string) => sum((await countStored(weir.url, { from, where })).verdict)
  await until('flows', async () => (await countOf()) > 3000)
  weir.kill('weir')
  await weir.ended()
  await sleep(4000)
  await weir.start()
  const gap = await until('the gap', () => gapTold(weir.url, { from }))
  t.like(gap, { reason: 'ring_overwritten', reporter: 'node-0' })
  await until('the end', () => recorder.recording.flows.length === count, { timeoutMs: 150_000 })
  const { flows, where } = outside(recorder.recording.flows, 'node-0', gap)
  t.true(flows.length > 8000 && flows.length < count)
  await until('all that is still there', async () => (await countOf(where)) >= flows.length)
  await sleep(1000)
  t.deepEqual(await lastingDifferences(countRecorded(flows), () => countStored(weir.url, { from, where })), [])
  t.deepEqual((await lossesTold(weir.url, { from })).gaps, { ring_overwritten: 1 })
})

test.serial('with mutual TLS it is let in with its certificate, and says why not without', async t => {
  if (!(await isThere(t))) return
  const directory = await mkdtemp(join(tmpdir(), 'weir-hubble-'))
  await using _removed = { [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
  await once(spawn(program('hubble-replay'), ['-make-certs', directory], { stdio: 'ignore' }), 'exit')
  const file = (name: string) => join(directory, name)
  const args = ['-rate', '200', '-tls-cert', file('server.crt'), '-tls-key', file('server.key'), '-tls-client-ca', file('ca.crt')]
  await using node = await openNode({ port: await freePort(), args })
  await using bus = await openTestBus()
  const trusting = { ca: file('ca.crt'), server_name: 'instance.default.hubble-grpc.cilium.io' }
  await using refused = start(hubble, { address: node.address, tls: trusting }, bus.bus, { collector: 'refused' })
  await using untrusting = start(hubble, { address: node.address, tls: true }, bus.bus, { collector: 'untrusting' })
  await using _let = start(
    hubble,
    { address: node.address, tls: { ...trusting, cert: file('client.crt'), key: file('client.key') } },
    bus.bus,
  )
  await until('flows', async () => (await published(bus.bus, 'flow')).length > 50)
  const reasonsOf = ({ statuses }: Running) => statuses.map(({ reason }) => reason ?? 'ready').join('; ')
  await until('both refusals', () => refused.statuses.length > 1 && untrusting.statuses.length > 1)
  t.notRegex(reasonsOf(refused), /ready/)
  t.regex(reasonsOf(untrusting), /certificate/)
})

test.serial('over a Unix socket it is read as well', async t => {
  if (!(await isThere(t))) return
  const directory = await mkdtemp(join(tmpdir(), 'weir-hubble-'))
  await using _removed = { [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
  const port = await freePort()
  await using _node = await openNode({ port, args: ['-rate', '200'] })
  const path = join(directory, 'hubble.sock')
  await using _socket = await openSocket(path, port)
  await using bus = await openTestBus()
  await using _collecting = start(hubble, { address: `unix://${path}` }, bus.bus)
  await until('flows', async () => (await published(bus.bus, 'flow')).length > 50)
  t.pass()
})
