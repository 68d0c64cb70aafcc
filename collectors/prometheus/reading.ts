import type { DiscardReason } from '../../runtime/telemetry.ts'
import type { Point } from '../samples/point.ts'

/** What is wrong with a line or message. */
export class ExpositionError extends Error {
  override name = 'ExpositionError'
  readonly reason: DiscardReason

  constructor(message: string, reason: DiscardReason = 'undecodable') {
    super(message)
    this.reason = reason
  }
}

/** What could not be read. `where` is line and column, or the byte. */
export interface Broken {
  where: string
  message: string
  body: Buffer
}

/** What one scrape or message held. */
export interface Reading {
  points: Point[]
  /** Series it had, each bucket being one. */
  series: number
  /** Of these, those that were left out, by reason. */
  discarded: Map<DiscardReason, number>
  /** The first few that could not be read. */
  broken: Broken[]
}

export interface Limits {
  /** Series of one scrape; those after them are left out. */
  series: number
  labels: number
  /** Bytes of the name and labels of one series. */
  seriesBytes: number
}

export const defaultLimits: Limits = { series: 50_000, labels: 128, seriesBytes: 1 << 16 }

export const mostBrokenKept = 3

export const newReading = (): Reading => ({ points: [], series: 0, discarded: new Map(), broken: [] })

export function discard({ discarded }: Reading, reason: DiscardReason, count = 1): void {
  discarded.set(reason, (discarded.get(reason) ?? 0) + count)
}
