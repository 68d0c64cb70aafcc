import { kindOf, openBlock } from '../runtime/block/message.ts'
import { singleReader } from '../runtime/block/single.ts'
import type { Bus, Delivered } from '../runtime/bus/bus.ts'
import type { Logger } from '../runtime/log.ts'
import { objectFields } from '../schema/object.ts'
import { kinds, topicsOf } from '../schema/record.ts'
import type { ObjectTable } from './tables/objects.ts'

/** Reads all objects, then goes on in the background; `followed` settles when that ends. */
export async function loadObjects(bus: Bus, objects: ObjectTable, signal: AbortSignal, log: Logger): Promise<{ followed: Promise<void> }> {
  const reading = topicsOf(kinds.object).map(topic => followObjects(bus, topic, signal, message => addObjects(objects, message, log)))
  const followed = Promise.all(reading.map(({ followed }) => followed)).then(() => {})
  // Whoever starts waiting for it later is told then.
  followed.catch(() => {})
  await Promise.all(reading.map(({ loaded }) => loaded))
  signal.throwIfAborted()
  return { followed }
}

/** `loaded` settles when all that was there has been taken, `followed` when following ends. */
function followObjects(bus: Bus, topic: string, signal: AbortSignal, take: (message: Delivered) => void) {
  const loaded = Promise.withResolvers<void>()
  const follow = async () => {
    for await (const { messages, caughtUp } of bus.follow(topic, signal)) {
      for (const message of messages) take(message)
      if (caughtUp) loaded.resolve()
    }
  }
  const followed = follow()
  // Following ends without an error when it is told to, also before all is read.
  followed.then(loaded.resolve, loaded.reject)
  return { loaded: loaded.promise, followed }
}

/** All that is known of an object but its labels, which are many and say nothing of who it is. */
const read = singleReader(
  kinds.object,
  Object.keys(objectFields).filter(name => name !== 'labels'),
)

function addObjects(objects: ObjectTable, message: Delivered, log: Logger): void {
  try {
    kindOf(message.headers)
    const version = message.headers.encoding === 'none' ? read(message.body) : undefined
    if (version) objects.add(version)
    else objects.addBlock(openBlock(message))
  } catch (error) {
    log.warn({ offset: message.offset, error }, 'cannot read an object')
  }
}
