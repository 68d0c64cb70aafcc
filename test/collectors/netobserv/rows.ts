import { Intake } from '../../../collectors/netobserv/intake.ts'
import { commonUplinks } from '../../../collectors/netobserv/interfaces.ts'
import type { Outbox } from '../../../collectors/outbox.ts'
import { Block } from '../../../runtime/block/block.ts'
import { BlockBuilder } from '../../../runtime/block/builder.ts'
import { type KindName, kinds } from '../../../schema/record.ts'
import { type Plain, encodeRecord } from './records.ts'

/** The rows that records give. */
export async function rows(...records: Plain[]): Promise<{ flow: Plain[]; request: Plain[]; discarded: string[] }> {
  const builders = new Map<KindName, BlockBuilder>()
  const discarded: string[] = []
  const block = (kind: KindName) => {
    const builder = builders.get(kind) ?? new BlockBuilder(kinds[kind], 1000)
    builders.set(kind, builder)
    return builder
  }
  const outbox = { block, ready: async () => {}, deadLetter: () => {} } as unknown as Outbox
  const instruments = { received: () => {}, sent: () => {}, discarded: (_: number, reason: string) => void discarded.push(reason) }
  const intake = new Intake({ outbox, instruments }, { source: 'netobserv', cluster: 'home', uplinks: commonUplinks })
  for (const record of records) await intake.takeOne(encodeRecord(record))
  const written = (kind: KindName) => (builders.has(kind) ? new Block(block(kind).encode(), kinds[kind]).records() : [])
  return { flow: written('flow'), request: written('request'), discarded }
}
