import type { Arrival } from './pipeline.ts'
import type { Draft, Step } from './step.ts'
import type { Heartbeats } from './tables/heartbeats.ts'

export interface Settling {
  heartbeats: Heartbeats
  steps: readonly Step[]
  /** How long a block may wait after it was read, or published, whichever was first. */
  waitMs: number
  /** Told of every wait. */
  waited(ms: number, reached: boolean): void
}

/**
 * Makes a block wait until the objects of its clusters are known up to its last record, so that pods that are told of late are known. What comes after it
 * in its partition waits too. Not longer than `waitMs`; what was published longer ago is not waited for, so that who is behind does not fall back further.
 */
export function settling({ heartbeats, steps, waitMs, waited }: Settling) {
  return async function settled(draft: Draft, { read, published, signal }: Arrival): Promise<void> {
    const wanted = steps.map(step => step.until?.(draft)).find(Boolean)
    if (!wanted || waitMs === 0) return
    const began = performance.now()
    const ms = Math.min(read, published) + waitMs - Date.now()
    const reached = await heartbeats.reach(wanted, { ms, signal })
    const took = performance.now() - began
    if (took >= 1 || !reached) waited(took, reached)
  }
}
