// What it costs to attribute an hour again, and to ask meanwhile: node test/benchmarks/reattribute.ts [flows of the hour] [pods]
import { readFileSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { migrate } from '../../deploy/migrate.ts'
import { stepsOf } from '../../enricher/known.ts'
import { reattribute } from '../../enricher/reattribution/run.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import type { Query } from '../../query-api/plan.ts'
import { ask } from '../../query-api/query.ts'
import { openClickHouse } from '../../runtime/clickhouse/client.ts'
import { openEmbeddedClickHouse } from '../../runtime/clickhouse/embedded.ts'
import { openEnd } from '../../schema/object.ts'
import { knownForMs } from '../../schema/reattribution.ts'
import { quietLog } from '../helpers/clickhouse.ts'

const rows = Number(process.argv[2] ?? 2_000_000)
const pods = Number(process.argv[3] ?? 2_000)
/** Each calls three others. */
const workloads = 150
const hour = Math.floor(Date.now() / 3_600_000) * 3600 - 3600

const dataDir = await mkdtemp(path.join(tmpdir(), 'weir-reattribute-'))
process.once('exit', () => rmSync(dataDir, { recursive: true, force: true }))
await using server = await openEmbeddedClickHouse({ dataDir, log: quietLog })
await using clickhouse = openClickHouse({ url: server.url })
await migrate({ clickhouse, log: quietLog })

const address = (number: string) => `toIPv6(concat('10.0.', toString(intDiv(${number}, 250)), '.', toString(${number} % 250 + 1)))`
await clickhouse.command(
  `INSERT INTO flow (time, received, source, reporter, cluster, layer, type, event, observation_point, direction, is_reply, verdict, protocol,
  src_address, dst_address, src_port, dst_port, tcp_flags, src_identity, dst_identity, bytes, src_attribution_reason, dst_attribution_reason, orientation, server_port)
SELECT fromUnixTimestamp64Micro(toInt64(${hour} * 1000000 + number * intDiv(3600000000, ${rows}))) AS at, at, 'hubble', concat('node-', toString(number % 40)), 'east', 'kernel', 'l3_l4',
  'trace', ['to_endpoint', 'to_overlay'][1 + number % 2], ['ingress', 'egress'][1 + number % 2], ['yes', 'no'][1 + intDiv(number, 2) % 2], 'forwarded', 'tcp',
  ${address(`cityHash64(number) % ${pods}`)}, ${address(`(cityHash64(number) % ${pods} % ${workloads} * 7 + number % 3) % ${workloads}`)}, 32768 + number % 28000, 8080, 16, number % 400, number % 300, 0,
  'no_object', 'no_object', ['reply', 'forward'][1 + intDiv(number, 2) % 2], 8080
FROM numbers(${rows})`,
  { settings: { max_execution_time: 0 } },
)

const objects = new ObjectTable()
for (let i = 0; i < pods; i++)
  objects.add({
    kind: 'pod',
    cluster: 'east',
    namespace: `namespace-${i % 12}`,
    name: `workload-${i % workloads}-${i}`,
    uid: `pod-${i}`,
    workload: `workload-${i % workloads}`,
    workload_kind: 'Deployment',
    node: `node-${i % 40}`,
    services: [`namespace-${i % 12}/workload-${i % workloads}`],
    addresses: [`10.0.${Math.floor(i / 250)}.${(i % 250) + 1}`],
    valid_from: 0,
    valid_to: openEnd,
  })

const [from, to] = [hour, hour + 3600].map(seconds => new Date(seconds * 1000).toISOString())
const questions: Record<string, Query> = {
  'flows by the minute, from the rollup': { metrics: ['flows'], by: ['dst_workload'], from, to, every: 60, top: 10 },
  'flows of the hour, from the rollup': { metrics: ['flows'], by: ['src_workload', 'dst_workload'], from, to },
  'records by pod': { kind: 'flow', metrics: ['records'], by: ['dst_pod'], from, to },
}

async function askAll(when: string): Promise<void> {
  for (const [what, question] of Object.entries(questions)) {
    const times: number[] = []
    for (let i = 0; i < 7; i++) times.push((await ask(question, { clickhouse })).meta.elapsed_ms)
    console.log(`${what}, ${when}: ${times.sort((a, b) => a - b)[3]} ms`)
  }
}

/** Seconds of processor time of the server. */
function serverSeconds(): number {
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const stores = { reader: clickhouse, inserter: clickhouse, shards: async () => [[clickhouse]] }
const everybody = {
  publishToAll: async () => {},
  positions: async () => [{ offset: 0, metadata: JSON.stringify({ tag: { revision: 2 ** 31 } }) }],
  lag: async () => [],
}
const steps = () => stepsOf({ objects }, {})
const request = { id: 'benchmark', kind: 'flow' as const, from: hour, to: hour + 3600, provisional: false }
const running = { stores, bus: everybody, group: 'enricher', steps, log: quietLog, settleMs: 0 }

/** Ends the work as soon as the hour shows its copies: then nothing is removed yet. */
class Shown extends Error {}
const start = { wall: performance.now(), own: process.cpuUsage(), server: serverSeconds() }
let copied: Record<string, number> = {}
const work = reattribute(
  request,
  {
    ...running,
    onProgress({ phase, hours }) {
      if (phase !== 'copying' || hours < 1) return
      const { user, system } = process.cpuUsage(start.own)
      copied = { wall: (performance.now() - start.wall) / 1000, own: (user + system) / 1e6, server: serverSeconds() - start.server }
      throw new Shown()
    },
  },
  AbortSignal.timeout(600_000),
)
await work.catch(error => {
  if (!(error instanceof Shown)) throw error
})
console.log(
  `copied ${rows} flows in ${copied.wall.toFixed(1)} s: ${Math.round(rows / copied.wall)}/s; processor time a flow: enricher ${((copied.own / rows) * 1e6).toFixed(2)} µs, ClickHouse ${((copied.server / rows) * 1e6).toFixed(2)} µs`,
)
await new Promise(resolve => setTimeout(resolve, knownForMs + 100))
await askAll('while both are there')
const cleaning = { wall: performance.now(), server: serverSeconds() }
await reattribute(request, running, AbortSignal.timeout(600_000))
console.log(
  `removed what was before in ${((performance.now() - cleaning.wall) / 1000).toFixed(1)} s, ${(((serverSeconds() - cleaning.server) / rows) * 1e6).toFixed(2)} µs of ClickHouse a flow`,
)
await new Promise(resolve => setTimeout(resolve, knownForMs + 100))
await askAll('after')
