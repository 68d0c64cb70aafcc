import { setTimeout as sleep } from 'node:timers/promises'
import { openBlock } from '../runtime/block/message.ts'
import type { Bus, Message } from '../runtime/bus/bus.ts'
import { untilCaughtUp } from '../runtime/bus/until-caught-up.ts'
import type { Logger } from '../runtime/log.ts'
import { objectMessages } from '../runtime/object-message.ts'
import { type ObjectVersion, objectKey, openEnd } from '../schema/object.ts'
import { kinds, topicOf, topicsOf } from '../schema/record.ts'

const messagesAtOnce = 100
const retryMs = 500
/** So often it is said that a source is there, also while it has nothing to tell. */
const signEveryMs = 600_000
/** What was told by who could tell nothing for so long may count as ended: it has to look anew. */
const mostBlockedMs = 86_400_000

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
  signEveryMs?: number
  mostBlockedMs?: number
}

/** Rejects what is told after the bus was away for so long that nobody believes in the source any more. */
export class ForgottenError extends Error {
  override readonly name = 'ForgottenError'
}

export function openObjectLog(options: ObjectLogOptions): ObjectLog {
  const { bus, collector, log, signal } = options
  const topic = topicOf(kinds.object)
  const run = Date.now()
  let sequence = 0
  const messageOf = objectMessages(() => ({ collector, run, sequence: sequence++ }))
  /** Signs are of the bus alone, and have no number among the messages of the collector. */
  const signOf = objectMessages()
  /** Sources and clusters that are said to be there, and those of them that have to look what is still believed of them. */
  const signed = new Set<string>()
  const forgotten = new Set<string>()

  async function send(messages: Message[]): Promise<void> {
    const began = Date.now()
    for (let attempt = 0; ; attempt++)
      try {
        await bus.publish(topic, messages, signal)
        if (Date.now() - began < (options.mostBlockedMs ?? mostBlockedMs)) return
        for (const name of signed) forgotten.add(name)
        throw new ForgottenError('nothing could be told of objects for a day: what was told before may count as ended')
      } catch (error) {
        if (error instanceof ForgottenError) throw error
        if (signal.aborted) throw error
        if (!attempt) log.warn({ topic, error }, 'cannot publish objects, trying again')
        await sleep(retryMs, undefined, { signal })
      }
  }

  /** Says again and again that the source is there, so that what it left open is not ended by others. */
  async function sign(source: string, cluster: string): Promise<void> {
    const name = nameOf({ source, cluster })
    if (signed.has(name)) return
    signed.add(name)
    while (!signal.aborted) {
      await sleep(options.signEveryMs ?? signEveryMs, undefined, { signal, ref: false }).catch(() => {})
      if (signal.aborted) return
      await send([await signOf(sourceNow(source, cluster), { control: 'source' })]).catch(() => {})
    }
  }

  return {
    async publish(versions) {
      for (const { source = '', cluster = '' } of versions) void sign(source, cluster)
      if (forgotten.size && versions.some(version => forgotten.has(nameOf(version))))
        throw new ForgottenError('what was told of objects before may count as ended: it has to be looked up')
      for (let at = 0; at < versions.length; at += messagesAtOnce) {
        const messages: Message[] = []
        for (const version of versions.slice(at, at + messagesAtOnce)) messages.push(await messageOf(version))
        await send(messages)
      }
    },
    async standing(source, cluster, since = openEnd - 1) {
      forgotten.delete(nameOf({ source, cluster }))
      void sign(source, cluster)
      const standing = new Map<string, ObjectVersion>()
      const take = (version: ObjectVersion) => {
        if (version.source !== source || version.cluster !== cluster || version.kind === 'source') return
        if ((version.valid_to ?? openEnd) > since) standing.set(objectKey(version), version)
        else standing.delete(objectKey(version))
      }
      for (const each of topicsOf(kinds.object).toReversed())
        for await (const message of untilCaughtUp(bus, each, signal))
          if (message.tombstone) standing.delete(message.key!)
          else for (const version of openBlock(message).records() as Iterable<ObjectVersion>) take(version)
      return [...standing.values()]
    },
  }
}

const nameOf = ({ source = '', cluster = '' }: ObjectVersion) => `${source}/${cluster}`

/** Says that a source is there. */
const sourceNow = (source: string, cluster: string): ObjectVersion => ({
  source,
  cluster,
  kind: 'source',
  name: source,
  uid: source,
  time: Date.now() * 1000,
  valid_from: 0,
  valid_to: openEnd,
})
