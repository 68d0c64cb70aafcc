// Cost of the enricher's own work: block in, steps, block out. No bus, no ClickHouse.
// node test/benchmarks/enrich.ts [pods] [seconds]
import { Draft } from '../../enricher/step.ts'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { network } from '../../enricher/steps/network.ts'
import { orientation } from '../../enricher/steps/orientation.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { Block } from '../../runtime/block/block.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { openBlock, blockMessage } from '../../runtime/block/message.ts'
import { Writer } from '../../runtime/block/writer.ts'
import { openEnd } from '../../schema/object.ts'
import { kinds } from '../../schema/record.ts'

const pods = Number(process.argv[2] ?? 2000)
const seconds = Number(process.argv[3] ?? 4)
const rows = 8192

const random = (below: number) => Math.floor(Math.random() * below)
const addressOf = (pod: number) => `10.${(pod >> 16) & 255}.${(pod >> 8) & 255}.${pod & 255}`
const objects = new ObjectTable()
for (let pod = 0; pod < pods; pod++)
  objects.add({
    cluster: 'east',
    kind: 'pod',
    namespace: `ns-${pod % 50}`,
    name: `pod-${pod}`,
    uid: String(pod),
    valid_from: 0,
    valid_to: openEnd,
    addresses: [addressOf(pod)],
    node: `node-${pod % 100}`,
    workload: `workload-${pod % 300}`,
    workload_kind: 'Deployment',
    services: [`ns-${pod % 50}/workload-${pod % 300}`],
    service_account: `sa-${pod % 300}`,
    spiffe_id: `spiffe://example/ns/ns-${pod % 50}/sa/sa-${pod % 300}`,
  })

/** A block as the Hubble source writes it: with what Hubble claims of both ends, or without. */
function builderOf(claims: boolean): BlockBuilder {
  const builder = new BlockBuilder(kinds.flow, rows)
  for (let row = 0; row < rows; row++) {
    const [from, to] = [random(pods), random(pods)]
    const outside = row % 10 === 0
    const claim = (end: string, pod: number) =>
      claims ? { [`${end}_pod`]: `pod-${pod}`, [`${end}_namespace`]: `ns-${pod % 50}`, [`${end}_workload`]: `workload-${pod % 300}` } : {}
    builder.add({
      time: 1_800_000_000_000_000 + row,
      source: 'hubble',
      cluster: 'east',
      reporter: `node-${row % 100}`,
      is_reply: row % 3 ? 'no' : 'yes',
      verdict: 'forwarded',
      protocol: 'tcp',
      src_address: addressOf(from),
      dst_address: outside ? `203.0.113.${random(255)}` : addressOf(to),
      src_port: 32768 + random(28000),
      dst_port: 8080,
      ...claim('src', from),
      ...(outside ? { dst_entity: 'world' } : claim('dst', to)),
    })
  }
  return builder
}

const steps = [orientation(objects), kubernetes(objects), network()]

for (const claims of [false, true]) {
  const message = await blockMessage(builderOf(claims), { collector: 'bench', run: 0, sequence: 0 })
  const raw = openBlock(message).bytes
  const stages: Record<string, () => void> = {
    decompress: () => void openBlock(message),
    read: () => void new Block(raw),
    ...Object.fromEntries(
      steps.map((step, index) => [
        step.name,
        () => {
          const draft = new Draft(kinds.flow, new Block(raw))
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
