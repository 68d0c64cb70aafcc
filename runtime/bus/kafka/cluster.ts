import { setTimeout as sleep } from 'node:timers/promises'
import { type Logger, describe } from '../../log.ts'
import type { Api, Request, Response } from './apis.ts'
import { KafkaError, isPassing, typeOf, wordsOf } from './error.ts'
import { type Security, type Wire, errorOfCode, openWire } from './wire.ts'

export interface ClusterOptions extends Security {
  /** host:port of some of the brokers; they name the others. */
  brokers: readonly string[]
  clientId: string
  log: Logger
}

/** How many replicas hold each partition of a topic, and which broker leads it (-1 where none does). */
export interface TopicLayout {
  leaders: readonly number[]
  replicas: number
}

/** The brokers, who leads what, and connections to them. */
export interface Cluster extends AsyncDisposable {
  readonly signal: AbortSignal
  readonly log: Logger
  layout(topic: string): Promise<TopicLayout>
  /** Looks who leads the topic before the next request: a broker said that it is no longer the one. */
  forget(topic: string): void
  toAny<A extends Api>(api: A, request: Request<A>): Promise<Response<A>>
  /** To one broker, on a connection for this purpose alone: what waits on one holds up nothing on the others. */
  toNode<A extends Api>(node: number, purpose: string, api: A, request: Request<A>): Promise<Response<A>>
  toLeader<A extends Api>(topic: string, partition: number, purpose: string, api: A, request: Request<A>): Promise<Response<A>>
  toCoordinator<A extends Api>(group: string, purpose: string, api: A, request: Request<A>): Promise<Response<A>>
  /** Those that are there now. */
  nodes(): Promise<number[]>
  closePurpose(purpose: string): void
  /** Tries until it works, the signal ends it, or an error comes that waiting does not mend. */
  persist<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T>
  /** While `work` is under way, `reason` is what keeps the bus from working. */
  blockedBy(reason: string, work: Promise<void>): Promise<void>
  /** Why requests wait at present. */
  trouble(): string | undefined
}

const layoutAgeMs = 60_000
const firstPauseMs = 100
const longestPauseMs = 2_000
/** A topic that was just made is not known to every broker at once. */
const unknownTopicTries = 12
const staleTypes = new Set([
  'NOT_LEADER_FOR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
])
const coordinatorTypes = new Set(['NOT_COORDINATOR_FOR_GROUP', 'GROUP_COORDINATOR_NOT_AVAILABLE'])
const unknownTopic = 3

interface Address {
  host: string
  port: number
}

