/** What an SRE should look at first: the end of the range compared with all that came before it. */
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
  aside: string
  /** It was not so before; it is as it was; it is over. */
  state: 'new' | 'lasting' | 'over'
  score: number
}

export interface Windows {
  /** The whole range. */
  whole: Graph
  /** The end of it. */
  recent: Graph
  /** What came before the end, back to as long before the range as it is long; nothing when nothing was seen then. */
  before: Graph | undefined
  seconds: { recent: number; before: number }
  denials: readonly Denial[]
}

const least = { errors: 5, ratio: 0.01, worse: 2, requests: 10, slower: 1.5, slowerBy: 0.004, denialsUp: 3 }

/** Findings, the most telling first. */
export function findings(windows: Windows): Finding[] {
  const { whole, recent, before } = windows
  return [...whole.edges.values()]
    .flatMap(edge => {
      const compared = { edge, now: recent.edges.get(edge.id), past: before?.edges.get(edge.id) }
      const found = [denied(compared, windows), failing(compared, before !== undefined), slower(compared)]
      return found.flatMap(each => (each ? [named(each, edge, whole)] : []))
    })
    .sort((a, b) => b.score - a.score || (a.edge < b.edge ? -1 : 1))
}

type Found = Omit<Finding, 'edge' | 'from' | 'to'>

interface Compared {
  edge: MapEdge
  now: MapEdge | undefined
  past: MapEdge | undefined
}

const named = (found: Found, { id, from, to }: MapEdge, { nodes }: Graph): Finding => ({
  ...found,
  edge: id,
  from: nodes.get(from)!.name,
  to: nodes.get(to)!.name,
})

/** A policy that suddenly denies what was allowed is an incident; one that always denied is at work. */
function denied({ edge, now, past }: Compared, { whole, before, seconds, denials }: Windows): Found | undefined {
  if (!edge.denials) return
  const [rate, was] = [(now?.denials ?? 0) / seconds.recent, (past?.denials ?? 0) / seconds.before]
  const state = !rate ? 'over' : before && rate > least.denialsUp * was ? 'new' : 'lasting'
  const wasAllowed = Boolean(past && past.flows + past.requests > past.denials * 2)
  const newest = denialsOf(whole, denials, edge.id).sort((a, b) => (a.first_seen < b.first_seen ? 1 : -1))[0]
  const since = newest && state === 'new' ? ` since ${clock(Date.parse(newest.first_seen), false)}` : ''
  const until = newest && state === 'over' ? ` until ${clock(Date.parse(newest.last_seen), false)}` : ''
  return {
    kind: 'denials',
    text: `${si(edge.denials)} denied`,
    aside: newest ? `by ${policyWord(newest.policy, newest.reason)}${since}${until}` : '',
    state,
    score: (state === 'new' ? (wasAllowed ? 90 : 45) : state === 'over' ? 20 : 10) + Math.log10(1 + edge.denials),
  }
}

const isFailing = ({ errors, error_ratio: ratio }: MapEdge) => errors >= least.errors && (ratio ?? 0) >= least.ratio

function failing({ edge, now, past }: Compared, isCompared: boolean): Found | undefined {
  const was = past?.error_ratio ?? 0
  if (now && isFailing(now)) {
    const ratio = now.error_ratio ?? 0
    const isNew = isCompared && ratio > least.worse * was
    const aside = past ? `${percent(was)} before` : ''
    return {
      kind: 'errors',
      text: `${percent(ratio)} errors`,
      aside,
      state: isNew ? 'new' : 'lasting',
      score: (isNew ? 60 : 30) + 100 * Math.min(0.3, ratio),
    }
  }
  if (!isFailing(edge)) return
  return {
    kind: 'errors',
    text: `${percent(edge.error_ratio ?? 0)} errors`,
    aside: `${percent(now?.error_ratio ?? 0)} now`,
    state: 'over',
    score: 25,
  }
}

function slower({ now, past }: Compared): Found | undefined {
  const [is, was] = [now?.latency_p95, past?.latency_p95]
  if (!now || !is || !was || now.requests < least.requests || is < was * least.slower || is - was < least.slowerBy) return
  return {
    kind: 'latency',
    text: `p95 ${duration(is)}`,
    aside: `${duration(was)} before`,
    state: 'new',
    score: 40 + 2 * Math.min(9, is / was),
  }
}
