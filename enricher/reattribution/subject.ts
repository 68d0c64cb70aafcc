import type { Redone, Reattribution } from '../../schema/reattribution.ts'
import type { Changes } from './changes.ts'

/** Seconds since 1970. */
export interface Window {
  from: number
  to: number
}

/** Rows that a run makes again, hour by hour. */
export interface Subject {
  kind: Redone
  /** Tables they are in, with the column of their time or interval. */
  tables: readonly { name: string; time: string }[]
  /** What of a window is to be made again, nothing when it ends where it begins; and the highest revision of any row in it. */
  extent(window: Window): Promise<Window & { highest: number }>
  /** Comes to know what the rows are made of, until that is disposed of; asked for before anything is read of them. */
  open(state: Reattribution): Promise<AsyncDisposable | undefined>
  /** Resolves when every row of the window that is not stored yet will be told apart from those that are to be replaced. */
  prepare(state: Reattribution, onWait: (what: string) => void): Promise<void>
  /**
   * Stores the rows of an hour, or of what of it lies in the window, once more under a revision that nobody sees yet. Rejects with an
   * IncompleteHourError when they must stay as they are. Whatever it rejects with, the next attempt needs another revision.
   */
  copy(state: Reattribution, hour: Window, copy: number, onRows: (rows: number) => void): Promise<{ rows: number; changes: Changes }>
  /** Makes again what was made of them, once nothing of them is hidden any more. */
  finish(state: Reattribution, onWait: (what: string) => void): Promise<void>
}
