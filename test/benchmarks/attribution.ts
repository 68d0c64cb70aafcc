// What it costs to know who both ends were: the whole step, among many pods with a history.
// node test/benchmarks/attribution.ts [--pods 50000] [--versions 4] [--seconds 2] [--start]
import { parseArgs } from 'node:util'
import { Draft } from '../../enricher/step.ts'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { Block, wideAt } from '../../runtime/block/block.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { kinds } from '../../schema/record.ts'
import { history, podOf } from './attribution/history.ts'
import { coldStart } from './attribution/cold-start.ts'
import { timed } from './processor.ts'

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
        const whole = measure(raws, block => step.enrich(new Draft(kinds.flow, block)))
        const lookUp = measure(raws, block => lookUpBoth(objects, block))
        console.log(
          `${claims ? 'with claims' : 'no claims'.padEnd(11)} among ${String(among).padStart(6)} addresses, ${age / hour} h ago: ${whole.toFixed(0).padStart(5)} ns a row, of which looking up ${lookUp.toFixed(0).padStart(3)} ns`,
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

/** Who had the address of each end at the time of the record, and nothing else. */
function lookUpBoth(objects: ObjectTable, block: Block): void {
  const table = objects.addresses('east')
  const times = block.words('time')
  for (const end of ['src', 'dst']) {
    const addresses = block.addressWords(`${end}_address`)
    for (let row = 0; row < block.rows; row++) {
      const time = wideAt(times, row)
      found += table.look(addresses, row * 4, time - 250_000, time + 20_000)
    }
  }
}
/** So that the engine does not leave out what nobody asks for. */
let found = 0

/** Processor time a row, nanoseconds: of the best of some passes, as others may use the machine. */
function measure(raws: Buffer[], work: (block: Block) => void): number {
  const pass = () => {
    for (const raw of raws) work(new Block(raw, kinds.flow))
  }
  const until = performance.now() + 500
  while (performance.now() < until) pass()
  let best = Infinity
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) best = Math.min(best, timed(pass))
  return best / (raws.length * rows)
}

if (values.start) await coldStart(history({ addresses: pods, versions, from: now - 24 * hour, to: now }))
else measureLookUps()