export function openCluster({ brokers, clientId, log, tls, sasl }: ClusterOptions): Cluster {
  const closing = new AbortController()
  const wires = new Map<string, Promise<Wire>>()
  let known = new Map<number, Address>()
  const layouts = new Map<string, TopicLayout & { until: number }>()
  const coordinators = new Map<string, number>()
  const troubles = new Map<symbol, string>()

  async function wire(key: string, { host, port }: Address): Promise<Wire> {
    closing.signal.throwIfAborted()
    const open = wires.get(key)
    // Whoever waits for the same attempt fails with it: each that tried anew at once would keep a broker that is away busy for ever.
    if (open && (await open).isOpen()) return open
    // Somebody else may have opened one in the meantime.
    if (wires.get(key) !== open) return wire(key, { host, port })
    const opening = openWire({ host, port, clientId, tls, sasl, log })
    wires.set(key, opening)
    opening.catch(() => wires.get(key) === opening && wires.delete(key))
    const made = await opening
    if (closing.signal.aborted) made.close()
    return made
  }

  /** A broker that is there: the one last talked to, another that is known, or one of those configured. */
  async function anyWire(): Promise<Wire> {
    let failure: unknown
    const nodes = [...known].map(([node, address]) => [`${node} control`, address] as const)
    // Those we talk to already come first: a broker that is gone may take seconds to be found so.
    nodes.sort(([a], [b]) => Number(wires.has(b)) - Number(wires.has(a)))
    for (const [key, address] of [...nodes, ...brokers.map(broker => [`${broker} bootstrap`, parseAddress(broker)] as const)])
      try {
        return await wire(key, address)
      } catch (error) {
        failure = error
        if (!isPassing(error)) break
      }
    throw failure
  }

  async function refresh(topics: string[]) {
    const wire = await anyWire()
    const { brokers: found, topicMetadata } = await wire.send('Metadata', { topics, allowAutoTopicCreation: false }, { whole: true })
    if (found.length) known = new Map(found.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    return topicMetadata
  }

  async function layout(topic: string): Promise<TopicLayout> {
    const cached = layouts.get(topic)
    if (cached && cached.until > Date.now()) return cached
    for (let tries = 1; ; tries++) {
      const [{ topicErrorCode, partitionMetadata }] = await refresh([topic])
      if (!topicErrorCode) return remember(topic, partitionMetadata)
      if (topicErrorCode !== unknownTopic) throw errorOfCode(topicErrorCode)
      if (tries === unknownTopicTries)
        throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${topic} is unknown to Kafka: weir migrate creates it`)
      await sleep(firstPauseMs, undefined, { signal: closing.signal })
    }
  }

  function remember(topic: string, partitions: Response<'Metadata'>['topicMetadata'][number]['partitionMetadata']): TopicLayout {
    const leaders = partitions.toSorted((a, b) => a.partitionId - b.partitionId).map(({ leader }) => leader)
    const led = leaders.every(leader => leader >= 0)
    const replicas = Math.min(...partitions.map(({ replicas }) => replicas.length))
    const made = { leaders, replicas, until: Date.now() + (led ? layoutAgeMs : firstPauseMs) }
    layouts.set(topic, made)
    return made
  }

  async function toNode<A extends Api>(node: number, purpose: string, api: A, request: Request<A>): Promise<Response<A>> {
    if (!known.has(node)) await refresh([])
    const address = known.get(node)
    if (!address) throw errorOfCode(brokerNotAvailable)
    return (await wire(`${node} ${purpose}`, address)).send(api, request)
  }

  const toLeader: Cluster['toLeader'] = async (topic, partition, purpose, api, request) => {
    const { leaders } = await layout(topic)
    try {
      if (!(leaders[partition] >= 0)) throw errorOfCode(leaderNotAvailable)
      return await toNode(leaders[partition], purpose, api, request)
    } catch (error) {
      if (staleTypes.has(typeOf(error)) || isPassing(error)) layouts.delete(topic)
      throw error
    }
  }

  async function coordinatorOf(group: string): Promise<number> {
    const cached = coordinators.get(group)
    if (cached !== undefined) return cached
    const { coordinator } = await (await anyWire()).send('GroupCoordinator', { groupId: group, coordinatorType: 0 })
    const { nodeId, host, port } = coordinator
    if (!known.has(nodeId)) known.set(nodeId, { host, port })
    coordinators.set(group, nodeId)
    return nodeId
  }

  const toCoordinator: Cluster['toCoordinator'] = async (group, purpose, api, request) => {
    const node = await coordinatorOf(group)
    try {
      return await toNode(node, purpose, api, request)
    } catch (error) {
      if (coordinatorTypes.has(typeOf(error)) || (isPassing(error) && typeOf(error) !== 'GROUP_LOAD_IN_PROGRESS'))
        coordinators.delete(group)
      throw error
    }
  }

  const persist: Cluster['persist'] = async (attempt, given) => {
    const signal = given ? AbortSignal.any([given, closing.signal]) : closing.signal
    const mine = Symbol('trouble')
    try {
      for (let failures = 0; ; failures++)
        try {
          signal.throwIfAborted()
          return await orAborted(attempt(), signal)
        } catch (error) {
          signal.throwIfAborted()
          if (!isPassing(error)) throw error
          if (failures) troubles.set(mine, wordsOf(error))
          log.debug({ error: describe(error), failures }, 'kafka: trying again')
          await sleep(Math.min(longestPauseMs, firstPauseMs * 2 ** failures), undefined, { signal })
        }
    } finally {
      troubles.delete(mine)
    }
  }

  return {
    signal: closing.signal,
    log,
    layout,
    forget: topic => void layouts.delete(topic),
    toAny: async (api, request) => (await anyWire()).send(api, request),
    toNode,
    toLeader,
    toCoordinator,
    async nodes() {
      await refresh([])
      return [...known.keys()]
    },
    closePurpose(purpose) {
      for (const [key, wire] of wires)
        if (key.endsWith(` ${purpose}`)) {
          wires.delete(key)
          wire.then(
            wire => wire.close(),
            () => {},
          )
        }
    },
    persist,
    async blockedBy(reason, work) {
      const mine = Symbol('trouble')
      troubles.set(mine, reason)
      await work
      troubles.delete(mine)
    },
    trouble: () => troubles.values().next().value,
    async [Symbol.asyncDispose]() {
      closing.abort(new Error('the bus is closed'))
      for (const wire of wires.values())
        wire.then(
          wire => wire.close(),
          () => {},
        )
      await Promise.allSettled(wires.values())
    },
  }
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

const brokerNotAvailable = 8
const leaderNotAvailable = 5

/** host:port, or [address]:port. */
export function parseAddress(text: string): Address {
  const [, bracketed, host, port = '9092'] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? []
  return { host: bracketed ?? host, port: Number(port) }
}
