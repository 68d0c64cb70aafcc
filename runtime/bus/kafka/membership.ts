import { setTimeout as sleep } from 'node:timers/promises'
import { assign, decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from './assignor.ts'
import type { Cluster } from './cluster.ts'
import { isFenced, isPassing, typeOf, wordsOf } from './error.ts'
import type { Response } from './apis.ts'

export interface MembershipOptions {
  cluster: Cluster
  topic: string
  /** The group's name on Kafka. */
  groupId: string
  /** Who does not answer for so long is out of the group, and others have its partitions. */
  sessionMs: number
  /** Keeps its partitions while it is restarted: nobody else has this name, and it does not leave the group when it stops. */
  instanceId?: string
  /** These partitions are ours from now on. */
  onAssigned(partitions: readonly number[]): void
  /** These shall be another's: resolves when nothing is done with them any more. */
  onRevoked(partitions: readonly number[]): Promise<void>
}

export interface Membership extends AsyncDisposable {
  /** By which the group knows who commits. */
  identity(): { memberId: string; generation: number }
  /** Asks the group now whether we are still in it. */
  check(): void
}

const protocol = 'weir'
const pauseMs = 500
const refusedPauseMs = 5_000
/** When another process has come with our name: time for us to be stopped, or for somebody to name one of us anew. */
const twinPauseMs = 60_000
const logEveryMs = 60_000

/** A member of a group that shares the partitions of one topic. Works go on while the group divides them anew, but for what moves. */
export function openMembership(options: MembershipOptions): Membership {
  const { cluster, topic, groupId, sessionMs, instanceId, onAssigned, onRevoked } = options
  const { log } = cluster
  const purpose = `group ${groupId} ${topic}`
  const ending = new AbortController()
  const signal = AbortSignal.any([ending.signal, cluster.signal])
  const heartbeatMs = Math.min(1_000, sessionMs / 6)
  let memberId = ''
  let generation = -1
  let owned: readonly number[] = []
  let partitions = 0
  let lastAnswer = Date.now()
  let wake = new AbortController()
  let lastLog = -Infinity

  const me = () => ({ groupId, memberId, ...(instanceId && { groupInstanceId: `${instanceId}-${topic}` }) })

  async function join(): Promise<Response<'JoinGroup'>> {
    partitions = (await cluster.layout(topic)).leaders.length
    const metadata = encodeSubscription({ topic, owned, generation, partitions })
    const request = {
      sessionTimeout: sessionMs,
      rebalanceTimeout: Math.max(sessionMs, 10_000),
      protocolType: 'consumer' as const,
      groupProtocols: [{ name: protocol, metadata }],
    }
    try {
      return await cluster.toCoordinator(groupId, purpose, 'JoinGroup', { ...me(), ...request })
    } catch (error) {
      if (typeOf(error) !== 'MEMBER_ID_REQUIRED') throw error
      memberId = (error as unknown as { memberId: string }).memberId
      return cluster.toCoordinator(groupId, purpose, 'JoinGroup', { ...me(), ...request })
    }
  }

  async function sync(joined: Response<'JoinGroup'>): Promise<number[]> {
    const leads = joined.leaderId === memberId
    const members = joined.members.map(({ memberId: id, memberMetadata }) => ({ id, ...decodeSubscription(memberMetadata) }))
    const shares = leads ? [...assign(members)] : []
    const groupAssignment = shares.map(([memberId, own]) => ({ memberId, memberAssignment: encodeAssignment(topic, own) }))
    const request = { ...me(), generationId: joined.generationId, groupAssignment }
    const { memberAssignment } = await cluster.toCoordinator(groupId, purpose, 'SyncGroup', request)
    return decodeAssignment(memberAssignment)
  }

  /** One round of dividing. True when it was the last: what we had to let go of is given to others in the next. */
  async function divide(): Promise<boolean> {
    const joined = await join()
    memberId = joined.memberId
    const mine = await sync(joined)
    signal.throwIfAborted()
    generation = joined.generationId
    lastAnswer = Date.now()
    const before = owned
    const gone = before.filter(partition => !mine.includes(partition))
    owned = mine
    onAssigned(mine.filter(partition => !before.includes(partition)))
    if (gone.length) await onRevoked(gone)
    return !gone.length
  }

  /** Until the group has to divide the partitions anew. */
  async function stay() {
    while (!signal.aborted) {
      await sleep(heartbeatMs, undefined, { signal: AbortSignal.any([signal, wake.signal]) }).catch(() => {})
      wake = new AbortController()
      if (signal.aborted) return
      await cluster.toCoordinator(groupId, purpose, 'Heartbeat', { ...me(), groupGenerationId: generation })
      lastAnswer = Date.now()
      if ((await cluster.layout(topic)).leaders.length !== partitions) return
    }
  }

  async function loseAll() {
    const lost = owned
    owned = []
    memberId = ''
    generation = -1
    if (lost.length) await onRevoked(lost)
  }

  async function failed(error: unknown) {
    if (typeOf(error) === 'REBALANCE_IN_PROGRESS') return
    if (typeOf(error) === 'FENCED_INSTANCE_ID') {
      await loseAll()
      return told(error, twinPauseMs)
    }
    if (isFenced(error) || Date.now() - lastAnswer > sessionMs) {
      if (owned.length) log.warn({ topic, group: groupId, reason: wordsOf(error) }, 'the group went on without this consumer')
      await loseAll()
    }
    if (!isFenced(error)) await (isPassing(error) ? pause(pauseMs) : told(error, refusedPauseMs))
  }

  async function told(error: unknown, pauseMs: number) {
    if (Date.now() - lastLog > logEveryMs) log.error({ topic, group: groupId, reason: wordsOf(error) }, 'cannot be in the group')
    lastLog = Date.now()
    await cluster.blockedBy(wordsOf(error), pause(pauseMs))
  }

  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {})

  async function run() {
    while (!signal.aborted)
      try {
        if (await divide()) await stay()
      } catch (error) {
        if (!signal.aborted) await failed(error)
      }
  }

  /** Who has a name of its own in the group comes back to what it had. */
  async function leave() {
    if (!memberId || instanceId) return
    await cluster
      .toCoordinator(groupId, purpose, 'LeaveGroup', me())
      .catch(error => log.debug({ reason: wordsOf(error) }, 'cannot leave the group'))
  }

  const running = run()
  return {
    identity: () => ({ memberId, generation }),
    check: () => wake.abort(),
    async [Symbol.asyncDispose]() {
      ending.abort()
      const given = owned
      owned = []
      await onRevoked(given)
      cluster.closePurpose(purpose)
      await running
      await leave()
      cluster.closePurpose(purpose)
    },
  }
}
