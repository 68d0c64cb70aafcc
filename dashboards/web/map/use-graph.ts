import type { Denial } from '../../../query-api/denials.ts'
import { denials as askDenials, topology } from '../api.ts'
import { type Asked, useAsk } from '../state/ask.ts'
import { useApp } from '../state/context.ts'
import { type Range, end, lengthOf } from '../state/range.ts'
import { type Graph, graphOf } from './graph.ts'
import { type Finding, findings } from './stands-out.ts'

export interface Seen {
  graph: Graph
  findings: Finding[]
  denials: readonly Denial[]
  /** Length in seconds of the end of the range that the findings are about. */
  recentSeconds: number
}

/** The map of the time range, and what stands out at its end. */
export function useGraph(): Asked<Seen> {
  const { state, tick } = useApp()
  const { from, to, where, level } = state
  return useAsk(JSON.stringify(['map', from, to, where, level]), tick, async signal => {
    const ask = async (range: Range) => graphOf(await topology({ ...range, where, level }, signal))
    const [recent, earlier] = end({ from, to })
    const [whole, now, before, { rows: denials }] = await Promise.all([
      ask({ from, to }),
      ask(recent),
      ask(earlier),
      askDenials({ from, to, where }, signal),
    ])
    const seconds = { recent: lengthOf(recent), before: lengthOf(earlier) }
    const found = findings({ whole, recent: now, before: before.edges.size ? before : undefined, seconds, denials })
    return { graph: whole, findings: found, denials, recentSeconds: seconds.recent }
  })
}
