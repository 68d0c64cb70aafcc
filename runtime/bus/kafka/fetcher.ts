import { setTimeout as sleep } from 'node:timers/promises'
import type { Delivered } from '../bus.ts'
import type { FetchedPartition } from './apis.ts'
import type { Cluster } from './cluster.ts'
import { decodeBatches } from './decode.ts'
import { isPassing, typeOf, wordsOf } from './error.ts'
import { offsetAt } from './offsets.ts'
import { joinPieces } from './pieces.ts'
import { type FetchPosition, fetchRequest } from './transfer.ts'
import { errorOfCode } from './wire.ts'

/** One partition, read from an offset on. What comes is kept until it is taken, a few megabytes at most. */
export interface PartitionReader extends Disposable {
  readonly topic: string
  readonly partition: number
  /** The next messages in order, at most `maxBytes` of bodies but at least one message; none when none has come yet. */
  take(maxBytes: number): Delivered[]
  /** Everything before this offset has been taken. */
  position(): number
  /** Resolves when there is something to take, or after `waitMs`. Rejects when the signal is aborted. */
  arrival(waitMs: number, signal: AbortSignal): Promise<void>
}

export interface Fetcher extends Disposable {
  open(topic: string, partition: number, offset: number): PartitionReader
}

export interface FetcherOptions {
  cluster: Cluster
  /** Names the connections, which no other fetcher shares. */
  purpose: string
  /** Told how many messages are gone that should have been read next. */
  onGone?: (topic: string, partition: number, messages: number) => void
}

const waitMs = 500
const maxBytes = 16 << 20
const maxPartitionBytes = 1 << 20
/** Of one partition, fetched and not yet taken. */
const enoughBytes = 2 << 20
const retryMs = 500

interface Reader extends PartitionReader {
  next: number
  closed: boolean
  hungry(): boolean
  add(messages: Delivered[], next: number): void
  wake(): void
}

let lastFetcher = 0

