import { setImmediate as breathe, setTimeout as pause } from 'node:timers/promises'
import type { Datagram, Decoder } from './decoder.ts'
import type { RingReader } from './ring.ts'

/** After so many datagrams everybody else has a turn. */
const atOnce = 64
/** While datagrams come, they are looked for so often: to be woken by each of them costs more than to read it. */
const pauseMs = 5
const sweepMs = 1000

/**
 * Hands datagrams to the decoder one at a time, whether they come out of the ring or off a connection: it may be in the middle of one
 * while it waits for a block.
 */
export class Intake {
  readonly #reader: RingReader
  readonly #decoder: Decoder
  #last: Promise<unknown> = Promise.resolve()
  #swept = Date.now()
  #wake = () => {}

  constructor(reader: RingReader, decoder: Decoder) {
    this.#reader = reader
    this.#decoder = decoder
  }

  /** There is something in the ring, or to be done. */
  wake(): void {
    this.#wake()
  }

  take(message: Datagram): Promise<void> {
    return this.#inTurn(() => this.#decoder.take(message))
  }

  /** Reads what is there, does what is due, and sleeps for a second at the most if there is no more. */
  async round(): Promise<void> {
    const count = await this.#inTurn(() => this.#readSome())
    const now = Date.now()
    if (now - this.#swept >= sweepMs) {
      this.#swept = now
      await this.#inTurn(() => this.#decoder.sweep(now))
    }
    if (count === atOnce) await breathe()
    else if (count > 0) await pause(pauseMs)
    else if (this.#reader.sleep()) await this.#sleep()
  }

  /** Reads all that is left and tells what nobody can tell later. */
  async finish(): Promise<void> {
    while (await this.#inTurn(() => this.#readSome()));
    await this.#inTurn(() => this.#decoder.close())
  }

  #sleep(): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, sweepMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Returns how many datagrams there were. */
  async #readSome(): Promise<number> {
    let count = 0
    for (let datagram = this.#reader.next(); datagram; datagram = this.#reader.next()) {
      await this.#decoder.take(datagram)
      this.#reader.release()
      if (++count === atOnce) break
    }
    this.#decoder.count()
    return count
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }
}
