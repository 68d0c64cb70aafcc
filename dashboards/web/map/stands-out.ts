/** What an SRE should look at first: computed from this window of time and an earlier one. */
import type { Denial } from '../../../query-api/denials.ts'
import { clock } from '../../render/time.ts'
import { duration, percent, si } from '../../render/units.ts'
import { policyWord } from '../state/policy.ts'
import { type Graph, type MapEdge, denialsOf } from './graph.ts'

export interface Finding {
  kind: 'denials' | 'errors' | 'latency'
  edge: string
  from: string
  to: string
  /** The number that stands out. */
  text: string
  /** What it was before, or who decided. */
  before: string
  /** It was not so before. */
  isNew: boolean
  score: number
}

const least = { errors: 3, ratio: 0.01, requests: 10, slower: 1.5, slowerBy: 0.004 }

/** Findings, the most telling first. `earlier` is nothing when there is no earlier time to compare with. */
export function findings(now: Graph, earlier: Graph | undefined, denials: readonly Denial[] = []): Finding[] {
  return [...now.edges.values()]
    .flatMap(edge => {
      const past = earlier?.edges.get(edge.id)
      const found = [
        denied(edge, past, { isCompared: Boolean(earlier), denials: denialsOf(now, denials, edge.id) }),
        failing(edge, past),
        slower(edge, past),
      ]
      return found.flatMap(each => (each ? [named(each, edge, now)] : []))
    })
    .sort((a, b) => b.score - a.score || (a.edge < b.edge ? -1 : 1))
}

type Found = Omit<Finding, 'edge' | 'from' | 'to'>

const named = (found: Found, { id, from, to }: MapEdge, { nodes }: Graph): Finding => ({
  ...found,
  edge: id,
  from: nodes.get(from)!.name,
  to: nodes.get(to)!.name,
})

/** A policy that suddenly denies what was allowed is an incident; one that always denied is at work. */
function denied(
  edge: MapEdge,
  past: MapEdge | undefined,
  { isCompared, denials }: { isCompared: boolean; denials: readonly Denial[] },
): Found | undefined {
  if (!edge.denials) return
  const isNew = isCompared && !past?.denials
  const wasAllowed = Boolean(past && past.flows + past.requests > 0)
  const newest = [...denials].sort((a, b) => (a.first_seen < b.first_seen ? 1 : -1))[0]
  const by = newest
    ? `by ${policyWord(newest.policy, newest.reason)}${isNew ? ` since ${clock(Date.parse(newest.first_seen), false)}` : ''}`
    : ''
  return {
    kind: 'denials',
    text: `${si(edge.denials)} denied`,
    before: by,
    isNew,
    score: (isNew ? (wasAllowed ? 90 : 40) : 12) + Math.log10(1 + edge.denials),
  }
}

function failing({ errors, error_ratio: ratio }: MapEdge, past: MapEdge | undefined): Found | undefined {
  if (ratio === null || errors < least.errors || ratio < least.ratio) return
  const was = past?.error_ratio ?? 0
  const isNew = Boolean(past) && ratio > 2 * was
  return {
    kind: 'errors',
    text: `${percent(ratio)} errors`,
    before: past ? `${percent(was)} before` : '',
    isNew,
    score: (isNew ? 60 : 30) + 100 * Math.min(0.3, ratio),
  }
}

function slower({ requests, latency_p95: now }: MapEdge, past: MapEdge | undefined): Found | undefined {
  const was = past?.latency_p95
  if (!now || !was || requests < least.requests || now < was * least.slower || now - was < least.slowerBy) return
  return {
    kind: 'latency',
    text: `p95 ${duration(now)}`,
    before: `${duration(was)} before`,
    isNew: true,
    score: 40 + 2 * Math.min(9, now / was),
  }
}
