// Cost of telling and checking identities: block in, step `identity`, columns out. No bus, no ClickHouse.
// node test/benchmarks/identity.ts [pods] [seconds]
import { Draft } from '../../enricher/step.ts'
import { identity } from '../../enricher/steps/identity.ts'
import { kubernetes } from '../../enricher/steps/kubernetes.ts'
import { orientation } from '../../enricher/steps/orientation.ts'
import { IdentityTable } from '../../enricher/tables/identities.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { Block } from '../../runtime/block/block.ts'
import { blockMessage, openBlock } from '../../runtime/block/message.ts'
import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import { kinds } from '../../schema/record.ts'
import { flowBlock, podVersions } from '../helpers/traffic.ts'
import { nanosecondsPerRow } from './measure.ts'

const pods = Number(process.argv[2] ?? 2000)
const seconds = Number(process.argv[3] ?? 4)
const rows = 8192

const versions = podVersions(pods).map(version => ({ ...version, spiffe_id: '' }))
const accounts = new Map(versions.map(version => [`${version.cluster}/${version.namespace}/${version.service_account}`, version]))
const entries = [...accounts.values()].map(({ cluster, namespace, service_account }, i): ObjectVersion => ({
  cluster,
  kind: 'identity',
  source: 'spire',
  uid: `entry-${i}`,
  name: 'entry',
  spiffe_id: `spiffe://example.org/ns/${namespace}/sa/${service_account}`,
  labels: [`k8s:ns:${namespace}`, `k8s:sa:${service_account}`],
  valid_from: 0,
  valid_to: openEnd,
}))

function tablesOf(all: readonly ObjectVersion[]) {
  const [objects, identities] = [new ObjectTable(), new IdentityTable()]
  for (const version of all) for (const table of [objects, identities]) table.add(version)
  return [orientation(objects), kubernetes(objects), identity(identities, objects)]
}

const message = await blockMessage(flowBlock({ pods, rows, claims: false, time: 1_800_000_000_000_000 }), {
  collector: 'bench',
  run: 0,
  sequence: 0,
})
const raw = openBlock(message).bytes
console.log(`${pods} pods, ${entries.length} entries`)
for (const [name, all] of Object.entries({ 'nothing known': versions, entries: [...versions, ...entries] })) {
  const steps = tablesOf(all)
  const through = (count: number) => () => {
    const draft = new Draft(kinds.flow, new Block(raw, kinds.flow))
    for (const step of steps.slice(0, count)) step.enrich(draft)
  }
  const [before, after] = [measure(through(2)), measure(through(3))]
  console.log(`  ${name.padEnd(14)} ${before.toFixed(0)} ns/row before, ${after.toFixed(0)} with the step`)
}

function measure(run: () => void): number {
  return nanosecondsPerRow(run, { rows, seconds: seconds / 4, warmMs: 500 })
}
