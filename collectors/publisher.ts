import { setTimeout as sleep } from 'node:timers/promises'
import { BlockBuilder } from '../runtime/block/builder.ts'
import { type LabelBudget, labelBudgets } from '../runtime/block/label-budget.ts'
import { blockMessage, openBlock } from '../runtime/block/message.ts'
import type { Bus, Message } from '../runtime/bus/bus.ts'
import { type Logger, describe } from '../runtime/log.ts'
import type { Instruments } from '../runtime/telemetry.ts'
import { type KindName, deadLetterTopic, kinds, topicOf, topicsOf } from '../schema/record.ts'
import type { DeadLetter, Origin, Outbox, Published, Silent } from './outbox.ts'
import { Provenance, readHeader } from './provenance.ts'

export interface PublisherOptions {
  bus: Bus
  /** Names this collector; its blocks carry the name, so two collectors on one bus must differ. */
  collector: string
  log: Logger
  instruments: Instruments
  /** Aborted when the collector stops: then what is left has `flushWithinMs` to be published. */
  signal?: AbortSignal
  flushWithinMs?: number
  rowsPerBlock?: number
  maxBlockAgeMs?: number
  retryMs?: number
  /** After this long, publishing is told to be blocked. */
  slowMs?: number
  /** Told why nothing can be published, and undefined once it can again. */
  onBlocked?: (reason: string | undefined) => void
}

const deadLettersPerSecond = 100

/** One kind's two builders: one is filled while the other is on its way. */
interface Lane {
  filling: BlockBuilder
  spare: BlockBuilder
  budgets: ReadonlyMap<string, LabelBudget>
  sequence: number
  /** Settles when the block that was sent last is durable. */
  sent: Promise<void>
  /** Settles when the block that is being filled is. */
  arrival: PromiseWithResolvers<void>
  timer?: NodeJS.Timeout
}

/** A promise that may reject without anybody waiting for it. */
function arrival(): PromiseWithResolvers<void> {
  const resolvers = Promise.withResolvers<void>()
  resolvers.promise.catch(() => {})
  return resolvers
}

