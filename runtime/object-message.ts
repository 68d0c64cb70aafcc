import { type ObjectVersion, objectKey } from '../schema/object.ts'
import { kinds } from '../schema/record.ts'
import { BlockBuilder } from './block/builder.ts'
import { type Origin, blockMessage } from './block/message.ts'
import type { Message } from './bus/bus.ts'

/** What is not numbered by a collector. */
const ofNobody = (): Origin => ({ collector: '', run: 0, sequence: 0 })

/** Makes messages of versions of objects, one after the other: each is by its key, and may have headers of its own beside those of a block. */
export function objectMessages(originOf = ofNobody) {
  const builder = new BlockBuilder(kinds.object, 1)
  return async (version: ObjectVersion, own?: Readonly<Record<string, string>>): Promise<Message> => {
    builder.reset()
    builder.add(version)
    const { headers, ...message } = await blockMessage(builder, originOf())
    return { ...message, headers: { ...headers, ...own }, key: objectKey(version) }
  }
}
