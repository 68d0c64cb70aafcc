import type { SourceContext } from '../source.ts'

/** What became of an export. */
export interface Outcome {
  /** How many of its items were not taken. */
  rejected: number
  /** Why the first of them was not, or ''. */
  message: string
}

/** Takes the items of exports of one signal into the outbox, one export at a time. */
export interface Taker {
  /** Throws UndecodableError, and has taken nothing then, when it is no export; an item that cannot be read is rejected alone. */
  take(bytes: Buffer, peer: string): Promise<Outcome>
}

interface Rejected {
  outcome: Outcome
  source: string
  peer: string
  reason: string
  body: Uint8Array
}

/** Counts and keeps an item that cannot be read. */
export function reject({ instruments, outbox }: SourceContext, { outcome, source, peer, reason, body }: Rejected): void {
  outcome.rejected++
  outcome.message ||= reason
  instruments.discarded(1, 'undecodable', { kind: 'item' })
  outbox.deadLetter({ source, reporter: peer, reason, body: letterOf(body) })
}

const mostLetterBytes = 1 << 20

/** What is kept of what cannot be read: a copy, as much as people can look at. */
export const letterOf = (body: Uint8Array): Uint8Array => Uint8Array.prototype.slice.call(body, 0, mostLetterBytes)
