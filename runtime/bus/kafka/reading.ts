import type { Bus, Delivered } from '../bus.ts'
import type { Cluster } from './cluster.ts'
import { type Fetcher, type PartitionReader, openFetcher } from './fetcher.ts'
import { fetchOnce } from './fetch-once.ts'
import { endsOf, offsetAt } from './offsets.ts'
import { joinPieces } from './pieces.ts'
import type { FetchPosition } from './transfer.ts'
import { errorOfCode } from './wire.ts'

const bytesAtOnce = 8 << 20
const waitMs = 1_000
/** How many offsets are read at a time on the way back. */
const offsetsAtOnce = 16

/** All partitions of the topic from their oldest message on, also those that are added later. */
export async function* follow(
  cluster: Cluster,
  topic: string,
  signal: AbortSignal,
): AsyncGenerator<{ messages: Delivered[]; caughtUp: boolean }> {
  if (signal.aborted) return
  using fetcher = openFetcher({ cluster, purpose: 'follow' })
  const ends = await endsOf(cluster, topic, { signal }).catch(endedBy(signal))
  const readers = ends.map(({ oldest }, partition) => fetcher.open(topic, partition, oldest))
  let caughtUp = false
  while (!signal.aborted) {
    const messages = readers.flatMap(reader => reader.take(bytesAtOnce))
    const reached: boolean = caughtUp || ends.every(({ end }, partition) => readers[partition].position() >= end)
    if (messages.length || reached !== caughtUp) yield { messages, caughtUp: reached }
    caughtUp = reached
    if (messages.length) continue
    await anyArrival(readers, signal)
    await openNew(cluster, topic, fetcher, readers, signal).catch(endedBy(signal))
  }
}

/** Who is told to stop stops, with nothing to say about it. */
const endedBy = (signal: AbortSignal) => (error: unknown) => {
  if (!signal.aborted) throw error
  return []
}

async function anyArrival(readers: readonly PartitionReader[], signal: AbortSignal): Promise<void> {
  const waiting = new AbortController()
  const ended = AbortSignal.any([signal, waiting.signal])
  const arrivals = readers.map(reader => reader.arrival(waitMs, ended).catch(() => {}))
  await Promise.race(arrivals)
  waiting.abort()
}

async function openNew(cluster: Cluster, topic: string, fetcher: Fetcher, readers: PartitionReader[], signal: AbortSignal) {
  const { leaders } = await cluster.persist(() => cluster.layout(topic), signal)
  while (readers.length < leaders.length) readers.push(fetcher.open(topic, readers.length, 0))
}

/**
 * Newest first over all partitions: of those each comes to next, the one that was published last. Messages whose publisher was gone
 * before enough brokers had them are waited for: it depends on them what their publisher, when it is back, publishes again.
 */
export async function* recent(cluster: Cluster, topic: string, wanted: Parameters<Bus['recent']>[1]): AsyncGenerator<Delivered> {
  const ends = await endsOf(cluster, topic, { upTo: 'endOfLog' })
  const backwards = ends.map(({ oldest, end }, partition) => backward(cluster, { topic, partition, oldest, end }))
  const heads = await Promise.all(backwards.map(async one => (await one.next()).value as Delivered | undefined))
  for (;;) {
    const times = heads.map(head => head?.time ?? -Infinity)
    const newest = times.indexOf(Math.max(...times))
    const message = heads[newest]
    if (!message) return
    const answer = wanted(message.headers, message.time)
    if (answer === 'stop') return
    if (answer) yield message
    heads[newest] = (await backwards[newest].next()).value as Delivered | undefined
  }
}

async function* backward(cluster: Cluster, { topic, partition, oldest, end }: Stretch): AsyncGenerator<Delivered> {
  for (let to = end; to > oldest; to -= offsetsAtOnce) {
    const messages = await stretch(cluster, { topic, partition, oldest: Math.max(oldest, to - offsetsAtOnce), end: to })
    yield* messages.reverse()
  }
}

interface Stretch {
  topic: string
  partition: number
  oldest: number
  end: number
}

async function stretch(cluster: Cluster, { topic, partition, oldest, end }: Stretch): Promise<Delivered[]> {
  const found: Delivered[] = []
  for (let offset = oldest; offset < end;) {
    const { messages, next } = await cluster.persist(() => readOn(cluster, { topic, partition, offset }))
    if (next === offset) break
    found.push(...messages)
    offset = next
  }
  return joinPieces(
    cluster,
    topic,
    partition,
    found.filter(({ offset }) => offset < end),
  )
}

/** What comes next; nothing only at the end of the log. */
async function readOn(cluster: Cluster, position: FetchPosition) {
  const { topic, partition, offset } = position
  const read = await fetchOnce(cluster, position)
  if (read.next === offset && (await offsetAt(cluster, topic, partition, 'endOfLog')) > offset) throw errorOfCode(offsetNotAvailable)
  return read
}

const offsetNotAvailable = 78
