import type { Bus, Delivered } from './bus.ts'

/**
 * What is on a topic, from the oldest message on; ends once all that was there at the start has come. Rejects with the signal's reason when that is
 * aborted before.
 */
export async function* untilCaughtUp(bus: Pick<Bus, 'follow'>, topic: string, signal: AbortSignal): AsyncGenerator<Delivered> {
  for await (const { messages, caughtUp } of bus.follow(topic, signal)) {
    for (const message of messages) yield message
    if (caughtUp) break
  }
  signal.throwIfAborted()
}
