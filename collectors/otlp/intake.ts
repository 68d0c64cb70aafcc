import { UndecodableError } from '../protobuf/cursor.ts'
import type { SourceContext } from '../source.ts'
import { Repeats, digestOf } from './repeats.ts'
import { type Outcome, type Taker, letterOf } from './taker.ts'

/** The bus takes nothing at present: the sender shall come again. */
export class BusyError extends Error {
  override name = 'BusyError'
}

export interface IntakeOptions {
  /** Name of the source. */
  source: string
  /** How long a sender waits for its answer at the most; senders give up after ten seconds, unless told otherwise. */
  patienceMs?: number
  /** Bytes of exports that have no answer yet. */
  maxBytesUnderWay?: number
}

/**
 * How senders are answered: after what they sent is durable, and in time. One export of a signal is taken at a time, and one that is sent
 * again is answered as the first was.
 */
export class Intake {
  readonly #context: SourceContext
  readonly #source: string
  readonly #patienceMs: number
  readonly #maxBytes: number
  readonly #turns = new Map<Taker, Promise<unknown>>()
  readonly #repeats = new Map<Taker, Repeats<Outcome>>()
  #bytes = 0
  /** Exports that were taken and whose senders were told to come again, as they did not become durable in time. */
  #late = 0

  constructor({ source, patienceMs = 8000, maxBytesUnderWay = 256 << 20 }: IntakeOptions, context: SourceContext) {
    this.#source = source
    this.#patienceMs = patienceMs
    this.#maxBytes = maxBytesUnderWay
    this.#context = context
  }

  /** Resolves when the export is durable. Throws UndecodableError when it is none, BusyError when the bus takes nothing. */
  async accept(taker: Taker, bytes: Buffer, peer: string): Promise<Outcome> {
    const repeats = this.#repeatsOf(taker)
    const digest = digestOf(bytes)
    const first = repeats.find(digest)
    if (first) return this.#repeated(first)
    if (this.#late > 0) throw new BusyError('the bus takes nothing at present')
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes) throw new BusyError(`${this.#bytes} bytes are being taken already`)
    this.#bytes += bytes.length
    const waiting = { isOver: false }
    const taken = this.#inTurn(taker, async () => {
      if (waiting.isOver) throw new BusyError('too many exports at once')
      return taker.take(bytes, peer)
    }).then(async outcome => {
      await this.#context.outbox.durable()
      return outcome
    })
    const done = taken.finally(() => (this.#bytes -= bytes.length))
    if (bytes.length) repeats.remember(digest, done)
    try {
      return await this.#inTime(done, waiting)
    } catch (error) {
      if (error instanceof UndecodableError) this.refuse(error.message, bytes, peer)
      throw error
    }
  }

  /** Counts and keeps an export that cannot be read, its first MiB. */
  refuse(reason: string, body: Uint8Array, peer: string): void {
    this.#context.instruments.discarded(1, 'undecodable', { kind: 'message' })
    this.#context.outbox.deadLetter({ source: this.#source, reporter: peer, reason, body: letterOf(body) })
  }

  #repeatsOf(taker: Taker): Repeats<Outcome> {
    const known = this.#repeats.get(taker)
    if (known) return known
    const repeats = new Repeats<Outcome>()
    this.#repeats.set(taker, repeats)
    return repeats
  }

  /** Not before the first is durable: the sender forgets what is answered. */
  async #repeated(first: Promise<Outcome>): Promise<Outcome> {
    const outcome = await this.#inTime(first, { isOver: false })
    this.#context.instruments.discarded(1, 'repeated', { kind: 'message' })
    return outcome
  }

  #inTurn<T>(taker: Taker, take: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(taker) ?? Promise.resolve()).then(take)
    this.#turns.set(
      taker,
      turn.catch(() => {}),
    )
    return turn
  }

  async #inTime(done: Promise<Outcome>, waiting: { isOver: boolean }): Promise<Outcome> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      waiting.isOver = true
      this.#late++
      done.catch(() => {}).finally(() => this.#late--)
      late.reject(new BusyError('the bus takes nothing at present'))
    }, this.#patienceMs)
    try {
      return await Promise.race([done, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }
}
