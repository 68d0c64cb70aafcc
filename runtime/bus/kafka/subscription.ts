import { setTimeout as sleep } from 'node:timers/promises'
import { describe } from '../../log.ts'
import type { Assignment, Position } from '../bus.ts'
import type { BusInstruments } from '../instruments.ts'
import type { Cluster } from './cluster.ts'
import { isFenced, typeOf, wordsOf } from './error.ts'
import { type Fetcher, openFetcher } from './fetcher.ts'
import { openMembership } from './membership.ts'
import { committedAt } from './positions.ts'
import { errorOfCode } from './wire.ts'

export interface SubscriptionOptions {
  cluster: Cluster
  instruments: BusInstruments
  topic: string
  group: string
  /** The group's name on Kafka. */
  groupId: string
  consume: (assignment: Assignment) => Promise<void>
  retryDelayMs: number
  sessionMs: number
  instanceId?: string
}

const maxMetadataBytes = 4_000
const commitRetryMs = 50
const refusedPauseMs = 5_000
/** How long a consumer may take to end before its partition is another's: the rest it does in vain. */
const letGoMs = 5_000

/** A partition that is ours, for as long as it is. */
interface Holding {
  end(reason: Error): void
  /** Settles when its consumer has ended and no commit of it is under way. */
  done: Promise<void>
}

/** Keeps calling `consume` for every partition that the group gives us. */
export function subscription(options: SubscriptionOptions): AsyncDisposable {
  const { cluster, topic, group, groupId, consume, retryDelayMs, sessionMs, instanceId, instruments } = options
  const { log } = cluster
  const onGone = (_: string, __: number, messages: number) => instruments.removed(topic, 'unread', messages, 0)
  const fetcher = openFetcher({ cluster, purpose: `fetch ${groupId} ${topic}`, onGone })
  const holdings = new Map<number, Holding>()
  const ending = new AbortController()

  const membership = openMembership({
    cluster,
    topic,
    groupId,
    sessionMs,
    instanceId,
    onAssigned: partitions => partitions.forEach(partition => holdings.set(partition, hold(partition))),
    async onRevoked(partitions) {
      const held = partitions.flatMap(partition => holdings.get(partition) ?? [])
      for (const partition of partitions) {
        holdings.get(partition)?.end(lost(partition))
        holdings.delete(partition)
      }
      await Promise.race([Promise.all(held.map(({ done }) => done)), sleep(Math.min(letGoMs, sessionMs / 2), undefined, { ref: false })])
    },
  })

  const lost = (partition: number) =>
    (ending.signal.reason as Error | undefined) ??
    new Error(`partition ${partition} of ${topic} is no longer in the hands of this consumer of ${group}`)

  function hold(partition: number): Holding {
    const taken = new AbortController()
    const done = serve(partition, taken.signal).catch(error => {
      if (!taken.signal.aborted) log.error({ topic, partition, group, error: describe(error) }, 'cannot read the bus')
    })
    return { end: reason => taken.abort(reason), done }
  }

  /** Where to begin; nothing when Kafka does not say, and what keeps it from that has been told. */
  async function position(partition: number, signal: AbortSignal): Promise<Position | undefined> {
    try {
      return await cluster.persist(() => committedAt(cluster, groupId, topic, partition), signal)
    } catch (error) {
      if (signal.aborted) throw error
      log.error({ topic, partition, group, reason: wordsOf(error) }, 'cannot ask where to go on')
      await cluster.blockedBy(
        wordsOf(error),
        sleep(refusedPauseMs, undefined, { signal }).catch(() => {}),
      )
      return undefined
    }
  }

  async function serve(partition: number, signal: AbortSignal) {
    while (!signal.aborted) {
      const committed = await position(partition, signal)
      if (!committed) continue
      await using turn = openTurn({ ...options, partition, committed, held: signal, fetcher, membership })
      try {
        await consume(turn.assignment)
      } catch (error) {
        if (!signal.aborted) log.warn({ topic, partition, group, error: describe(error) }, 'consumer failed')
      }
      turn.end(lost(partition))
      await sleep(retryDelayMs, undefined, { signal }).catch(() => {})
    }
  }

  return {
    async [Symbol.asyncDispose]() {
      ending.abort(new Error(`subscription of ${group} to ${topic} ended`))
      const held = [...holdings.values()]
      for (const { end } of held) end(ending.signal.reason as Error)
      await Promise.all(held.map(({ done }) => done))
      await membership[Symbol.asyncDispose]()
      fetcher[Symbol.dispose]()
    },
  }
}

interface TurnOptions extends SubscriptionOptions {
  partition: number
  committed: Position
  held: AbortSignal
  fetcher: Fetcher
  membership: { identity(): { memberId: string; generation: number }; check(): void }
}

/** One call of `consume`: its reading and its commits. */
function openTurn({ cluster, instruments, topic, group, groupId, partition, committed, held, fetcher, membership }: TurnOptions) {
  const taken = new AbortController()
  const signal = AbortSignal.any([taken.signal, held])
  const reader = fetcher.open(topic, partition, committed.offset)
  const commits = new Set<Promise<void>>()

  async function read({ maxBytes = 8 << 20, waitMs = 1_000 } = {}) {
    const deadline = Date.now() + waitMs
    for (;;) {
      signal.throwIfAborted()
      const messages = reader.take(maxBytes)
      const leftMs = deadline - Date.now()
      if (messages.length) {
        const bytes = messages.reduce((sum, { body }) => sum + body.length, 0)
        instruments.delivered(topic, group, messages.length, bytes)
        return messages
      }
      if (leftMs <= 0) return []
      await reader.arrival(leftMs, signal)
    }
  }

  /** A commit that the group refuses is tried again until the membership knows why: it is behind by a generation, or out. */
  async function send({ offset, metadata }: Position) {
    for (;;)
      try {
        signal.throwIfAborted()
        const { memberId, generation } = membership.identity()
        // Kafka takes what nobody commits to a group that is empty.
        if (generation < 0) throw errorOfCode(unknownMember)
        const topics = [{ topic, partitions: [{ partition, offset: String(offset), metadata }] }]
        const request = { groupId, memberId, groupGenerationId: generation, topics }
        return void (await cluster.persist(() => cluster.toCoordinator(groupId, 'control', 'OffsetCommit', request), signal))
      } catch (error) {
        if (signal.aborted || !(isFenced(error) || typeOf(error) === 'REBALANCE_IN_PROGRESS')) throw error
        membership.check()
        await sleep(commitRetryMs, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
  }

  async function commit(position: Position) {
    checkPosition(topic, position)
    const sent = send(position)
    commits.add(sent)
    await sent.finally(() => commits.delete(sent))
  }

  return {
    assignment: { topic, partition, committed, signal, read, commit } satisfies Assignment,
    end: (reason: Error) => taken.abort(reason),
    async [Symbol.asyncDispose]() {
      reader[Symbol.dispose]()
      await Promise.allSettled(commits)
    },
  }
}

const unknownMember = 25

function checkPosition(topic: string, { offset, metadata }: Position) {
  const size = Buffer.byteLength(metadata)
  if (!(Number.isSafeInteger(offset) && offset >= 0))
    throw new Error(`cannot commit offset ${offset} of ${topic}: expected an integer from 0`)
  if (size > maxMetadataBytes) throw new Error(`cannot commit ${size} bytes of metadata of ${topic}: at most ${maxMetadataBytes}`)
}
