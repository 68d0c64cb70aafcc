import { BlockBuilder } from '../../runtime/block/builder.ts'
import { blockMessage } from '../../runtime/block/message.ts'
import { type Delivered, type Message } from '../../runtime/bus/bus.ts'
import { type KindName, kinds } from '../../schema/record.ts'

let lastSequence = 0

/** A message with these records as its block, as a collector publishes it. */
export async function messageOf(kind: KindName, records: readonly object[], sequence = ++lastSequence): Promise<Message> {
  const builder = new BlockBuilder(kinds[kind], Math.max(1, records.length))
  for (const record of records) builder.add(record as Record<string, unknown>)
  return blockMessage(builder, { collector: 'test', run: 1, sequence })
}

/** The same as the bus hands it over. */
export async function deliveredOf(kind: KindName, records: readonly object[], offset = 0): Promise<Delivered> {
  return { ...(await messageOf(kind, records)), offset, time: 0 }
}
