import { type Reachable, neighboursBy } from './ends/clusters.ts'
import type { Arrival } from './pipeline.ts'
import type { Draft, Step } from './step.ts'
import type { Heartbeats } from './tables/heartbeats.ts'

export interface Settling {
  heartbeats: Heartbeats
  steps: readonly Step[]
  /** How long a block may wait after it was read, or published, whichever was first. */
  waitMs: number
  /** Which clusters reach each other's addresses. */
  reachable?: Reachable
  /** Told of every wait. */
  waited(ms: number, reached: boolean): void
}

/**
 * Makes a block wait until the objects of its clusters are known up to its last record, so that pods that are told of late are known. What comes after it
 * in its partition waits too. Not longer than `waitMs`; what was published longer ago is not waited for, so that who is behind does not fall back further.
 */
export function settling({ heartbeats, steps, waitMs, reachable = {}, waited }: Settling) {
  const neighboursOf = neighboursBy(reachable)

  /** Up to when which clusters should be known: those of reporters, those named for ends, and all in which an end of these may be. */
  function wantedFor(draft: Draft): ReadonlyMap<string, number> | undefined {
    const own = steps.map(step => step.until?.(draft)).find(Boolean)
    if (!own) return undefined
    const wanted = new Map<string, number>()
    const want = (cluster: string, time: number) => wanted.set(cluster, Math.max(time, wanted.get(cluster) ?? -Infinity))
    const last = Math.max(...own.values())
    for (const [cluster, time] of [...own, ...namedIn(draft).map(cluster => [cluster, last] as const)]) {
      want(cluster, time)
      for (const neighbour of neighboursOf(cluster)) want(neighbour.cluster, time)
    }
    return wanted
  }

  return async function settled(draft: Draft, { read, published, signal }: Arrival): Promise<void> {
    if (waitMs === 0) return
    const wanted = wantedFor(draft)
    if (!wanted) return
    const began = performance.now()
    const ms = Math.min(read, published) + waitMs - Date.now()
    const reached = await heartbeats.reach(wanted, { ms, signal })
    const took = performance.now() - began
    if (took >= 1 || !reached) waited(took, reached)
  }
}

/** Clusters that sources name for ends. */
const namedIn = (draft: Draft) =>
  ['src_cluster', 'dst_cluster'].flatMap(name => (draft.block.has(name) ? draft.given(name).keys.filter(Boolean) : []))
