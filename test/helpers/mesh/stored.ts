import { Draft, type Step } from '../../../enricher/step.ts'
import { kubernetes } from '../../../enricher/steps/kubernetes.ts'
import { orientation } from '../../../enricher/steps/orientation.ts'
import { vantage } from '../../../enricher/steps/vantage.ts'
import { ObjectTable } from '../../../enricher/tables/objects.ts'
import { Block } from '../../../runtime/block/block.ts'
import { openBlock } from '../../../runtime/block/message.ts'
import type { ObjectVersion } from '../../../schema/object.ts'
import { type KindName, kinds } from '../../../schema/record.ts'
import { deliveredOf } from '../blocks.ts'
import type { Row } from './ends.ts'

/** Rows as the enricher would store what agents reported, knowing these objects. */
export async function enriched(kind: KindName, rows: readonly Row[], objects: readonly ObjectVersion[]): Promise<Row[]> {
  if (!rows.length) return []
  const table = new ObjectTable()
  for (const object of objects) table.add(object)
  const steps: Step[] = kind === 'span' ? [kubernetes(table)] : [orientation(table), kubernetes(table), vantage(table)]
  const draft = new Draft(kinds[kind], openBlock(await deliveredOf(kind, rows)))
  for (const step of steps) step.enrich(draft)
  return new Block(draft.block.with(draft.written), kinds[kind]).records() as Row[]
}
