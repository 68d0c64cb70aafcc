import { setTimeout as sleep } from 'node:timers/promises'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { blockMessage } from '../../runtime/block/message.ts'
import type { Bus, Message } from '../../runtime/bus/bus.ts'
import type { Logger } from '../../runtime/log.ts'
import { type ObjectVersion, objectKey } from '../../schema/object.ts'
import { kinds, topicOf } from '../../schema/record.ts'

const messagesAtOnce = 100
const retryMs = 500

/** Publishes objects as a source of Kubernetes objects does: one version a message, by its key. */
export function openObjectPublisher({ bus, log, signal }: { bus: Bus; log: Logger; signal: AbortSignal }) {
  const builder = new BlockBuilder(kinds.object, 1)
  const topic = topicOf(kinds.object)
  const run = Date.now()
  let sequence = 0

  async function messageOf(version: ObjectVersion): Promise<Message> {
    builder.reset()
    builder.add(version)
    return { ...(await blockMessage(builder, { collector: 'demo', run, sequence: sequence++ })), key: objectKey(version) }
  }

  async function send(messages: Message[]): Promise<void> {
    for (let attempt = 0; ; attempt++)
      try {
        return await bus.publish(topic, messages, signal)
      } catch (error) {
        if (signal.aborted) throw error
        if (!attempt) log.warn({ topic, error }, 'cannot publish objects, trying again')
        await sleep(retryMs, undefined, { signal })
      }
  }

  /** Durable on the bus, in this order, when it resolves. */
  return async function publish(versions: readonly ObjectVersion[]): Promise<void> {
    for (let at = 0; at < versions.length; at += messagesAtOnce) {
      const messages: Message[] = []
      for (const version of versions.slice(at, at + messagesAtOnce)) messages.push(await messageOf(version))
      await send(messages)
    }
  }
}
