import { setTimeout as sleep } from 'node:timers/promises'
import { describe } from '../../log.ts'
import type { Positions } from './positions.ts'
import type { PublisherDeps } from './publisher.ts'
import { listTopics, type Topic, type TopicState } from './topic.ts'

/** Removes what is older or more than its topic allows, as soon as every group has read it. */
export function startRetention(deps: PublisherDeps, topicNamed: (name: string) => Topic, everyMs: number): AsyncDisposable {
  const { database, log, closing } = deps

  async function run() {
    while (!closing.aborted) {
      await sleep(everyMs, undefined, { signal: closing, ref: false }).catch(() => {})
      try {
        for (const state of listTopics(database)) await removeAllOld(topicNamed(state.name), deps)
      } catch (error) {
        if (!closing.aborted) log.error({ error: describe(error) }, 'cannot remove old messages from the bus')
      }
    }
  }

  const running = run()
  return { [Symbol.asyncDispose]: () => running }
}

async function removeAllOld(topic: Topic, deps: PublisherDeps) {
  while (!deps.closing.aborted && (await removeOld(topic, topic.state(), deps)));
}

/** The tombstones of a compacted topic, a part at a time; what they removed is gone since they came. */
async function removeTombstones(topic: Topic, { database, instruments, closing }: PublisherDeps): Promise<boolean> {
  if (!topic.hasOldTombstones(Date.now())) return false
  const removed = await database.write(() => topic.removeTombstones(Date.now()), { signal: closing })
  instruments.removed(topic.name, 'tombstone', removed.messages, removed.bytes)
  return removed.messages > 0
}

/** A part of what is too old or too much at a time, so that others can write in between. False when there is no more. */
async function removeOld(topic: Topic, state: TopicState, deps: PublisherDeps): Promise<boolean> {
  if (state.compacted) return removeTombstones(topic, deps)
  const { database, positions, instruments, closing } = deps
  const minTime = Date.now() - state.max_age_ms
  const expired = (time: number, kept: number) => time < minTime || kept > state.max_bytes
  const oldest = topic.at(0)
  if (!oldest || oldest.offset >= removable(state, positions, topic) || !expired(oldest.time, state.kept_bytes)) return false
  const removed = await database.write(() => topic.removeOldest(removable(state, positions, topic), expired), { signal: closing })
  instruments.removed(topic.name, oldest.time < minTime ? 'age' : 'size', removed.messages, removed.bytes)
  return removed.messages > 0
}

/** Messages below this offset may be removed. */
export function removable(state: TopicState, positions: Positions, topic: Topic): number {
  if (!state.await_readers) return Infinity
  return positions.slowest(topic)?.offset ?? 0
}
