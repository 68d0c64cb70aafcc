import type { Assignment, Bus, Delivered } from '../runtime/bus/bus.ts'
import { type Logger, describe } from '../runtime/log.ts'
import type { Instruments } from '../runtime/telemetry.ts'
import { deadLetterTopic } from '../schema/record.ts'

interface Reporting {
  bus: Bus
  log: Logger
  instruments: Instruments
}

/** A message that cannot be read goes whole to the dead letters. */
export async function unreadable(
  { bus, log, instruments }: Reporting,
  { topic, partition }: Assignment,
  message: Delivered,
  error: Error,
): Promise<void> {
  const rows = Number(message.headers.rows) || 1
  instruments.discarded(rows, 'unreadable', { topic })
  log.error({ topic, offset: message.offset, rows, error }, 'cannot read a block')
  const headers = { ...message.headers, stage: 'enricher', topic, partition: String(partition), offset: String(message.offset) }
  await toDeadLetters(bus, { ...headers, reason: describe(error) }, message.body)
}

export function toDeadLetters(bus: Bus, headers: Record<string, string>, body: Uint8Array): Promise<void> {
  return bus.publish(deadLetterTopic, [{ headers, body }])
}
