import type { Change, Edge, Topology } from './topology.ts'

/** A count that is more than twice or less than half of what it was has changed. */
const factor = 2
const leastRatio = 0.05

/** The topology with what was added, removed or changed since the earlier one, which may be of another length. */
export function compareTopologies(now: Topology, before: Topology, seconds: { now: number; before: number }): Topology {
  const key = ({ source, target }: Edge) => JSON.stringify([source, target])
  const earlier = new Map(before.edges.map(edge => [key(edge), edge]))
  const edges = now.edges.map(edge => ({ ...edge, change: changeOf(edge, earlier.get(key(edge)), seconds.before / seconds.now) }))
  const present = new Set(now.edges.map(key))
  const removed = before.edges.filter(edge => !present.has(key(edge))).map(edge => ({ ...edge, change: 'removed' as const }))
  return { nodes: compareNodes(now, before), edges: [...edges, ...removed], meta: now.meta }
}

function compareNodes(now: Topology, before: Topology): Topology['nodes'] {
  const [present, earlier] = [now, before].map(({ nodes }) => new Set(nodes.map(({ id }) => id)))
  const nodes = now.nodes.map(node => (earlier.has(node.id) ? node : { ...node, change: 'added' as const }))
  return [...nodes, ...before.nodes.filter(({ id }) => !present.has(id)).map(node => ({ ...node, change: 'removed' as const }))]
}

function changeOf(edge: Edge, before: Edge | undefined, scale: number): Change | undefined {
  if (!before) return 'added'
  const counts = ['flows', 'requests', 'drops', 'denials'] as const
  const ratio = Math.abs((edge.error_ratio ?? 0) - (before.error_ratio ?? 0))
  return ratio >= leastRatio || counts.some(name => differs(edge[name] * scale, before[name])) ? 'changed' : undefined
}

const differs = (a: number, b: number) => Math.max(a, b) > factor * Math.min(a, b) && Math.abs(a - b) >= 1
