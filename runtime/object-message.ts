import { type ObjectVersion, objectFields, objectKey } from '../schema/object.ts'
import { kinds } from '../schema/record.ts'
import { BlockBuilder } from './block/builder.ts'
import { type Origin, blockMessage, kindOf, openBlock } from './block/message.ts'
import { singleReader } from './block/single.ts'
import type { Message } from './bus/bus.ts'

/** What is not numbered by a collector. */
const ofNobody = (): Origin => ({ collector: '', run: 0, sequence: 0 })

/**
 * Makes messages of versions of objects: each is by its key, and may have headers of its own beside those of a block. It may be asked for
 * several at once and makes one after the other, for all are made in the same memory.
 */
export function objectMessages(originOf = ofNobody) {
  const builder = new BlockBuilder(kinds.object, 1)
  let before: Promise<unknown> = Promise.resolve()

  async function make(version: ObjectVersion, own?: Readonly<Record<string, string>>): Promise<Message> {
    builder.reset()
    builder.add(version)
    const { headers, ...message } = await blockMessage(builder, originOf())
    return { ...message, headers: { ...headers, ...own }, key: objectKey(version) }
  }

  return (version: ObjectVersion, own?: Readonly<Record<string, string>>): Promise<Message> => {
    const made = before.then(() => make(version, own))
    before = made.catch(() => {})
    return made
  }
}

/**
 * What reads the versions in a message: the named fields at least, of which those that hold their default may be absent. It throws BlockError for what
 * is no block, or of a version we do not know.
 */
export function versionReader(names: readonly string[] = Object.keys(objectFields)) {
  const read = singleReader(kinds.object, names)
  return ({ headers, body }: Pick<Message, 'headers' | 'body'>): ObjectVersion[] => {
    kindOf(headers)
    const single = headers.encoding === 'none' ? read(body) : undefined
    return single ? [single] : openBlock({ headers, body }).records()
  }
}
