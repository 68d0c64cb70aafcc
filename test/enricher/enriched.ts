import { Draft, type Step } from '../../enricher/step.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { Block } from '../../runtime/block/block.ts'
import { openBlock } from '../../runtime/block/message.ts'
import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import { type KindName, kinds } from '../../schema/record.ts'
import { deliveredOf } from '../helpers/blocks.ts'

/** The records of one block after the steps, with all their fields. */
export async function enriched(steps: readonly Step[], records: readonly object[], kind: KindName = 'flow') {
  const draft = new Draft(kinds[kind], openBlock(await deliveredOf(kind, records)))
  for (const step of steps) step.enrich(draft)
  const block = new Block(draft.block.with(draft.written), kinds[kind])
  const columns = Object.keys(kinds[kind].fields).map(name => [name, block.values(name)] as const)
  return records.map((_, row) => Object.fromEntries(columns.map(([name, values]) => [name, values[row]])))
}

export function tableOf(...versions: readonly ObjectVersion[]): ObjectTable {
  const table = new ObjectTable()
  for (const version of versions) table.add(version)
  return table
}

type Named = { name: string } & ObjectVersion

/** Objects of a cluster that are there from the beginning on. */
export function objectsOf(cluster: string) {
  const lasting = (kind: ObjectVersion['kind'], { name, ...more }: Named): ObjectVersion => ({
    source: 'kubernetes',
    cluster,
    kind,
    name,
    uid: `${cluster}/${kind}/${name}`,
    valid_from: 0,
    valid_to: openEnd,
    ...more,
  })
  return {
    node: (name: string, address: string, more: ObjectVersion = {}) => lasting('node', { name, addresses: [address], ...more }),
    pod: (name: string, address: string, more: ObjectVersion = {}) =>
      lasting('pod', {
        name,
        namespace: 'shop',
        addresses: [address],
        workload: name.replace(/-\d+$/, ''),
        workload_kind: 'Deployment',
        ...more,
      }),
    service: (name: string, addresses: string[], more: ObjectVersion = {}) =>
      lasting('service', { name, namespace: 'shop', addresses, ...more }),
  }
}
