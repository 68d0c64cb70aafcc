/** Columns of the map: clients left of what they call. */

export interface Link {
  from: string
  to: string
}

/** The column of each node: one right of its rightmost caller, circles cut where a walk in order of names closes them. */
export function ranksOf(ids: readonly string[], links: readonly Link[]): Map<string, number> {
  const ordered = [...ids].sort()
  const forward = acyclic(ordered, links)
  const ranks = new Map(ordered.map(id => [id, 0]))
  for (const id of topological(ordered, forward)) {
    for (const { to } of forward.filter(({ from }) => from === id)) ranks.set(to, Math.max(ranks.get(to)!, ranks.get(id)! + 1))
  }
  return nearWhatTheyCall(ordered, forward, ranks)
}

/** Whoever nobody calls stands just left of the first it calls, not at the far left. */
function nearWhatTheyCall(ids: readonly string[], links: readonly Link[], ranks: Map<string, number>): Map<string, number> {
  for (const id of ids) {
    const called = links.filter(({ from }) => from === id).map(({ to }) => ranks.get(to)!)
    if (called.length && !links.some(({ to }) => to === id)) ranks.set(id, Math.max(0, Math.min(...called) - 1))
  }
  const least = Math.min(...ranks.values())
  return new Map([...ranks].map(([id, rank]) => [id, rank - least]))
}

/** The links without those that close a circle. */
function acyclic(ids: readonly string[], links: readonly Link[]): Link[] {
  const outgoing = Map.groupBy([...links].sort(byName), ({ from }) => from)
  const called = new Set(links.map(({ to }) => to))
  const state = new Map<string, 'open' | 'done'>()
  const kept: Link[] = []
  const visit = (id: string) => {
    state.set(id, 'open')
    for (const link of outgoing.get(id) ?? []) {
      if (link.to === id || state.get(link.to) === 'open') continue
      kept.push(link)
      if (!state.has(link.to)) visit(link.to)
    }
    state.set(id, 'done')
  }
  const roots = [...ids.filter(id => !called.has(id)), ...ids]
  for (const id of roots) if (!state.has(id)) visit(id)
  return kept
}

const byName = (a: Link, b: Link) => (a.from + a.to < b.from + b.to ? -1 : 1)

function topological(ids: readonly string[], links: readonly Link[]): string[] {
  const waiting = new Map(ids.map(id => [id, links.filter(({ to }) => to === id).length]))
  const ready = ids.filter(id => !waiting.get(id))
  for (const id of ready) {
    for (const { to } of links.filter(({ from }) => from === id)) {
      waiting.set(to, waiting.get(to)! - 1)
      if (!waiting.get(to)) ready.push(to)
    }
  }
  return ready
}
