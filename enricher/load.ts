import type { Bus, Delivered } from '../runtime/bus/bus.ts'
import type { Logger } from '../runtime/log.ts'
import { versionReader } from '../runtime/object-message.ts'
import type { ObjectVersion } from '../schema/object.ts'
import { kinds, topicsOf } from '../schema/record.ts'

/** Takes versions of objects in any order. */
export interface Table {
  add(version: ObjectVersion): void
}

/** Reads all objects, then goes on in the background; `followed` settles when that ends. */
export async function loadObjects(
  bus: Bus,
  tables: readonly Table[],
  signal: AbortSignal,
  log: Logger,
): Promise<{ followed: Promise<void> }> {
  const reading = topicsOf(kinds.object).map(topic => followObjects(bus, topic, signal, message => addObjects(tables, message, log)))
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

const versionsIn = versionReader()

function addObjects(tables: readonly Table[], message: Delivered, log: Logger): void {
  // What is needed no more tables forget by themselves.
  if (message.tombstone) return
  try {
    for (const version of versionsIn(message)) for (const table of tables) table.add(version)
  } catch (error) {
    log.warn({ offset: message.offset, error }, 'cannot read an object')
  }
}