/** Fetches for all of its partitions together: one request at a time to each broker that leads some of them. */
export function openFetcher({ cluster, purpose: name, onGone = () => {} }: FetcherOptions): Fetcher {
  const purpose = `${name} ${++lastFetcher}`
  const readers = new Set<Reader>()
  const busy = new Set<number>()
  const closing = new AbortController()
  let scheduling = false
  let again = false

  /** Sends to every broker that is not busy what hungry readers want of it. */
  async function schedule() {
    again = true
    if (scheduling) return
    scheduling = true
    while (again && !closing.signal.aborted) {
      again = false
      for (const [leader, wanted] of await byLeader()) if (!busy.has(leader) && !closing.signal.aborted) start(leader, wanted)
    }
    scheduling = false
  }

  function start(leader: number, wanted: readonly Reader[]) {
    busy.add(leader)
    void fetchFrom(leader, wanted).finally(() => {
      busy.delete(leader)
      void schedule()
    })
  }

  async function byLeader(): Promise<Map<number, Reader[]>> {
    const found = new Map<number, Reader[]>()
    for (const reader of readers) {
      if (!reader.hungry()) continue
      const leader = await leaderOf(reader)
      if (leader === undefined) continue
      found.set(leader, [...(found.get(leader) ?? []), reader])
    }
    return found
  }

  async function leaderOf({ topic, partition }: Reader): Promise<number | undefined> {
    try {
      const { leaders } = await cluster.persist(() => cluster.layout(topic), closing.signal)
      if (leaders[partition] >= 0) return leaders[partition]
    } catch (error) {
      if (closing.signal.aborted || cluster.signal.aborted) return undefined
      cluster.log.error({ topic, partition, reason: wordsOf(error) }, 'cannot read the topic')
    }
    later()
    return undefined
  }

  function later() {
    setTimeout(() => void schedule(), retryMs).unref()
  }

  async function fetchFrom(leader: number, wanted: readonly Reader[]) {
    const positions: FetchPosition[] = wanted.map(({ topic, partition, next }) => ({ topic, partition, offset: next }))
    const request = fetchRequest(positions, { waitMs, maxBytes, maxPartitionBytes })
    try {
      const answers = await cluster.toNode(leader, purpose, 'Fetch', request)
      for (const answer of answers) await accept(answer, wanted)
    } catch (error) {
      if (closing.signal.aborted || cluster.signal.aborted) return
      cluster.log.debug({ leader, reason: wordsOf(error) }, 'cannot fetch')
      for (const { topic } of wanted) cluster.forget(topic)
      await sleep(retryMs)
    }
  }

  async function accept({ topic, partition, errorCode, records }: FetchedPartition, wanted: readonly Reader[]) {
    const reader = wanted.find(one => one.topic === topic && one.partition === partition)
    if (!reader || reader.closed) return
    if (errorCode) return refused(reader, errorOfCode(errorCode))
    const { messages, next } = decodeBatches(records, reader.next)
    reader.add(await joinPieces(cluster, topic, partition, messages), next)
  }

  async function refused(reader: Reader, error: Error) {
    const { topic, partition } = reader
    cluster.forget(topic)
    if (typeOf(error) === 'OFFSET_OUT_OF_RANGE') return goOn(reader)
    if (!isPassing(error)) cluster.log.error({ topic, partition, reason: wordsOf(error) }, 'cannot read the partition')
    await sleep(retryMs)
  }

  /** What was to be read next is no longer kept, or was never kept: after a broker lost its disk. Or who said so was not the leader. */
  async function goOn(reader: Reader) {
    const { topic, partition, next } = reader
    const ask = (which: 'oldest' | 'end') => cluster.persist(() => offsetAt(cluster, topic, partition, which), closing.signal)
    const [oldest, end] = [await ask('oldest'), await ask('end')]
    if (oldest <= next && next <= end) return void (await sleep(retryMs))
    const offset = oldest > next ? oldest : end
    const context = { topic, partition, offset: next, instead: offset }
    cluster.log.error(context, 'Kafka no longer has the messages that come next, going on with those it has')
    onGone(topic, partition, Math.max(0, offset - next))
    reader.add([], offset)
  }

  function open(topic: string, partition: number, offset: number): PartitionReader {
    const reader = readerOf(topic, partition, offset, {
      taken: () => void schedule(),
      close: () => readers.delete(reader),
    })
    readers.add(reader)
    void schedule()
    return reader
  }

  return {
    open,
    [Symbol.dispose]() {
      closing.abort()
      for (const reader of readers) reader[Symbol.dispose]()
      cluster.closePurpose(purpose)
    },
  }
}

function readerOf(topic: string, partition: number, offset: number, { taken, close }: { taken(): void; close(): void }): Reader {
  const kept: Delivered[] = []
  let bytes = 0
  let arrived = Promise.withResolvers<void>()
  return {
    topic,
    partition,
    next: offset,
    closed: false,
    hungry: () => bytes < enoughBytes,
    position() {
      return kept.length ? kept[0].offset : this.next
    },
    take(maxBytes) {
      let size = 0
      const end = kept.findIndex(({ body }, index) => (size += body.length) > maxBytes && index > 0)
      const messages = kept.splice(0, end < 0 ? kept.length : end)
      const wasHungry = bytes < enoughBytes
      for (const { body, ids } of messages) bytes -= body.length + (ids?.length ?? 0)
      if (!wasHungry && bytes < enoughBytes) taken()
      return messages
    },
    add(messages, next) {
      kept.push(...messages)
      for (const { body, ids } of messages) bytes += body.length + (ids?.length ?? 0)
      const moved = next > this.next
      this.next = next
      if (moved) this.wake()
    },
    wake() {
      arrived.resolve()
      arrived = Promise.withResolvers()
    },
    async arrival(waitMs, signal) {
      if (kept.length) return
      const waiting = new AbortController()
      const ended = AbortSignal.any([signal, waiting.signal])
      try {
        await Promise.race([arrived.promise, sleep(waitMs, undefined, { signal: ended }).catch(() => signal.throwIfAborted())])
      } finally {
        waiting.abort()
      }
    },
    [Symbol.dispose]() {
      this.closed = true
      close()
    },
  }
}
