import type { DiscardReason, Instruments } from '../../runtime/telemetry.ts'

/** Counts what was received and left out; what instruments cost is spent once for many datagrams. */
export class Counts {
  #received = 0
  readonly #discarded = new Map<DiscardReason, number>()

  receive(count: number): void {
    this.#received += count
  }

  discard(count: number, reason: DiscardReason): void {
    if (count) this.#discarded.set(reason, (this.#discarded.get(reason) ?? 0) + count)
  }

  /** Hands on what was counted since the last time. */
  tell(instruments: Instruments): void {
    if (this.#received) instruments.received(this.#received)
    for (const [reason, count] of this.#discarded) instruments.discarded(count, reason)
    this.#received = 0
    this.#discarded.clear()
  }
}
