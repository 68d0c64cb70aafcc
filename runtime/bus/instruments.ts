import type { Attributes } from '@opentelemetry/api'
import { meter } from '../telemetry.ts'

/** What every kind of bus counts. */
export interface BusInstruments {
  published(topic: string, messages: number, bytes: number): void
  delivered(topic: string, group: string, messages: number, bytes: number): void
  removed(topic: string, reason: string, messages: number, bytes: number): void
  waiting(topic: string, publishers: number): void
  refused(topic: string, reason: string): void
}

export function busInstruments(): BusInstruments {
  const pair = (what: string, about: string) => {
    const messages = meter().createCounter(`weir.bus.messages.${what}`, { description: `Messages ${about}.`, unit: '{message}' })
    const bytes = meter().createCounter(`weir.bus.bytes.${what}`, { description: `Bytes of messages ${about}.`, unit: 'By' })
    return (count: number, size: number, attributes: Attributes) => {
      messages.add(count, attributes)
      bytes.add(size, attributes)
    }
  }
  const published = pair('published', 'put on the bus')
  const delivered = pair('delivered', 'handed to consumers')
  const removed = pair('removed', 'that were old or too many and are no longer kept')
  const waiting = meter().createGauge('weir.bus.publishers.waiting', {
    description: 'Calls of publish that wait for readers to catch up.',
    unit: '{call}',
  })
  const refused = meter().createCounter('weir.bus.publish.refused', {
    description: 'Calls of publish that the bus refused: too large, not allowed, no such topic.',
    unit: '{call}',
  })
  return {
    published: (topic, messages, bytes) => published(messages, bytes, { topic }),
    delivered: (topic, group, messages, bytes) => delivered(messages, bytes, { topic, group }),
    removed: (topic, reason, messages, bytes) => {
      if (messages) removed(messages, bytes, { topic, reason })
    },
    refused: (topic, reason) => refused.add(1, { topic, reason }),
    waiting: (topic, publishers) => waiting.record(publishers, { topic }),
  }
}
