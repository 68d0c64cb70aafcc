import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { defaultLimits } from '../../../collectors/otlp/options.ts'
import type { Outcome } from '../../../collectors/otlp/taker.ts'
import { TraceTaker } from '../../../collectors/otlp/traces.ts'
import { openPublisher } from '../../../collectors/publisher.ts'
import type { SourceContext } from '../../../collectors/source.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { quietLog } from '../../helpers/clickhouse.ts'
import { deadLetters, published } from '../hubble/running.ts'

/** What a source is given, over a bus. */
export interface Collecting extends AsyncDisposable {
  context: SourceContext
  received: Map<string, number>
  discarded: Map<string, number>
}

export function collecting(bus: Bus, { rowsPerBlock }: { rowsPerBlock?: number } = {}): Collecting {
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

interface Taking {
  limits?: Partial<typeof defaultLimits>
  source?: string
  cluster?: string
  rowsPerBlock?: number
}

/** What is on the bus after these exports were taken. */
export async function takenTraces(exports: readonly Buffer[], { limits = {}, source = 'otlp', cluster = '', rowsPerBlock }: Taking = {}) {
  await using running = await openTestBus()
  await using to = collecting(running.bus, { rowsPerBlock })
  const taker = new TraceTaker({ limits: { ...defaultLimits, ...limits }, cluster, source }, to.context)
  const outcomes: Outcome[] = []
  for (const bytes of exports) outcomes.push(await taker.take(bytes, '192.0.2.1:5000'))
  await to.context.outbox.flush()
  const [spans, flows] = [await published(running.bus, 'span'), await published(running.bus, 'flow')]
  return { spans, flows, outcomes, received: to.received, discarded: to.discarded, letters: await deadLetters(running.bus) }
}

/** What the record says, without what is not said. */
export function said(record: Record<string, unknown>): Record<string, unknown> {
  const says = (value: unknown) => value !== '' && value !== 0 && String(value) !== '::' && !(Array.isArray(value) && !value.length)
  return Object.fromEntries(Object.entries(record).filter(([name, value]) => name !== 'received' && says(value)))
}

const fixtures = '../shared/fixtures'

/** A recording, or undefined where there is none; in CI there is. */
export function fixture(name: string): Buffer | undefined {
  const file = `${fixtures}/${name}`
  if (existsSync(file)) return name.endsWith('.gz') ? gunzipSync(readFileSync(file)) : readFileSync(file)
  if (process.env.CI) throw new Error(`there is no ${file}`)
  return undefined
}

/** Messages with their length in front, in four bytes. */
export function framed(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 4 + bytes.readUInt32BE(at))
    messages.push(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at)))
  return messages
}
