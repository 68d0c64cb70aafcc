import { openPublisher } from '../../../collectors/publisher.ts'
import type { SourceContext } from '../../../collectors/source.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { quietLog } from '../../helpers/clickhouse.ts'

/** What a source is given, over a bus. */
export interface Collecting extends AsyncDisposable {
  context: SourceContext
  received: Map<string, number>
  discarded: Map<string, number>
}

export function collecting(bus: Bus, { rowsPerBlock = 8192 } = {}): Collecting {
  const received = new Map<string, number>()
  const discarded = new Map<string, number>()
  const add = (to: Map<string, number>, key: string, count: number) => void (count && to.set(key, (to.get(key) ?? 0) + count))
  const instruments = {
    received: (count: number, attributes?: object) => add(received, String(Object.values(attributes ?? {})[0]), count),
    sent: () => {},
    discarded: (count: number, reason: string) => add(discarded, reason, count),
  }
  const outbox = openPublisher({ bus, collector: 'test', log: quietLog, instruments, rowsPerBlock, maxBlockAgeMs: 20 })
  const context = { outbox, signal: new AbortController().signal, log: quietLog, instruments, status: () => {} }
  return { context, received, discarded, [Symbol.asyncDispose]: () => outbox[Symbol.asyncDispose]() }
}
