import { setTimeout as sleep } from 'node:timers/promises'
import { describe } from '../../log.ts'
import type { Assignment, Position } from '../bus.ts'
import type { Presence } from './presence.ts'
import type { PublisherDeps } from './publisher.ts'
import type { Topic } from './topic.ts'

export interface Subscription extends AsyncDisposable {
  /** Ends the assignment when the partition is in other hands. */
  check(): void
}

export interface SubscriptionOptions extends PublisherDeps {
  topic: Topic
  group: string
  consume: (assignment: Assignment) => Promise<void>
  retryDelayMs: number
  presence: Presence
}

const claimEveryMs = 200
const maxMetadataBytes = 4_000
const lost = (topic: Topic, group: string) =>
  new Error(`partition 0 of ${topic.name} is no longer in the hands of this consumer of ${group}`)

/** Tries to get hold of the partition, and keeps calling `consume` while it has it. */
export function subscription(options: SubscriptionOptions): Subscription {
  const { topic, group, consume, retryDelayMs, database, positions, presence, log } = options
  const ending = new AbortController()
  const pause = (ms: number) => sleep(ms, undefined, { signal: ending.signal }).catch(() => {})
  let current: OwnAssignment | undefined

  const claim = (owner: string) =>
    database.write(
      () => {
        const holder = positions.owner(topic, group)
        return holder && presence.alive(holder) ? undefined : { holder, committed: positions.claim(topic, group, owner) }
      },
      { signal: ending.signal },
    )

  async function turn(owner: string): Promise<void> {
    const claimed = await claim(owner)
    if (!claimed) return
    const { committed, holder } = claimed
    if (holder) log.warn({ topic: topic.name, group }, 'taking over from a consumer that is gone')
    current = assignment(owner, committed, ending.signal, options)
    try {
      await consume(current.assignment)
    } catch (error) {
      if (!current.assignment.signal.aborted) log.warn({ topic: topic.name, group, error: describe(error) }, 'consumer failed')
    } finally {
      current.end(lost(topic, group))
      current = undefined
      await database.write(() => positions.release(topic, group, owner), { signal: ending.signal })
    }
    await pause(retryDelayMs)
  }

  async function run() {
    while (!ending.signal.aborted) {
      try {
        const holder = positions.owner(topic, group)
        if (holder && presence.alive(holder)) await pause(claimEveryMs)
        else await turn(presence.newOwner())
      } catch (error) {
        if (ending.signal.aborted) return
        log.error({ topic: topic.name, group, error: describe(error) }, 'cannot read the bus')
        await pause(1_000)
      }
    }
  }

  const running = run()
  return {
    check() {
      if (current && positions.owner(topic, group) !== current.owner) current.end(lost(topic, group))
    },
    async [Symbol.asyncDispose]() {
      ending.abort(new Error(`subscription of ${group} to ${topic.name} ended`))
      await running
    },
  }
}

function checkPosition(topic: Topic, { offset, metadata }: Position) {
  const { next } = topic.state()
  const size = Buffer.byteLength(metadata)
  if (!(Number.isSafeInteger(offset) && offset >= 0 && offset <= next))
    throw new Error(`cannot commit offset ${offset} of ${topic.name}: expected an integer of 0 to ${next}`)
  if (size > maxMetadataBytes) throw new Error(`cannot commit ${size} bytes of metadata of ${topic.name}: at most ${maxMetadataBytes}`)
}

interface OwnAssignment {
  owner: string
  assignment: Assignment
  end(reason: Error): void
}

function assignment(owner: string, committed: Position, ending: AbortSignal, options: SubscriptionOptions): OwnAssignment {
  const { topic, group, database, positions, wake, instruments } = options
  const taken = new AbortController()
  const signal = AbortSignal.any([taken.signal, ending])
  let next = committed.offset

  async function read({ maxBytes = 8 << 20, waitMs = 1_000 } = {}) {
    const deadline = Date.now() + waitMs
    for (;;) {
      signal.throwIfAborted()
      const since = wake.version()
      const messages = topic.from(next, maxBytes)
      const leftMs = deadline - Date.now()
      if (messages.length) {
        next = messages.at(-1)!.offset + 1
        instruments.delivered(
          topic.name,
          group,
          messages.length,
          messages.reduce((sum, { body }) => sum + body.length, 0),
        )
        return messages
      }
      if (leftMs <= 0) return []
      await wake.changed(since, leftMs, signal)
    }
  }

  async function commit(position: Position) {
    checkPosition(topic, position)
    taken.signal.throwIfAborted()
    const done = await database.write(() => positions.commit(topic, group, owner, position), { signal: taken.signal })
    if (done) return
    taken.abort(lost(topic, group))
    throw lost(topic, group)
  }

  return {
    owner,
    assignment: { topic: topic.name, partition: 0, committed, signal, read, commit },
    end: reason => taken.abort(reason),
  }
}
