import type { Message } from '../bus.ts'
import type { BusInstruments } from '../instruments.ts'
import type { Cluster } from './cluster.ts'
import { type Entry, encodeBatch, entryOf } from './encode.ts'
import { KafkaError, typeOf, wordsOf } from './error.ts'
import { partitionOf } from './partition.ts'
import { canBeCut, sendInPieces } from './pieces.ts'
import { produceRequest } from './transfer.ts'
import { errorOfCode } from './wire.ts'

export interface ProducerDeps {
  cluster: Cluster
  instruments: BusInstruments
  /** Whether messages on the topic need a key. */
  compacted: () => boolean
}

/** Who we are to the brokers, and how many messages each partition has had of us. */
interface Identity {
  producerId: bigint
  epoch: number
  sequences: Map<number, number>
}

interface Call {
  entries: Entry[]
  bytes: number
  /** Where it goes, whatever the keys. */
  partition?: number
  signal: AbortSignal
  resolve(): void
  reject(error: unknown): void
}

/** Of calls that are sent together. Kafka takes batches of about a million bytes unless told otherwise. */
const batchBytes = 900_000
/** Of one request; Kafka hangs up on those of more than 100 MiB. */
const largestRequest = 32 << 20
const tooLargeTypes = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
/** The partition has lost track of this producer, or never knew it. */
const forgotten = new Set(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING'])

/**
 * Publishes to one topic. A partition has one batch of ours under way at a time, which is repeated under the same number until its end is
 * known: that is how the broker recognises a repeat. Who gives up on a batch whose end is not known takes a new identity.
 */
export function producer(topic: string, { cluster, instruments, compacted }: ProducerDeps) {
  let queue: Call[] = []
  let sending = false
  let identity: Promise<Identity> | undefined
  /** What the broker has refused, and what it would not read. */
  let tooLarge = largestRequest
  let turn = Math.floor(Math.random() * 1024)

  async function newIdentity(): Promise<Identity> {
    const { producerId, producerEpoch } = await cluster.toAny('InitProducerId', { transactionTimeout: 60_000 })
    return { producerId: BigInt(producerId), epoch: producerEpoch, sequences: new Map() }
  }

  function currentIdentity(): Promise<Identity> {
    if (identity) return identity
    const asked = newIdentity()
    identity = asked
    asked.catch(() => identity === asked && (identity = undefined))
    return asked
  }

  function nextCalls(): Call[] {
    let bytes = 0
    const count = queue.findIndex((call, index) => (index > 0 && bytes + call.bytes > batchBytes) || ((bytes += call.bytes), false))
    const calls = queue.slice(0, count < 0 ? queue.length : count)
    queue = queue.slice(calls.length)
    return calls
  }

  async function send() {
    sending = true
    while (queue.length) await sendCalls(nextCalls())
    sending = false
  }

  async function sendCalls(calls: readonly Call[]): Promise<void> {
    const waiting = calls.filter(({ signal }) => !signal.aborted)
    if (!waiting.length) return
    const givenUp = allOf(waiting.map(({ signal }) => signal))
    const failures = new Map<Call, unknown>()
    try {
      const { leaders } = await cluster.persist(() => cluster.layout(topic), givenUp)
      const parts = divide(waiting, leaders.length, turn++)
      await Promise.all([...parts].map(([partition, shares]) => sendShares(partition, shares, givenUp, failures)))
    } catch (error) {
      for (const call of waiting) failures.set(call, givenUp.aborted ? error : refusal(error))
    }
    for (const call of waiting)
      if (failures.has(call)) call.reject(failures.get(call))
      else call.resolve()
  }

  /** When the broker refuses what was sent together, each call is sent alone: it may be the fault of one. */
  async function sendShares(partition: number, shares: readonly Share[], givenUp: AbortSignal, failures: Map<Call, unknown>) {
    try {
      await sendFitting(
        partition,
        shares.flatMap(({ entries }) => entries),
        givenUp,
      )
    } catch (error) {
      if (shares.length === 1 || givenUp.aborted) for (const { call } of shares) failures.set(call, error)
      else for (const share of shares) await sendShares(partition, [share], givenUp, failures)
    }
  }

  /** A message that is too large for the topic goes in pieces. */
  async function sendFitting(partition: number, entries: readonly Entry[], givenUp: AbortSignal) {
    const size = entries.reduce((sum, { size }) => sum + size, 0)
    const [{ message }] = entries
    const cut = entries.length === 1 && canBeCut(message)
    try {
      if (size < tooLarge) return void (await sendBatch(partition, entries, givenUp))
    } catch (error) {
      if (!tooLargeTypes.has(typeOf(error)) || !cut) throw error
      tooLarge = Math.min(tooLarge, size)
    }
    if (!cut) throw new KafkaError('MESSAGE_TOO_LARGE', `cannot publish ${size} bytes at once to ${topic}`)
    await sendInPieces(message, piece => sendBatch(partition, [piece], givenUp))
  }

  async function sendBatch(partition: number, entries: readonly Entry[], givenUp: AbortSignal) {
    let who: Identity | undefined
    const time = Date.now()
    const attempt = async (): Promise<number> => {
      who ??= await currentIdentity()
      const first = who.sequences.get(partition) ?? 0
      const batch = encodeBatch(entries, { producerId: who.producerId, epoch: who.epoch, first }, time)
      const { errorCode, baseOffset } = await cluster.toLeader(
        topic,
        partition,
        'produce',
        'Produce',
        produceRequest(topic, partition, batch),
      )
      const error = errorCode ? errorOfCode(errorCode) : undefined
      if (error && typeOf(error) !== 'DUPLICATE_SEQUENCE_NUMBER') {
        cluster.forget(topic)
        if (!forgotten.has(typeOf(error))) throw error
        identity = who = undefined
        return attempt()
      }
      who.sequences.set(partition, (first + entries.length) % 2 ** 31)
      return baseOffset
    }
    try {
      return await cluster.persist(attempt, givenUp)
    } catch (error) {
      identity = undefined
      throw givenUp.aborted ? error : refusal(error)
    }
  }

  function refusal(error: unknown): KafkaError {
    const type = typeOf(error)
    instruments.refused(topic, type)
    const text = error instanceof KafkaError ? error.message : wordsOf(error)
    return new KafkaError(type, `cannot publish to ${topic}: ${text}`, { cause: error })
  }

  return function publish(messages: readonly Message[], given?: AbortSignal, partition?: number): Promise<void> {
    if (!messages.length) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const signal = given ? AbortSignal.any([given, cluster.signal]) : cluster.signal
      signal.throwIfAborted()
      if (compacted() && messages.some(({ key }) => key === undefined))
        throw new Error(`cannot publish a message without a key to ${topic}: it is compacted`)
      const entries = messages.map(entryOf)
      const bytes = entries.reduce((sum, { size }) => sum + size, 0)
      const abort = () => reject(signal.reason)
      signal.addEventListener('abort', abort, { once: true })
      const settle = (settled: () => void) => {
        signal.removeEventListener('abort', abort)
        settled()
      }
      queue.push({
        entries,
        bytes,
        partition,
        signal,
        resolve: () => {
          instruments.published(topic, messages.length, bytes)
          settle(resolve)
        },
        reject: error => settle(() => reject(error)),
      })
      if (!sending) void send()
    })
  }
}

/** What of a call goes to one partition. */
interface Share {
  call: Call
  entries: Entry[]
}

/** Where a call says, else by key; what has none goes to the partition whose turn it is. */
function divide(calls: readonly Call[], partitions: number, turn: number): Map<number, Share[]> {
  const parts = new Map<number, Share[]>()
  for (const call of calls)
    for (const entry of call.entries) {
      const partition = call.partition ?? (entry.key ? partitionOf(entry.key, partitions) : turn % partitions)
      const shares = parts.get(partition) ?? []
      parts.set(partition, shares)
      if (shares.at(-1)?.call === call) shares.at(-1)!.entries.push(entry)
      else shares.push({ call, entries: [entry] })
    }
  return parts
}

/** Aborted when all of them are. */
function allOf(signals: readonly AbortSignal[]): AbortSignal {
  const all = new AbortController()
  let left = signals.length
  for (const signal of signals) signal.addEventListener('abort', () => --left === 0 && all.abort(signal.reason), { once: true })
  return all.signal
}