/** An outbox over a bus. One block of a kind is under way at a time, so that blocks arrive in the order they were filled. */
export function openPublisher({
  bus,
  collector,
  log,
  instruments,
  signal,
  flushWithinMs = 5000,
  rowsPerBlock,
  maxBlockAgeMs = 250,
  retryMs = 500,
  slowMs = 2000,
  onBlocked = () => {},
}: PublisherOptions): Outbox & AsyncDisposable {
  const givenUp = new AbortController()
  const giveUpLater = () => setTimeout(() => givenUp.abort(), flushWithinMs).unref()
  if (signal?.aborted) giveUpLater()
  signal?.addEventListener('abort', giveUpLater, { once: true, signal: givenUp.signal })
  const blocked = openBlockage(onBlocked)
  const run = Date.now()
  const lanes = new Map<KindName, Lane>()
  const provenance = new Provenance()
  let failed: Error | undefined
  let letters = { second: 0, count: 0 }
  const lettersUnderWay = new Set<Promise<void>>()
  const failing = (error: unknown) => void (failed ??= error as Error)

  function laneOf(name: KindName): Lane {
    const known = lanes.get(name)
    if (known) return known
    const budgets = labelBudgets(kinds[name])
    const builder = () => new BlockBuilder(kinds[name], rowsPerBlock, budgets)
    const lane: Lane = { filling: builder(), spare: builder(), budgets, sequence: 0, sent: Promise.resolve(), arrival: arrival() }
    lanes.set(name, lane)
    return lane
  }

  /** Publishes until it worked: what is late is not lost. */
  async function publish(topic: string, message: Message) {
    const waits = () => blocked.set(message, bus.trouble() ?? 'the readers are behind')
    const slow = setInterval(waits, slowMs)
    try {
      for (let attempt = 0; ; attempt++)
        try {
          return await bus.publish(topic, [message], givenUp.signal)
        } catch (error) {
          if (givenUp.signal.aborted) throw error
          if (!attempt) log.warn({ topic, error }, 'cannot publish, trying again')
          blocked.set(message, describe(error))
          await sleep(retryMs, undefined, { signal: givenUp.signal })
        }
    } finally {
      clearInterval(slow)
      blocked.set(message, undefined)
    }
  }

  async function send(name: KindName, lane: Lane) {
    const builder = lane.spare
    const message = await blockMessage(builder, { collector, run, sequence: lane.sequence++, ...provenance.take(builder) })
    for (const [field, budget] of lane.budgets) instruments.discarded(budget.take(), 'over_cardinality', { kind: name, field })
    await publish(topicOf(kinds[name]), message)
    instruments.sent(builder.rows, { kind: name })
    builder.reset()
  }

  /** Puts the filled block on its way once the one before it has arrived. */
  async function rotate(name: KindName, lane: Lane) {
    const before = lane.sent
    await before
    if (lane.sent !== before || !lane.filling.rows) return
    clearTimeout(lane.timer)
    lane.timer = undefined
    ;[lane.filling, lane.spare] = [lane.spare, lane.filling]
    lane.sent = send(name, lane)
    lane.sent.then(lane.arrival.resolve, lane.arrival.reject)
    lane.sent.catch(failing)
    lane.arrival = arrival()
  }

  function block(name: KindName): BlockBuilder {
    const lane = laneOf(name)
    lane.timer ??= setTimeout(() => {
      lane.timer = undefined
      rotate(name, lane).catch(failing)
    }, maxBlockAgeMs)
    return lane.filling
  }

  function from(name: KindName, peer: string, reporters: Iterable<string>) {
    const { filling } = laneOf(name)
    if (filling.rows) provenance.add(filling, peer, reporters)
  }

  function silent(name: KindName, told: Silent) {
    const { filling } = laneOf(name)
    if (filling.rows) provenance.silent(filling, told)
  }

  async function ready() {
    if (failed) throw failed
    for (const [name, lane] of lanes) while (lane.filling.full) await rotate(name, lane)
  }

  async function durable() {
    if (failed) throw failed
    await Promise.all([...lanes.values()].map(({ filling, arrival, sent }) => (filling.rows ? arrival.promise : sent)))
  }

  async function flush() {
    for (const [name, lane] of lanes) {
      while (lane.filling.rows) await rotate(name, lane)
      await lane.sent
    }
    await Promise.all(lettersUnderWay)
  }

  /** Publishes what is left. What the bus does not take in time is not lost: a source asks its agent for it again. */
  async function close() {
    const giveUp = giveUpLater()
    await flush().catch(error => {
      const records = [...lanes.values()].reduce((sum, { filling, spare }) => sum + filling.rows + spare.rows, 0)
      log.warn({ records, error }, 'stopped before everything was published')
    })
    clearTimeout(giveUp)
    givenUp.abort()
    for (const lane of lanes.values()) clearTimeout(lane.timer)
  }

  function deadLetter({ source, reporter = '', reason, body }: DeadLetter) {
    const second = Math.floor(Date.now() / 1000)
    if (letters.second !== second) letters = { second, count: 0 }
    if (letters.count++ >= deadLettersPerSecond) return
    const sent = publish(deadLetterTopic, { headers: { collector, source, reporter, reason }, body })
    lettersUnderWay.add(sent)
    sent.catch(failing).finally(() => lettersUnderWay.delete(sent))
  }

  const originOf = (headers: Readonly<Record<string, string>>): Origin => ({
    own: headers.collector === collector,
    collector: headers.collector,
    peers: readHeader(headers.peers),
    silent: readHeader(headers.silent),
  })

  const isOwn: NonNullable<Parameters<Outbox['published']>[2]> = ({ own }) => own

  async function* published(name: KindName, withinMs: number, isWanted = isOwn): AsyncGenerator<Published> {
    const oldest = Date.now() - withinMs
    const wanted = (headers: Readonly<Record<string, string>>, time: number) => (time < oldest ? 'stop' : isWanted(originOf(headers), time))
    for (const topic of topicsOf(kinds[name]))
      for await (const message of bus.recent(topic, wanted))
        yield {
          ...originOf(message.headers),
          time: message.time,
          ids: message.ids ?? new Uint8Array(0),
          minTime: Number(message.headers.min_time),
          maxTime: Number(message.headers.max_time),
          block: () => openBlock(message),
        }
  }

  return { block, from, silent, ready, durable, flush, deadLetter, published, [Symbol.asyncDispose]: close }
}

/** Tells why publishing waits as long as any of it does: once, and again when that is over. */
function openBlockage(onBlocked: (reason: string | undefined) => void) {
  const reasons = new Map<Message, string>()
  let told: string | undefined
  return {
    set(message: Message, reason: string | undefined) {
      if (reason === undefined) reasons.delete(message)
      else reasons.set(message, reason)
      const [first] = reasons.values()
      if (first === told) return
      told = first
      onBlocked(first)
    },
  }
}
