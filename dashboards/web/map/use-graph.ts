import type { Denial } from '../../../query-api/denials.ts'
import { denials as askDenials, topology } from '../api.ts'
import { type Asked, useAsk } from '../state/ask.ts'
import { useApp } from '../state/context.ts'
import { type Range, before, halves } from '../state/range.ts'
import { type Graph, graphOf } from './graph.ts'
import { type Finding, findings } from './stands-out.ts'

export interface Seen {
  graph: Graph
  findings: Finding[]
  denials: readonly Denial[]
  /** What the findings are compared with. */
  comparedWith: 'the time before' | 'the first half of this time' | 'nothing'
}

/** The map of the time range, and what stands out in it. */
export function useGraph(): Asked<Seen> {
  const { state, tick } = useApp()
  const { from, to, where, level } = state
  return useAsk(JSON.stringify(['map', from, to, where, level]), tick, async signal => {
    const ask = async (range: Range) => graphOf(await topology({ ...range, where, level }, signal))
    const [graph, past, { rows: denials }] = await Promise.all([
      ask({ from, to }),
      ask(before({ from, to })),
      askDenials({ from, to, where }, signal),
    ])
    if (past.edges.size) return { graph, denials, findings: findings(graph, past, denials), comparedWith: 'the time before' }
    const [first, second] = await Promise.all(halves({ from, to }).map(ask))
    if (!first!.edges.size) return { graph, denials, findings: findings(graph, undefined, denials), comparedWith: 'nothing' }
    return { graph, denials, findings: findings(second!, first, denials), comparedWith: 'the first half of this time' }
  })
}
