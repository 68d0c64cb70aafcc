import type { Denial } from '../../../query-api/denials.ts'
import { denials, topology } from '../api.ts'
import { type Asked, useAsk } from '../state/ask.ts'
import { useApp } from '../state/context.ts'
import { type Range, end, lengthOf } from '../state/range.ts'
import { type Graph, graphOf } from './graph.ts'

/** The map of the time range. */
export function useGraph(): Asked<Graph> {
  const { state, tick } = useApp()
  const { from, to, where, level } = state
  return useAsk(JSON.stringify(['map', from, to, where, level]), tick, async signal =>
    graphOf(await topology({ from, to, where, level }, signal)),
  )
}

/** What the map is compared with, and who denied: what findings are made of besides the map. */
export interface Past {
  recent: Graph
  before: Graph | undefined
  seconds: { recent: number; before: number }
  denials: readonly Denial[]
}

export function usePast(): Asked<Past> {
  const { state, tick } = useApp()
  const { from, to, where, level } = state
  return useAsk(JSON.stringify(['past', from, to, where, level]), tick, async signal => {
    const ask = async (range: Range) => graphOf(await topology({ ...range, where, level }, signal))
    const [ending, earlier] = end({ from, to })
    const [recent, before, { rows }] = await Promise.all([ask(ending), ask(earlier), denials({ from, to, where }, signal)])
    return {
      recent,
      before: before.edges.size ? before : undefined,
      seconds: { recent: lengthOf(ending), before: lengthOf(earlier) },
      denials: rows,
    }
  })
}
