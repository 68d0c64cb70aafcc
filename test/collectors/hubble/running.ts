import { type PublisherOptions, openPublisher } from '../../../collectors/publisher.ts'
import type { Source, SourceStatus } from '../../../collectors/source.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openBlock } from '../../../runtime/block/message.ts'
import { openLog } from '../../../runtime/log.ts'
import { type KindName, deadLetterTopic, kinds, topicOf } from '../../../schema/record.ts'

export interface Running extends AsyncDisposable {
  statuses: SourceStatus[]
  log: string[]
  discarded: Map<string, number>
  /** Ends without publishing what is not yet published, as kill -9 does. */
  kill(): Promise<void>
}

/** Runs a source as the collector does. */
export function start<O>(
  source: Source<O>,
  options: O,
  bus: Bus,
  { collector = 'test', rowsPerBlock }: Partial<PublisherOptions> = {},
): Running {
  const statuses: SourceStatus[] = []
  const log: string[] = []
  const discarded = new Map<string, number>()
  const stop = new AbortController()
  const dead = new AbortController()
  const logger = openLog({ write: line => void log.push(line), pretty: false })
  const instruments = {
    received: () => {},
    sent: () => {},
    discarded: (count: number, reason: string) => void (count && discarded.set(reason, (discarded.get(reason) ?? 0) + count)),
  }
  const outbox = openPublisher({
    bus,
    collector,
    log: logger,
    instruments,
    signal: dead.signal,
    flushWithinMs: 0,
    rowsPerBlock,
    maxBlockAgeMs: 50,
  })
  const running = source
    .run(options, { outbox, signal: stop.signal, log: logger, instruments, status: status => void statuses.push(status) })
    .catch(error => {
      if (!dead.signal.aborted) throw error
    })
  const end = async () => {
    stop.abort()
    await running
    await outbox[Symbol.asyncDispose]()
  }
  return {
    statuses,
    log,
    discarded,
    async kill() {
      dead.abort(new Error('killed'))
      await end()
    },
    [Symbol.asyncDispose]: end,
  }
}

/** Every record of a kind on the bus, in the order of publishing. */
export async function published(bus: Bus, kind: KindName): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[][] = []
  for await (const message of bus.recent(topicOf(kinds[kind]), () => true)) found.push(openBlock(message).records())
  return found.reverse().flat()
}

export async function deadLetters(bus: Bus): Promise<{ reason: string; body: string }[]> {
  const found = []
  for await (const { headers, body } of bus.recent(deadLetterTopic, () => true))
    found.push({ reason: headers.reason, body: Buffer.from(body).toString('utf8') })
  return found.reverse()
}
