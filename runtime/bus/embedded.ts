import type { Logger } from '../log.ts'
import type { Bus, GroupLag, Message, TopicOptions } from './bus.ts'
import { openDatabase } from './embedded/database.ts'
import { openPositions } from './embedded/positions.ts'
import { openPresence, type Presence } from './embedded/presence.ts'
import { publisher, type PublisherDeps } from './embedded/publisher.ts'
import { follow, recent } from './embedded/reading.ts'
import { startRetention } from './embedded/retention.ts'
import { type Subscription, subscription } from './embedded/subscription.ts'
import { listTopics, saveTopic, type Topic, topicOf } from './embedded/topic.ts'
import { openWake } from './embedded/wake.ts'
import { busInstruments } from './instruments.ts'

export interface EmbeddedBusOptions {
  /** The SQLite file. Processes of one machine that open the same file share a bus. */
  path: string
  log: Logger
  /** How often to look for what other processes wrote, while somebody waits for it. */
  pollMs?: number
  /** For topics that name none. */
  maxTopicBytes?: number
  /** How large the file may become. Then publishing waits as it does when the disk is full. */
  maxFileBytes?: number
  /** Disk space kept aside so that readers can go on, and make room, on a full disk. */
  reserveBytes?: number
  /** How often messages that are too old are looked for. */
  retentionEveryMs?: number
}

/** A bus in one file: durable, shared by several processes, every topic with one partition. */
export async function openEmbeddedBus(options: EmbeddedBusOptions): Promise<Bus> {
  const { path, log, pollMs = 20, maxTopicBytes = 1 << 30, maxFileBytes, reserveBytes = 16 << 20, retentionEveryMs = 5_000 } = options
  const database = await openDatabase({ path, log, reserveBytes, maxFileBytes })
  const positions = openPositions(database)
  const closing = new AbortController()
  const wake = openWake(database, pollMs)
  const deps: PublisherDeps = { database, positions, wake, instruments: busInstruments(), log, closing: closing.signal }
  const subscriptions = new Set<Subscription>()
  const beat = () => subscriptions.forEach(one => one.check())
  let presence: Presence | undefined
  const topics = new Map<string, Topic>()
  const publishers = new Map<Topic, ReturnType<typeof publisher>>()
  const retention = startRetention(deps, topicNamed, retentionEveryMs)

  function topicNamed(name: string): Topic {
    const known = topics.get(name)
    if (known) return known
    const state = listTopics(database).find(state => state.name === name)
    if (!state) throw new Error(`topic ${name} is unknown to the bus ${path}: ensureTopic makes it known`)
    const topic = topicOf(database, state)
    topics.set(name, topic)
    return topic
  }

  async function ensureTopic(name: string, settings: TopicOptions = {}) {
    await database.write(() => saveTopic(database, name, settings, maxTopicBytes), { signal: closing.signal })
  }

  async function publish(name: string, messages: Message[], signal?: AbortSignal) {
    const topic = topicNamed(name)
    const send = publishers.get(topic) ?? publisher(topic, deps)
    publishers.set(topic, send)
    await send(messages, signal)
  }

  const subscribe: Bus['subscribe'] = async (name, group, consume, { retryDelayMs = 1_000 } = {}) => {
    const topic = topicNamed(name)
    await database.write(() => positions.join(topic, group), { signal: closing.signal })
    presence ??= openPresence({ path, log, beat })
    const one = subscription({ ...deps, topic, group, consume, retryDelayMs, presence })
    subscriptions.add(one)
    return {
      async [Symbol.asyncDispose]() {
        await one[Symbol.asyncDispose]()
        subscriptions.delete(one)
      },
    }
  }

  async function lag(): Promise<GroupLag[]> {
    const names = new Map(listTopics(database).map(({ id, name }) => [id, name]))
    return positions.list().map(({ topicId, group, offset, readBytes }) => {
      const topic = topicNamed(names.get(topicId)!)
      const { await_readers: whole, next, published_bytes: published } = topic.state()
      const unread = !whole ? topic.count(offset) : { messages: next - offset, bytes: published - readBytes }
      const oldest = topic.at(offset)
      return { topic: topic.name, group, ...unread, ageMs: oldest ? Math.max(0, Date.now() - oldest.time) : 0 }
    })
  }

  async function close() {
    if (closing.signal.aborted) return
    closing.abort(new Error(`the bus ${path} is closed`))
    await Promise.all([...subscriptions].map(one => one[Symbol.asyncDispose]()))
    await retention[Symbol.asyncDispose]()
    presence?.[Symbol.dispose]()
    wake.close()
    database.close()
  }

  return {
    ensureTopic,
    publish,
    publishToAll: (name, message, signal) => publish(name, [message], signal),
    positions: async (name, group) => [positions.committed(topicNamed(name), group)],
    trouble: () => (database.isFull() ? 'the disk is full' : undefined),
    subscribe,
    recent: (name, wanted) => recent(topicNamed(name), wanted),
    follow: (name, signal) => follow(topicNamed(name), AbortSignal.any([signal, closing.signal]), wake),
    lag,
    [Symbol.asyncDispose]: close,
  }
}
