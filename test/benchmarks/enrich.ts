// Cost of the enricher's own work: block in, steps, block out. No bus, no ClickHouse.
// node test/benchmarks/enrich.ts [pods] [seconds]
import { Draft } from '../../enricher/step.ts'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { network } from '../../enricher/steps/network.ts'
import { orientation } from '../../enricher/steps/orientation.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { Block } from '../../runtime/block/block.ts'
import { openBlock, blockMessage } from '../../runtime/block/message.ts'
import { Writer } from '../../runtime/block/writer.ts'
import { kinds } from '../../schema/record.ts'
import { flowBlock, podVersions } from '../helpers/traffic.ts'

const pods = Number(process.argv[2] ?? 2000)
const seconds = Number(process.argv[3] ?? 4)
const rows = 8192

const objects = new ObjectTable()
for (const version of podVersions(pods)) objects.add(version)

const steps = [orientation(objects), kubernetes(objects), network()]

for (const claims of [false, true]) {
  const message = await blockMessage(flowBlock({ pods, rows, claims, time: 1_800_000_000_000_000 }), {
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
  const until = (ms: number) => {
    const end = performance.now() + ms
    let count = 0
    while (performance.now() < end) {
      run()
      count++
    }
    return count
  }
  until(300)
  const start = process.cpuUsage()
  const count = until((seconds * 1000) / 6)
  const { user, system } = process.cpuUsage(start)
  const ns = ((user + system) * 1000) / (count * rows)
  return `${ns.toFixed(0).padStart(5)} ns/row  ${(1e9 / ns / 1e6).toFixed(2)} M rows/s`
}
