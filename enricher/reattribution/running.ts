import type { Bus } from '../../runtime/bus/bus.ts'
import type { Logger } from '../../runtime/log.ts'
import type { AttributedKind } from '../../schema/reattribution.ts'
import type { Step } from '../step.ts'
import type { Changes } from './changes.ts'
import type { Stores } from './store.ts'

/** What is to be attributed again. */
export interface Request {
  /** The same for the same request, also when it comes again. */
  id: string
  kind: AttributedKind
  /** Whole hours, seconds since 1970. */
  from: number
  to: number
  /** Only records that were stored provisionally. */
  provisional: boolean
}

/** What became of it. */
export interface Report {
  /** Records that were attributed again. */
  rows: number
  /** Ends that are known otherwise now. */
  changes: Changes
  /** Hours that stay as they were, with why. */
  skipped: { hour: number; reason: string }[]
}

export interface Progress extends Report {
  phase: 'waiting' | 'copying' | 'cleaning' | 'done'
  /** Hours done, of how many. */
  hours: number
  of: number
  /** For people. */
  detail?: string
}

/** Steps for as long as they are needed. */
export interface Prepared extends AsyncDisposable {
  steps: readonly Step[]
}

export interface Running {
  stores: Stores
  bus: Pick<Bus, 'publishToAll' | 'positions' | 'lag'>
  /** Who reads the topics of records. */
  group: string
  /** Makes the steps anew for each run: what they have learnt of clocks is of another time. */
  steps: () => readonly Step[]
  log: Logger
  /** Steps that know what was true in a window, in place of the others; asked for before anything is read of it. */
  prepare?(window: { from: number; to: number }, signal: AbortSignal): Promise<Prepared>
  onProgress?(progress: Progress): void
  /** Other waits than what questions need; for tests. */
  settleMs?: number
  maxRows?: number
}
