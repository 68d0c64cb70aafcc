// What following a large cluster costs: memory and processor time of the Kubernetes source, from HTTP to versions of objects, before a
// made-up API server in a process of its own. node test/benchmarks/kubernetes.ts [pods]
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import http from 'node:http'
import { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import v8 from 'node:v8'
import { openApi } from '../../collectors/kubernetes/api.ts'
import { ClockOffset } from '../../collectors/kubernetes/clock.ts'
import { followCluster } from '../../collectors/kubernetes/follow.ts'
import { usualTiming } from '../../collectors/kubernetes/reflector.ts'
import { Report } from '../../collectors/kubernetes/report.ts'
import { openPublisher } from '../../collectors/publisher.ts'
import { openLog } from '../../runtime/log.ts'
import { component } from '../../runtime/telemetry.ts'
import { openTestBus } from '../helpers/bus.ts'
import { until } from '../helpers/wait.ts'

const isServer = process.argv[2] === '--serve'
const pods = Number(process.argv[isServer ? 3 : 2] ?? 50_000)
const podsPerWorkload = 20
const uidOf = (number: number, life = 0) => `${String(life).padStart(8, '0')}-0000-4000-8000-${String(number).padStart(12, '0')}`

/** A pod as large as those of a cluster with a sidecar: 7 kB with what the server notes about its fields. */
function podOf(number: number, { life = 0, status = 0 } = {}) {
  const workload = Math.floor(number / podsPerWorkload)
  const app = `service-${workload % 500}`
  const labels = { app, 'app.kubernetes.io/name': app, 'app.kubernetes.io/version': '1.2.3', 'pod-template-hash': 'abc12', tier: 'backend' }
  const env = Array.from({ length: 20 }, (_, at) => ({ name: `SETTING_${at}`, value: `the value of the setting ${at}` }))
  const container = (name: string) => ({
    name,
    image: `registry.example/${name}:1.2.3`,
    ports: [{ containerPort: 8080, protocol: 'TCP' }],
    env,
  })
  const metadata = {
    name: `${app}-abc12-${number}-${life}`,
    namespace: `team-${workload % 200}`,
    uid: uidOf(number, life),
    resourceVersion: '10',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels,
    annotations: { note: 'x'.repeat(400) },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${app}-abc12`, uid: `rs-${workload}`, controller: true }],
    managedFields: Array.from({ length: 3 }, (_, at) => ({
      manager: `manager-${at}`,
      operation: 'Update',
      fieldsV1: { f: 'f:'.repeat(400) },
    })),
  }
  const address = `10.${128 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`
  return {
    metadata,
    spec: { nodeName: `node-${number % 1000}`, serviceAccountName: app, containers: [container(app), container('istio-proxy')] },
    status: {
      phase: 'Running',
      podIP: address,
      podIPs: [{ ip: address }],
      startTime: '2026-01-01T00:00:02Z',
      conditions: Array.from({ length: 4 }, (_, at) => ({ type: `Condition${at}`, status: 'True', message: String(status) })),
      containerStatuses: [{ name: app, restartCount: status, state: { running: { startedAt: '2026-01-01T00:00:02Z' } } }],
    },
  }
}

function replicaSets() {
  return Array.from({ length: Math.ceil(pods / podsPerWorkload) }, (_, at) => ({
    metadata: {
      name: `service-${at % 500}-abc12`,
      namespace: `team-${at % 200}`,
      uid: `rs-${at}`,
      ownerReferences: [{ kind: 'Deployment', name: `service-${at % 500}`, uid: `d-${at}`, controller: true }],
    },
  }))
}

function slices() {
  return Array.from({ length: Math.ceil(pods / podsPerWorkload) }, (_, at) => {
    const numbers = Array.from({ length: podsPerWorkload }, (_, offset) => at * podsPerWorkload + offset).filter(number => number < pods)
    return {
      metadata: {
        name: `s-${at}`,
        namespace: `team-${at % 200}`,
        uid: `s-${at}`,
        labels: { 'kubernetes.io/service-name': `service-${at % 500}` },
      },
      endpoints: numbers.map(number => ({ addresses: ['10.0.0.1'], targetRef: { kind: 'Pod', uid: uidOf(number) } })),
    }
  })
}

const nodes = () =>
  Array.from({ length: 1000 }, (_, at) => ({
    metadata: { name: `node-${at}`, uid: `node-${at}`, labels: { 'topology.kubernetes.io/zone': `zone-${at % 3}` } },
    status: { addresses: [{ type: 'InternalIP', address: `10.1.${at >> 8}.${at & 255}` }] },
  }))

/** Lists, and a watch of pods that shows each again with another status, or ends it and begins another, when told to. */
async function serve(): Promise<void> {
  const lists: Record<string, () => object[]> = { nodes, replicasets: replicaSets, endpointslices: slices }
  let watcher: http.ServerResponse | undefined
  const server = http.createServer((request, response) => {
    const url = new URL(request.url!, 'http://localhost')
    const plural = url.pathname.split('/').at(-1)!
    if (url.searchParams.has('watch')) {
      response.writeHead(200)
      response.flushHeaders()
      if (plural !== 'pods') return
      watcher = response
      process.send!('watched')
      return
    }
    const from = Number(url.searchParams.get('continue') ?? 0)
    const to = Math.min(pods, from + Number(url.searchParams.get('limit') ?? pods))
    const isPods = plural === 'pods'
    const items = isPods ? Array.from({ length: to - from }, (_, at) => podOf(from + at)) : (lists[plural]?.() ?? [])
    response.end(JSON.stringify({ metadata: { resourceVersion: '10', continue: isPods && to < pods ? String(to) : '' }, items }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  process.send!({ port: (server.address() as AddressInfo).port })
  const send = async (event: object) => {
    if (!watcher!.write(`${JSON.stringify(event)}\n`)) await once(watcher!, 'drain')
  }
  process.on('message', async what => {
    for (let number = 0; number < pods; number++)
      if (what === 'status') await send({ type: 'MODIFIED', object: podOf(number, { status: 1 }) })
      else {
        await send({ type: 'DELETED', object: podOf(number) })
        await send({ type: 'ADDED', object: podOf(number, { life: 1 }) })
      }
    process.send!('sent')
  })
}

async function measure(): Promise<void> {
  v8.setFlagsFromString('--expose-gc')
  const collectGarbage = (await import('node:vm')).runInNewContext('gc') as () => void
  const child = fork(import.meta.filename, ['--serve', String(pods)])
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  const kubeconfig = path.join(tmpdir(), `weir-bench-${process.pid}.kubeconfig`)
  const cluster = { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true }
  const contexts = [{ name: 'c', context: { cluster: 'c', user: 'c' } }]
  await writeFile(
    kubeconfig,
    JSON.stringify({ clusters: [{ name: 'c', cluster }], users: [{ name: 'c', user: {} }], contexts, 'current-context': 'c' }),
  )

  const stop = new AbortController()
  const { signal } = stop
  const log = openLog({ level: 'error' })
  const instruments = component('source', 'bench')
  await using opened = await openTestBus()
  const outbox = openPublisher({ bus: opened.bus, collector: 'bench', log, instruments, signal })
  const api = await openApi({ name: 'c', kubeconfig, setting: 'bench' })
  let told = 0
  let peak = 0
  // What the bus costs is its own account: here versions are only counted.
  const objects = { publish: async (versions: readonly object[]) => void (told += versions.length), standing: async () => [] }
  const watching = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20)

  let cpu = process.cpuUsage()
  const line = (what: string) => {
    const { user, system } = process.cpuUsage(cpu)
    const top = peak
    collectGarbage()
    const { heapUsed, rss } = process.memoryUsage()
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`
    console.log(
      `${what.padEnd(44)} ${((user + system) / 1e6).toFixed(1).padStart(6)} s  heap ${mib(heapUsed)}, resident ${mib(rss)}, at most ${mib(top)}; ${told} told`,
    )
    peak = 0
    cpu = process.cpuUsage()
  }
  line('nothing yet')
  let relist = 15_000
  const timing = {
    ...usualTiming,
    get relistMs() {
      return relist
    },
  }
  const report = new Report(() => {}).add('c', log, new ClockOffset())
  const running = followCluster(
    { name: 'c', api, clock: new ClockOffset(), report, timing },
    { outbox, objects, signal, log, instruments, status: () => {} },
  ).catch(() => {})
  const said: unknown[] = []
  child.on('message', what => said.push(what))
  const heard = (what: string) => until(what, () => said.includes(what) && said.splice(0), { timeoutMs: 300_000 })
  await until('all pods', () => told > pods, { timeoutMs: 300_000 })
  await heard('watched')
  relist = 3_600_000
  line(`${pods} pods listed`)
  // The watch of that time ends 15 seconds after it began.
  await heard('watched')
  line('listed again')
  for (const what of ['status', 'replace']) {
    const before = told
    child.send(what)
    await heard('sent')
    if (what === 'replace') await until('all', () => told >= before + 2 * pods, { timeoutMs: 300_000 })
    line(what === 'status' ? 'a status of each that says nothing new' : 'each deleted and another begun')
  }
  clearInterval(watching)
  stop.abort()
  await running
  api[Symbol.dispose]()
  await outbox[Symbol.asyncDispose]()
  child.kill()
}

await (isServer ? serve() : measure())
