import { setTimeout as sleep } from 'node:timers/promises'
import { BlockBuilder } from '../runtime/block/builder.ts'
import { blockMessage, openBlock } from '../runtime/block/message.ts'
import type { Bus, Message } from '../runtime/bus/bus.ts'
import type { Logger } from '../runtime/log.ts'
import { type ObjectVersion, objectKey, openEnd } from '../schema/object.ts'
import { kinds, topicOf, topicsOf } from '../schema/record.ts'

const messagesAtOnce = 100
const retryMs = 500

/** Where a source puts versions of objects, and reads back which it left open. */
export interface ObjectLog {
  /**
   * Durable on the bus, in this order, when it resolves: one version a message, by its key (`objectKey`), so that what is told later of a
   * version replaces what was told before.
   */
  publish(versions: readonly ObjectVersion[]): Promise<void>
  /**
   * The versions of a cluster's objects that this source has published and not ended: what it believed when it stopped. Those that
   * ended after `since` (µs) too, where that is given.
   */
  standing(source: string, cluster: string, since?: number): Promise<ObjectVersion[]>
}

export interface ObjectLogOptions {
  bus: Bus
  /** Names who publishes; its messages carry the name. */
  collector: string
  log: Logger
  signal: AbortSignal
}

export function openObjectLog({ bus, collector, log, signal }: ObjectLogOptions): ObjectLog {
  const builder = new BlockBuilder(kinds.object, 1)
  const topic = topicOf(kinds.object)
  const run = Date.now()
  let sequence = 0

  async function messageOf(version: ObjectVersion): Promise<Message> {
    builder.reset()
    builder.add(version)
    return { ...(await blockMessage(builder, { collector, run, sequence: sequence++ })), key: objectKey(version) }
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

  return {
    async publish(versions) {
      for (let at = 0; at < versions.length; at += messagesAtOnce) {
        const messages: Message[] = []
        for (const version of versions.slice(at, at + messagesAtOnce)) messages.push(await messageOf(version))
        await send(messages)
      }
    },
    async standing(source, cluster, since = openEnd - 1) {
      const standing = new Map<string, ObjectVersion>()
      const take = (version: ObjectVersion) => {
        if (version.source !== source || version.cluster !== cluster) return
        if ((version.valid_to ?? openEnd) > since) standing.set(objectKey(version), version)
        else standing.delete(objectKey(version))
      }
      for (const each of topicsOf(kinds.object).toReversed()) await readAll(bus, each, signal, take)
      return [...standing.values()]
    },
  }
}

/** Hands over all versions that are on a topic now, in the order in which they were told. */
async function readAll(bus: Bus, topic: string, signal: AbortSignal, take: (version: ObjectVersion) => void): Promise<void> {
  const ended = new AbortController()
  for await (const { messages, caughtUp } of bus.follow(topic, AbortSignal.any([signal, ended.signal]))) {
    for (const message of messages) for (const version of openBlock(message).records() as Iterable<ObjectVersion>) take(version)
    if (caughtUp) ended.abort()
  }
  signal.throwIfAborted()
}
