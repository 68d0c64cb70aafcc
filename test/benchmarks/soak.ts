// The whole of weir under the demo: CPU and memory of each process, rows against the demo's truth, and how fast map and signals answer.
// node test/benchmarks/soak.ts [flows a second] [minutes]
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { truth } from '../../collectors/demo/index.ts'
import { until } from '../helpers/wait.ts'
import { type ProcessName, countBy, startWeir } from '../helpers/weir.ts'

const rate = Number(process.argv[2] ?? 20_000)
const minutes = Number(process.argv[3] ?? 10)
const names: ProcessName[] = ['demo', 'collect', 'enrich', 'serve', 'clickhouse']
const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** CPU seconds so far and resident megabytes (proc(5)). */
function usage(pid: number): { cpu: number; rss: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return { cpu: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond, rss: Math.round((Number(fields[21]) * 4096) / 1e6) }
}

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0)
const usages = () => Object.fromEntries(names.map(name => [name, usage(weir.pidOf(name)!)]))
const table = (rows: object[]) => console.table(rows)

await using weir = await startWeir(['--demo', '--rate', String(rate)])
await until(
  'the past hour to be stored',
  async () => {
    const { rows } = await fetchJson<{ rows: [number][] }>('/api/v1/query', {
      kind: 'loss',
      metrics: ['records'],
      from: 'now-1m',
      to: 'now',
    })
    const recent = await countBy(weir.url, 'flow', 'cluster', {
      from: new Date(Date.now() - 8000).toISOString(),
      to: new Date(Date.now() - 3000).toISOString(),
    })
    return rows && sum(recent) >= rate * 4
  },
  { timeoutMs: 300_000, everyMs: 1000 },
)

// Whole minutes: a rollup answers for no less.
const from = Math.ceil(Date.now() / 60_000) * 60_000
await sleep(from - Date.now())
const start = usages()
const began = Date.now()
for (let minute = 1; minute <= minutes; minute++) {
  await sleep(began + minute * 60_000 - Date.now())
  const now = usages()
  const cores = (name: ProcessName) => (now[name].cpu - start[name].cpu) / ((Date.now() - began) / 1000)
  const outside = names.filter(name => name !== 'clickhouse').reduce((cpu, name) => cpu + cores(name), 0)
  console.log(`minute ${minute}: ${outside.toFixed(2)} cores outside ClickHouse`)
  table(names.map(name => ({ process: name, cores: Number(cores(name).toFixed(3)), 'RSS MB': now[name].rss })))
}

const to = from + minutes * 60_000
const range = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
const sent = await truth({ dataDir: weir.dataDir, from, to })
await until('the last flows', async () => sum(await countBy(weir.url, 'flow', 'verdict', range)) >= sent.flows, { everyMs: 500 })
console.log('sent  ', sent.verdicts)
console.log('stored', await countBy(weir.url, 'flow', 'verdict', range))
for (const path of [
  '/api/v1/topology?level=namespace&from=now-1h&to=now',
  '/api/v1/topology?level=workload&from=now-1h&to=now',
  '/api/v1/signals?from=now-1h&to=now',
]) {
  const times: number[] = []
  for (let i = 0; i < 9; i++) {
    const asked = performance.now()
    await fetchJson(path)
    times.push(performance.now() - asked)
  }
  times.sort((a, b) => a - b)
  console.log(`${path}: median ${times[4].toFixed(0)} ms, slowest ${times[8].toFixed(0)} ms`)
}
await weir.stop()

async function fetchJson<T>(path: string, body?: object): Promise<T> {
  const init = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(weir.url + path, init)
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
  return (await response.json()) as T
}
