import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../log.ts'
import type { Bus, GroupLag, TopicOptions } from './bus.ts'
import { busInstruments } from './instruments.ts'
import { openCluster } from './kafka/cluster.ts'
import { lagOf } from './kafka/lag.ts'
import { positionsOf } from './kafka/positions.ts'
import { producer } from './kafka/producer.ts'
import { follow, recent } from './kafka/reading.ts'
import { subscription } from './kafka/subscription.ts'
import { type Difference, type TopicDefaults, prepareTopic } from './kafka/topics.ts'
import type { Security } from './kafka/wire.ts'

export interface KafkaBusOptions extends Security {
  /** host:port of some of the brokers; they name the others. */
  brokers: readonly string[]
  clientId?: string
  log: Logger
  /** How topics are made. Without it they must be there. */
  create?: TopicDefaults
  /** Names this process in its groups, so that it keeps its partitions while it is restarted. */
  instanceId?: string
  /** Who does not answer for so long is out of its groups. */
  sessionMs?: number
  /** What the names of groups begin with on Kafka, where others have groups too. */
  groupPrefix?: string
}

export interface KafkaBus extends Bus {
  /** As ensureTopic, and says what was made and what differs. */
  prepareTopic(topic: string, options: TopicOptions): Promise<{ made: boolean; differences: Difference[] }>
}

const lagAgeMs = 3_000
const lagWaitMs = 2_000

/** A bus on Kafka. Opens no connection before it is used. */
export function openKafkaBus({
  brokers,
  clientId = 'weir',
  tls,
  sasl,
  log,
  create,
  instanceId,
  sessionMs = 10_000,
  groupPrefix = 'weir-',
}: KafkaBusOptions): KafkaBus {
  const cluster = openCluster({ brokers, clientId, tls, sasl, log })
  const instruments = busInstruments()
  const compacted = new Set<string>()
  const topics = new Set<string>()
  const producers = new Map<string, ReturnType<typeof producer>>()
  const subscriptions = new Set<AsyncDisposable>()
  let lag: GroupLag[] = []
  let asking: Promise<GroupLag[]> | undefined
  let lagUntil = 0

  const prepare: KafkaBus['prepareTopic'] = async (topic, options) => {
    if (options.compacted) compacted.add(topic)
    topics.add(topic)
    if (create) return prepareTopic(cluster, topic, options, create)
    await cluster.persist(() => cluster.layout(topic))
    return { made: false, differences: [] }
  }

  async function ensureTopic(topic: string, options: TopicOptions = {}) {
    const { made, differences } = await prepare(topic, options)
    if (made) log.info({ topic }, 'topic created')
    for (const difference of differences) log.warn({ ...difference }, 'a topic has other settings than configured; it is left as it is')
  }

  function producerOf(topic: string) {
    const send = producers.get(topic) ?? producer(topic, { cluster, instruments, compacted: () => compacted.has(topic) })
    producers.set(topic, send)
    topics.add(topic)
    return send
  }

  const partitionsOf = async (topic: string, signal?: AbortSignal) => {
    const { leaders } = await cluster.persist(() => cluster.layout(topic), signal)
    return [...leaders.keys()]
  }

  const publishToAll: Bus['publishToAll'] = async (topic, message, signal) => {
    const partitions = await partitionsOf(topic, signal)
    await Promise.all(partitions.map(partition => producerOf(topic)([message], signal, partition)))
  }

  const positions: Bus['positions'] = async (topic, group) => {
    const partitions = await partitionsOf(topic)
    return cluster.persist(() => positionsOf(cluster, `${groupPrefix}${group}`, topic, partitions))
  }

  const subscribe: Bus['subscribe'] = async (topic, group, consume, { retryDelayMs = 1_000 } = {}) => {
    await cluster.persist(() => cluster.layout(topic))
    topics.add(topic)
    const groupId = `${groupPrefix}${group}`
    const one = subscription({ cluster, instruments, topic, group, groupId, consume, retryDelayMs, sessionMs, instanceId })
    subscriptions.add(one)
    return {
      async [Symbol.asyncDispose]() {
        if (subscriptions.delete(one)) await one[Symbol.asyncDispose]()
      },
    }
  }

  /** Those who ask do not wait for a broker that is away. */
  async function currentLag(): Promise<GroupLag[]> {
    if (lagUntil > Date.now()) return lag
    asking ??= lagOf({ cluster, groupPrefix, topics: [...topics] }).finally(() => (asking = undefined))
    const answer = await Promise.race([asking, sleep(lagWaitMs, undefined, { ref: false })])
    if (!answer) throw new Error(`Kafka did not say within ${lagWaitMs} ms how far readers are behind`)
    lagUntil = Date.now() + lagAgeMs
    return (lag = answer)
  }

  return {
    ensureTopic,
    prepareTopic: prepare,
    publish: (topic, messages, signal) => producerOf(topic)(messages, signal),
    publishToAll,
    positions,
    trouble: () => cluster.trouble(),
    subscribe,
    recent: (topic, wanted) => recent(cluster, topic, wanted),
    follow: (topic, signal) => follow(cluster, topic, AbortSignal.any([signal, cluster.signal])),
    lag: currentLag,
    async [Symbol.asyncDispose]() {
      if (cluster.signal.aborted) return
      await Promise.all([...subscriptions].map(one => one[Symbol.asyncDispose]()))
      await cluster[Symbol.asyncDispose]()
    },
  }
}
