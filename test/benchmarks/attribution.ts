// What it costs to know who both ends were: the whole step, among many pods with a history.
// node test/benchmarks/attribution.ts [--pods 50000] [--versions 4] [--seconds 2] [--start]
import { parseArgs } from 'node:util'
import { Draft } from '../../enricher/step.ts'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { Block } from '../../runtime/block/block.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { kinds } from '../../schema/record.ts'
import { history, podOf } from './attribution/history.ts'
import { coldStart } from './attribution/cold-start.ts'

const { values } = parseArgs({
  options: {
    pods: { type: 'string', default: '50000' },
    versions: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '2' },
    start: { type: 'boolean', default: false },
  },
})
const pods = Number(values.pods)
const versions = Number(values.versions)
const seconds = Number(values.seconds)
const rows = 8192
const hour = 3600e6
const now = 1_800_000_000e6

interface Traffic {
  /** Among how many addresses a block's flows are. */
  among: number
  claims: boolean
  /** How long ago they were. */
  age: number
}

function measureLookUps(): void {
  const objects = new ObjectTable()
  for (const version of history({ addresses: pods, versions, from: now - 24 * hour, to: now })) objects.add(version)
  const { rss, arrayBuffers } = process.memoryUsage()
  console.log(
    `${objects.versions} versions, ${pods} addresses: resident ${megabytes(rss)} MB, of which arrays ${megabytes(arrayBuffers)} MB, peak ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`,
  )
  const step = kubernetes(objects)
  for (const claims of [false, true])
    for (const among of [200, 2000, pods])
      for (const age of [0, 12 * hour]) {
        const raws = Array.from({ length: 12 }, (_, number) => Buffer.from(blockOf({ among, claims, age }, number).encode()))
        const { ns, multiplications } = measure(raws, step)
        console.log(
          `${claims ? 'with claims' : 'no claims'.padEnd(11)} among ${String(among).padStart(6)} addresses, ${age / hour} h ago: ${ns.toFixed(0).padStart(5)} ns a row, or ${multiplications.toFixed(0)} multiplications`,
        )
      }
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0)

/** Flows among some of the addresses, another part of them in each block. */
function blockOf({ among, claims, age }: Traffic, number: number): BlockBuilder {
  const builder = new BlockBuilder(kinds.flow, rows)
  const time = now - age - 1e6
  const any = (row: number) => (number * among + ((row * 2_654_435_761) % among)) % pods
  const claim = (end: string, address: number) => {
    if (!claims) return {}
    const { name, namespace, workload } = podOf(address, versions - 1)
    return { [`${end}_pod`]: name, [`${end}_namespace`]: namespace, [`${end}_workload`]: workload }
  }
  for (let row = 0; row < rows; row++) {
    const [from, to] = [any(row), any(row * 7 + 3)]
    builder.add({
      time: time + row * 100,
      received: time + row * 100 + 20_000,
      source: 'hubble',
      cluster: 'east',
      reporter: `node-${from % 100}`,
      src_address: podOf(from, 0).address,
      dst_address: podOf(to, 0).address,
      ...claim('src', from),
      ...claim('dst', to),
    })
  }
  return builder
}

interface Measured {
  ns: number
  /** The same in multiplications, each of which waits for the one before: how much a machine that is busy has slowed down. */
  multiplications: number
}

/** Processor time a row: of the best of some passes, as others may use the machine. */
function measure(raws: Buffer[], step: ReturnType<typeof kubernetes>): Measured {
  const pass = () => {
    for (const raw of raws) step.enrich(new Draft(kinds.flow, new Block(raw, kinds.flow)))
  }
  const until = performance.now() + 500
  while (performance.now() < until) pass()
  let ns = Infinity
  let multiplication = Infinity
  for (let end = performance.now() + seconds * 1000; performance.now() < end;) {
    ns = Math.min(ns, timed(pass) / (raws.length * rows))
    multiplication = Math.min(multiplication, timed(multiply) / multiplyTimes)
  }
  return { ns, multiplications: ns / multiplication }
}

const multiplyTimes = 2_000_000
let product = 1

function multiply(): void {
  for (let i = 0; i < multiplyTimes; i++) product = Math.imul(product, 0x9e3779b1) ^ i
}

function timed(run: () => void): number {
  const start = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(start)
  return (user + system) * 1000
}

if (values.start) await coldStart(history({ addresses: pods, versions, from: now - 24 * hour, to: now }))
else measureLookUps()
