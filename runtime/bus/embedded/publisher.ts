import type { Logger } from '../../log.ts'
import type { Message } from '../bus.ts'
import type { BusInstruments } from '../instruments.ts'
import type { Database } from './database.ts'
import type { Positions } from './positions.ts'
import { removable } from './retention.ts'
import { entry, type Entry, type Topic } from './topic.ts'
import type { Wake } from './wake.ts'

export interface PublisherDeps {
  database: Database
  positions: Positions
  wake: Wake
  instruments: BusInstruments
  log: Logger
  /** Aborted when the bus closes. */
  closing: AbortSignal
}

interface Call {
  entries: Entry[]
  bytes: number
  resolve(): void
  reject(error: unknown): void
}

interface Stored {
  calls: Set<Call>
  removed: { messages: number; bytes: number }
}

const maxBytesTogether = 8 << 20
const maxCallBytes = 512 << 20
const logEveryMs = 60_000

/** Stores the messages of one topic in the order of the calls. Calls that came while the disk was busy share the next transaction. */
export function publisher(topic: Topic, deps: PublisherDeps) {
  const { database, wake, instruments, closing } = deps
  const calls: Call[] = []
  const report = waitingReport(topic, deps)
  let draining = false

  /** As many of the calls, in their order, as fit. */
  function store(): Stored {
    const stored: Stored = { calls: new Set(), removed: { messages: 0, bytes: 0 } }
    let bytes = 0
    for (const call of calls) {
      if (bytes && bytes + call.bytes > maxBytesTogether) break
      if (!makeRoom(topic, call.bytes, stored.removed, deps)) break
      topic.append(call.entries, Date.now())
      bytes += call.bytes
      stored.calls.add(call)
    }
    return stored
  }

  async function drain() {
    draining = true
    while (calls.length) {
      const since = wake.version()
      try {
        const stored = await database.write(store, { signal: closing, grows: true })
        settle(stored)
        report(stored.calls.size ? 0 : calls.length)
        if (!stored.calls.size && calls.length) await wake.changed(since, 1_000, closing)
        closing.throwIfAborted()
      } catch (error) {
        for (const call of calls.splice(0)) call.reject(error)
      }
    }
    report(0)
    draining = false
  }

  function settle({ calls: done, removed }: Stored) {
    calls.splice(0, calls.length, ...calls.filter(call => !done.has(call)))
    for (const { entries, bytes, resolve } of done) {
      instruments.published(topic.name, entries.length, bytes)
      resolve()
    }
    instruments.removed(topic.name, 'size', removed.messages, removed.bytes)
  }

  return function publish(messages: Message[], signal?: AbortSignal): Promise<void> {
    if (!messages.length) return Promise.resolve()
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      closing.throwIfAborted()
      const abort = () => {
        const index = calls.indexOf(call)
        if (index >= 0) calls.splice(index, 1)
        wake.now()
        call.reject(signal!.reason)
      }
      const settled = () => signal?.removeEventListener('abort', abort)
      const call = newCall(topic, messages, {
        resolve: () => (settled(), resolve()),
        reject: error => (settled(), reject(error)),
      })
      signal?.addEventListener('abort', abort, { once: true })
      calls.push(call)
      if (!draining) void drain()
    })
  }
}

function newCall(topic: Topic, messages: Message[], ends: Pick<Call, 'resolve' | 'reject'>): Call {
  const entries = messages.map(entry)
  const bytes = entries.reduce((sum, { size }) => sum + size, 0)
  if (bytes > maxCallBytes) throw new Error(`cannot publish ${bytes} bytes at once to ${topic.name}: at most ${maxCallBytes}`)
  if (topic.state().compacted && messages.some(({ key }) => key === undefined))
    throw new Error(`cannot publish a message without a key to ${topic.name}: it is compacted`)
  return { entries, bytes, ...ends }
}

/** Removes old messages so that `bytes` more fit. False when those who read must catch up first. */
function makeRoom(topic: Topic, bytes: number, removed: Stored['removed'], { positions }: PublisherDeps): boolean {
  const state = topic.state()
  if (state.compacted) return true
  const slowest = positions.slowest(topic)
  const unread = slowest ? state.published_bytes - slowest.readBytes : state.kept_bytes
  if (state.await_readers && unread && unread + bytes > state.max_bytes) return false
  const now = topic.removeOldest(removable(state, positions, topic), (_, kept) => kept + bytes > state.max_bytes)
  removed.messages += now.messages
  removed.bytes += now.bytes
  return true
}

/** Says that publishing waits, and for whom: once each time, and at most once a minute. */
function waitingReport(topic: Topic, { positions, instruments, log }: PublisherDeps) {
  let waiting = 0
  let lastLog = -Infinity
  return (calls: number) => {
    if (calls !== waiting) instruments.waiting(topic.name, calls)
    if (calls && !waiting && Date.now() - lastLog > logEveryMs) {
      lastLog = Date.now()
      const { max_bytes: maxBytes } = topic.state()
      log.warn({ topic: topic.name, group: positions.slowest(topic)?.group, maxBytes }, 'publishing waits until the group has read')
    }
    waiting = calls
  }
}
