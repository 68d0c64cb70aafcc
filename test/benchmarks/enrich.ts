// Cost of the enricher's own work: block in, steps, block out. No bus, no ClickHouse.
// node test/benchmarks/enrich.ts [pods] [seconds] [names each pod has asked for]
import { Draft } from '../../enricher/step.ts'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { dns } from '../../enricher/steps/dns.ts'
import { network } from '../../enricher/steps/network.ts'
import { orientation } from '../../enricher/steps/orientation.ts'
import { NameTable } from '../../enricher/tables/names.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { Block } from '../../runtime/block/block.ts'
import { openBlock, blockMessage } from '../../runtime/block/message.ts'
import { Writer } from '../../runtime/block/writer.ts'
import { kinds } from '../../schema/record.ts'
import { flowBlock, podVersions } from '../helpers/traffic.ts'
import { nanosecondsPerRow } from './measure.ts'

const pods = Number(process.argv[2] ?? 2000)
const seconds = Number(process.argv[3] ?? 4)
const asked = Number(process.argv[4] ?? 0)
const rows = 8192
const time = 1_800_000_000_000_000

const objects = new ObjectTable()
for (const version of podVersions(pods)) objects.add(version)

const names = new NameTable()
for (const [at, { namespace, name }] of podVersions(pods).entries())
  for (let i = 0; i < asked; i++) {
    const answer = { name: `api-${i}.example.org`, time, ttl: 600 }
    names.learn(`east/${namespace}/${name}`, `203.0.113.${(at * 7 + i) % 255}`, answer)
  }

const steps = [orientation(objects), kubernetes(objects), network(), dns(names, objects)]

for (const claims of [false, true]) {
  const message = await blockMessage(flowBlock({ pods, rows, claims, time }), {
    collector: 'bench',
    run: 0,
    sequence: 0,
  })
  const raw = openBlock(message).bytes
  const stages: Record<string, () => void> = {
    decompress: () => void openBlock(message),
    read: () => void new Block(raw, kinds.flow),
    ...Object.fromEntries(
      steps.map((step, index) => [
        step.name,
        () => {
          const draft = new Draft(kinds.flow, new Block(raw, kinds.flow))
          for (const before of steps.slice(0, index + 1)) before.enrich(draft)
        },
      ]),
    ),
    whole: () => {
      const draft = new Draft(kinds.flow, openBlock(message))
      for (const step of steps) step.enrich(draft)
      draft.block.with(draft.written, new Writer(draft.block.bytes.length * 2))
    },
  }
  console.log(
    `${claims ? 'with' : 'without'} claims: ${(message.body.length / rows).toFixed(1)} B/row compressed, ${(raw.length / rows).toFixed(0)} B/row Native, ${pods} pods`,
  )
  for (const [name, run] of Object.entries(stages)) console.log(`  ${name.padEnd(12)} ${measure(run)}`)
}

function measure(run: () => void): string {
  const ns = nanosecondsPerRow(run, { rows, seconds: seconds / 6, warmMs: 300 })
  return `${ns.toFixed(0).padStart(5)} ns/row  ${(1e9 / ns / 1e6).toFixed(2)} M rows/s`
}
