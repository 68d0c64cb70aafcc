import { setTimeout as sleep } from 'node:timers/promises'
import { describe } from '../../log.ts'
import type { PublisherDeps } from './publisher.ts'
import { listTopics, type Topic, type TopicState } from './topic.ts'

/** Removes what is older than its topic allows, as soon as every group has read it. Size is looked after when publishing. */
export function startRetention(deps: PublisherDeps, topicNamed: (name: string) => Topic, everyMs: number): AsyncDisposable {
  const { database, log, closing } = deps

  async function run() {
    while (!closing.aborted) {
      await sleep(everyMs, undefined, { signal: closing, ref: false }).catch(() => {})
      try {
        for (const state of await database.read(() => listTopics(database)))
          while (!closing.aborted && (await removeOld(topicNamed(state.name), state, deps)));
      } catch (error) {
        if (!closing.aborted) log.error({ error: describe(error) }, 'cannot remove old messages from the bus')
      }
    }
  }

  const running = run()
  return { [Symbol.asyncDispose]: () => running }
}

/** A part of what is too old at a time, so that others can write in between. False when there is no more. */
async function removeOld(topic: Topic, state: TopicState, { database, positions, instruments, closing }: PublisherDeps): Promise<boolean> {
  if (state.compacted || !Number.isFinite(state.max_age_ms)) return false
  const floor = () => (state.await_readers ? (positions.slowest(topic)?.offset ?? 0) : Infinity)
  const minTime = Date.now() - state.max_age_ms
  const oldest = await database.read(() => topic.at(0))
  if (!oldest || oldest.time >= minTime || oldest.offset >= floor()) return false
  const removed = await database.write(() => topic.removeOldest(floor(), time => time < minTime), closing)
  instruments.removed(topic.name, 'age', removed.messages, removed.bytes)
  return removed.messages > 0
}
