import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '../runtime/bus/bus.ts'
import { type Logger, describe } from '../runtime/log.ts'
import { meter } from '../runtime/telemetry.ts'
import { type ToldName, nameTopic, namesBody, namesIn, namesKeptMs } from '../schema/name.ts'
import type { NameTable } from './tables/names.ts'

export interface Sharing {
  bus: Pick<Bus, 'publish' | 'follow'>
  log: Logger
  signal: AbortSignal
}

/** One message at a time, so often and with so many names: 5,000 a second. */
const everyMs = 200
const mostAtOnce = 1_000
const mostWaiting = 20_000
/** Of one name as JSON: longer ones are no names of DNS. */
const mostCharacters = 1_000
/** Who starts waits no longer for what others have told. */
const loadMs = 5_000
const retryMs = 10_000

/**
 * Shares what the table learns with all enrichers of the bus, and what they learn with the table. Resolves when what was told before is known,
 * or was waited for long enough: without it everything works, with fewer names.
 */
export async function shareNames(names: NameTable, sharing: Sharing): Promise<void> {
  names.tellTo(teller(sharing))
  const loaded = Promise.withResolvers<void>()
  void follow(names, sharing, loaded.resolve)
  await Promise.race([loaded.promise, sleep(loadMs, undefined, { signal: sharing.signal, ref: false }).catch(() => {})])
}

/** Publishes names in the background; those that are too many or too long, or of another time, are known here alone. */
function teller({ bus, log, signal }: Sharing): (name: ToldName) => void {
  const unshared = unsharedNames()
  let waiting: ToldName[] = []
  let telling = false

  async function tell() {
    while (waiting.length && !signal.aborted) {
      const some = waiting.splice(0, mostAtOnce)
      try {
        await bus.publish(nameTopic, [{ headers: { kind: 'name' }, body: namesBody(some) }], signal)
      } catch (error) {
        if (signal.aborted) return
        unshared(some.length)
        log.warn({ error: describe(error) }, 'cannot tell other enrichers names of addresses')
        await sleep(retryMs, undefined, { signal }).catch(() => {})
      }
      await sleep(everyMs, undefined, { signal }).catch(() => {})
    }
    telling = false
  }

  return name => {
    if (name.to < (Date.now() - namesKeptMs) * 1000) return
    if (waiting.length >= mostWaiting || name.client.length + name.address.length + name.name.length > mostCharacters) return unshared(1)
    waiting.push(name)
    if (telling) return
    telling = true
    // What else the same block tells goes with it.
    setImmediate(() => void tell())
  }
}

async function follow(names: NameTable, { bus, log, signal }: Sharing, loaded: () => void): Promise<void> {
  for (let failed = false; !signal.aborted; failed = true)
    try {
      for await (const { messages, caughtUp } of bus.follow(nameTopic, signal)) {
        for (const { body, offset } of messages) take(body, offset)
        if (caughtUp) loaded()
      }
    } catch (error) {
      if (!signal.aborted && !failed) log.warn({ error: describe(error) }, 'cannot read names of addresses that others tell, trying again')
      loaded()
      await sleep(retryMs, undefined, { signal }).catch(() => {})
    }

  function take(body: Uint8Array, offset: number) {
    try {
      for (const name of namesIn(body)) names.hear(name)
    } catch (error) {
      log.warn({ offset, error: describe(error) }, 'cannot read names of addresses')
    }
  }
}

/** Counts names that other enrichers do not learn. */
export function unsharedNames(): (count: number) => void {
  const counter = meter().createCounter('weir.enricher.names.unshared', {
    description: 'Names of addresses that other enrichers were not told, because they were too many, too long, or the bus was away.',
    unit: '{name}',
  })
  return count => counter.add(count)
}
