import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { hubble } from '../../collectors/hubble/source.ts'
import { openTestBus } from '../helpers/bus.ts'
import { freePort, isThere, openNode, openRecorder, openRelay, program } from '../helpers/hubble-rig.ts'
import { type Recording, countRecorded, countStored, differences, lossesTold, microsOf, sum } from '../helpers/hubble-truth.ts'
import { until } from '../helpers/wait.ts'
import { type ProcessName, type TestWeir, startWeir } from '../helpers/weir.ts'
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
  t.timeout(120_000)
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
  await until('all flows', async () => sum((await stored()).verdict) >= count, { timeoutMs: 60_000, everyMs: 500 })
  await sleep(1500)
  const { recording } = recorder
  const told = await node.generated()
  t.is(recording.flows.length, count)
  const truth = countRecorded(recording.flows)
  t.deepEqual([truth.verdict, truth.type], [told.verdict, told.type].map(lowerCase))
  t.is(sum(truth.l7), sum(told.l7))
  t.true(Object.keys(truth.dropReason).length > 20 && Object.keys(truth.policy).length > 100)
  t.deepEqual(differences(truth, await stored()), [])
  t.true(told.lost_events.PERF_EVENT_RING_BUFFER >= 14)
  t.deepEqual(await lossesTold(weir.url, { from }), { lost: lowerCase(told.lost_events), gaps: {} })
  t.is(await weir.stop(), 0)
})

/** Flows that lie entirely before or after an interval, and a filter for the same. */
const outside = (flows: Recording['flows'], node: string, { since, until }: { since: string; until: string }) => ({
  flows: flows.filter(
    ({ node_name, time }) => node_name === node && (microsOf(time) < microsOf(since) || microsOf(time) > microsOf(until)),
  ),
  where: `reporter = ${node} AND (time < ${since} OR time > ${until})`,
})

test.serial('a node behind Relay that dies and returns is one gap, and around it nothing is lost, nor of the others', async t => {
  if (!(await isThere(t))) return
  t.timeout(150_000)
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
    await until(`flows of ${name}`, async () => (await countOf(`reporter = ${name}`)) > 500, { timeoutMs: 40_000, everyMs: 300 })
  await dying.kill()
  await sleep(2000)
  const before = await countOf('reporter = node-1')
  await using back = await openOne(1, { seed: 99, waitFor: 1 })
  await using secondLife = openRecorder(back.address)
  await until('flows after the return', async () => (await countOf('reporter = node-1')) > before + 300, {
    timeoutMs: 40_000,
    everyMs: 300,
  })
  await killed(weir, 'collect')
  const gap = await until(
    'the gap',
    async () => {
      const response = await fetch(`${weir.url}/api/v1/records/loss?from=${from}&to=now`)
      const { rows } = (await response.json()) as {
        rows: { reason: string; known: boolean; reporter: string; since: string; until: string }[]
      }
      return rows[0]
    },
    { timeoutMs: 30_000 },
  )
  t.like(gap, { reason: 'node_error', known: false, reporter: 'node-1' })
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
    t.deepEqual(differences(countRecorded(recorded), await countStored(weir.url, { from, to, where: around.where })), [])
  }
  t.deepEqual(await lossesTold(weir.url, { from }), { lost: {}, gaps: { node_error: 1 } })
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
