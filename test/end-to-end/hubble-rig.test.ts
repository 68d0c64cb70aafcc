import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { hubble } from '../../collectors/hubble/source.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { openTestBus } from '../helpers/bus.ts'
import { until } from '../helpers/wait.ts'
import { type Running, published, start } from '../collectors/hubble/running.ts'

const rigs = process.env.WEIR_RIGS ?? join(homedir(), '.cache/weir-rigs/bin')
const replay = join(rigs, 'hubble-replay')

/** Says whether the real Hubble is there; without it a test is skipped, and fails where it is required. */
async function isThere(t: ExecutionContext): Promise<boolean> {
  const found = await access(replay).then(
    () => true,
    () => false,
  )
  if (found) return true
  t.log(`no ${replay}: skipped`)
  if (process.env.CI) t.fail()
  else t.pass()
  return false
}

interface Counts {
  flows: number
  verdict: Record<string, number>
  type: Record<string, number>
  l7: Record<string, number>
  lost_events: Record<string, number>
}

async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL') {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await once(child, 'exit')
}

/** One node of the rig with its control server. */
async function openNode({ host = '127.0.0.1', port, args }: { host?: string; port: number; args: string[] }) {
  const control = await freePort(host)
  const child = spawn(replay, ['-listen', `${host}:${port}`, '-control', `${host}:${control}`, ...args], { stdio: 'ignore' })
  const ask = (path: string, method = 'GET') => fetch(`http://${host}:${control}${path}`, { method })
  await until('the node', () =>
    ask('/counts').then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  return {
    address: `${host}:${port}`,
    counts: async () => ((await (await ask('/counts')).json()) as { generated: Counts }).generated,
    lose: (count: number) => ask(`/lose?n=${count}`, 'POST'),
    kill: () => stop(child),
    [Symbol.asyncDispose]: () => stop(child),
  }
}

/** The collector in a process of its own, so that it can be killed. */
function openCollector(bus: string, address: string) {
  const script = fileURLToPath(new URL('../helpers/hubble-collector.ts', import.meta.url))
  const child = spawn(process.execPath, [script, bus, address], { stdio: ['ignore', 'ignore', 'inherit'] })
  return { kill: () => stop(child), [Symbol.asyncDispose]: () => stop(child) }
}

const tally = (records: Record<string, unknown>[], field: string) => {
  const counts: Record<string, number> = {}
  for (const record of records) counts[String(record[field])] = (counts[String(record[field])] ?? 0) + 1
  return counts
}
const lowerCase = (counts: Record<string, number>) =>
  Object.fromEntries(Object.entries(counts).map(([key, count]) => [key.toLowerCase(), count]))

async function compare(t: ExecutionContext, bus: Bus, sent: Counts) {
  const flows = await published(bus, 'flow')
  t.is(flows.length, sent.flows)
  t.deepEqual(tally(flows, 'verdict'), lowerCase(sent.verdict))
  t.deepEqual(tally(flows, 'type'), lowerCase(sent.type))
  t.deepEqual(tally(await published(bus, 'request'), 'protocol'), sent.l7)
}

test.serial('everything a real Hubble sends arrives once, through kill -9 of the collector, and losses are told', async t => {
  if (!(await isThere(t))) return
  await using bus = await openTestBus()
  const count = 30_000
  const args = ['-count', String(count), '-rate', '3000', '-wait-clients', '1', '-lose', '7', '-lose-every', '10000', '-agent-every', '0']
  await using node = await openNode({ port: await freePort(), args })
  for (const pauseMs of [3000, 2500]) {
    const collector = openCollector(bus.path, node.address)
    await sleep(pauseMs)
    await collector.kill()
  }
  await using _last = openCollector(bus.path, node.address)
  await until('all flows', async () => (await published(bus.bus, 'flow')).length >= count - 1, { timeoutMs: 60_000, everyMs: 500 })
  await sleep(1500)
  const sent = await node.counts()
  await compare(t, bus.bus, sent)
  const lost: Record<string, number> = {}
  for (const { reason, count } of await published(bus.bus, 'loss')) lost[String(reason)] = (lost[String(reason)] ?? 0) + Number(count)
  t.true(sent.lost_events.PERF_EVENT_RING_BUFFER >= 14)
  t.deepEqual(lost, lowerCase(sent.lost_events))
})

test.serial('a node behind Relay that dies and returns is one gap, and the others lose nothing', async t => {
  if (!(await isThere(t))) return
  await using bus = await openTestBus()
  const port = await freePort()
  const hosts = ['127.0.0.1', '127.0.0.2']
  const peers = hosts.map((host, index) => `node-${index}=${host}`).join(',')
  const nodeArgs = (index: number, seed: number) => [
    '-node',
    `node-${index}`,
    '-node-index',
    String(index),
    '-nodes',
    '2',
    '-peers',
    peers,
    '-rate',
    '300',
    '-seed',
    String(seed),
    '-agent-every',
    '0',
  ]
  await using steady = await openNode({ host: hosts[0], port, args: nodeArgs(0, 1) })
  await using dying = await openNode({ host: hosts[1], port, args: nodeArgs(1, 1) })
  const relayPort = await freePort()
  const relay = spawn(
    join(rigs, 'hubble-relay'),
    [
      'serve',
      '--listen-address',
      `127.0.0.1:${relayPort}`,
      '--health-listen-address',
      `127.0.0.1:${await freePort()}`,
      '--cluster-name',
      'default',
      '--peer-service',
      steady.address,
      '--retry-timeout',
      '1s',
      '--gops=false',
      '--disable-client-tls',
      '--disable-server-tls',
    ],
    { stdio: 'ignore' },
  )
  await using _relay = { [Symbol.asyncDispose]: () => stop(relay) }
  await sleep(3000)
  await using _collector = openCollector(bus.path, `127.0.0.1:${relayPort}`)
  const from = async (reporter: string) => (await published(bus.bus, 'flow')).filter(flow => flow.reporter === reporter)
  await until('flows of both', async () => (await from('node-0')).length > 100 && (await from('node-1')).length > 100, {
    timeoutMs: 30_000,
    everyMs: 300,
  })
  await dying.kill()
  await sleep(2000)
  const before = (await from('node-1')).length
  await using _back = await openNode({ host: hosts[1], port, args: nodeArgs(1, 99) })
  await until('flows after the return', async () => (await from('node-1')).length > before + 50, { timeoutMs: 40_000, everyMs: 300 })
  const [gap, ...more] = await until(
    'the gap',
    async () => {
      const losses = await published(bus.bus, 'loss')
      return losses.length > 0 && losses
    },
    { timeoutMs: 30_000 },
  )
  t.deepEqual(more, [])
  t.like(gap, { reason: 'node_error', known: false, reporter: 'node-1' })
  t.true(Number(gap.until) - Number(gap.since) > 1.5e6)
  const steadyIds = await from('node-0')
  t.true(steadyIds.length > 0)
})

test.serial('with mutual TLS it is let in with its certificate, and says why not without', async t => {
  if (!(await isThere(t))) return
  const directory = await mkdtemp(join(tmpdir(), 'weir-hubble-'))
  await using _removed = { [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
  await once(spawn(replay, ['-make-certs', directory], { stdio: 'ignore' }), 'exit')
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
