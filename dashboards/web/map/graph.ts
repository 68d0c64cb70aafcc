/** The service map as data: the topology of the API, with what is outside standing once on the left and once on the right. */
import type { Denial } from '../../../query-api/denials.ts'
import type { End } from '../../../query-api/end.ts'
import type { Edge, Topology, TopologyNode } from '../../../query-api/topology.ts'
import { both, is } from '../state/filter.ts'

export interface MapNode {
  id: string
  name: string
  /** The namespace it is drawn in; empty for what is outside the cluster. */
  group: string
  kind: TopologyNode['kind']
  /** The end as the API tells it. */
  end: TopologyNode
  /** What is outside is a client or a server here, never both. */
  role?: 'client' | 'server'
}

export type Measures = Omit<Edge, 'source' | 'target' | 'change'>

export interface MapEdge extends Measures {
  id: string
  from: string
  to: string
}

export interface Graph {
  nodes: ReadonlyMap<string, MapNode>
  edges: ReadonlyMap<string, MapEdge>
}

const isOutside = ({ kind }: End) => kind === 'outside' || kind === 'host'

const idOf = (end: End, role: 'client' | 'server') => (isOutside(end) ? `${role}:${end.id}` : end.id)
const linkId = (from: string, to: string) => `${from}→${to}`

/** The topology as a map. What talks to itself has no link. */
export function graphOf({ nodes: ends, edges: links }: Topology): Graph {
  const known = new Map(ends.map(end => [end.id, end]))
  const nodes = new Map<string, MapNode>()
  const edges = new Map<string, MapEdge>()
  for (const { source, target, change: _, ...measures } of links) {
    if (source === target) continue
    const [from, to] = [nodeOf(known.get(source)!, 'client'), nodeOf(known.get(target)!, 'server')]
    nodes.set(from.id, from)
    nodes.set(to.id, to)
    const id = linkId(from.id, to.id)
    edges.set(id, { ...measures, id, from: from.id, to: to.id })
  }
  return { nodes, edges }
}

function nodeOf(end: TopologyNode, role: 'client' | 'server'): MapNode {
  const { id, name, kind, namespace } = end
  if (isOutside(end)) return { id: idOf(end, role), name, group: '', kind, end, role }
  return { id, name, group: kind === 'namespace' ? '' : namespace, kind, end }
}

/** The condition that an end is this node. */
export function endIs({ end, kind }: MapNode, side: 'src' | 'dst'): string {
  const field = (name: string, value = '') => is(`${side}_${name}`, value)
  if (kind === 'host') return `${side}_entity IN ('host', 'remote-node')`
  if (kind === 'outside')
    return end.network ? field('network', end.network) : end.dns_name ? field('dns_name', end.dns_name) : field('entity', end.entity)
  if (kind === 'namespace') return field('namespace', end.namespace)
  if (kind === 'service') return field('service', end.service)
  if (kind === 'pod') return both(field('namespace', end.namespace), field('pod', end.pod))!
  // A workload nobody named has the name of its service account.
  const name = end.workload || !end.service_account ? field('workload', end.workload) : field('service_account', end.service_account)
  return both(field('namespace', end.namespace), name)!
}

/** The condition that the node takes part. */
export const takesPart = (node: MapNode) =>
  node.role ? endIs(node, node.role === 'client' ? 'src' : 'dst') : `(${endIs(node, 'src')}) OR (${endIs(node, 'dst')})`

/** What the selection on the map is: an edge, a node, or nothing that is there. */
export function selected({ nodes, edges }: Graph, id: string): { node?: MapNode; edge?: MapEdge } {
  return { node: nodes.get(id), edge: edges.get(id) }
}

/** The condition that it goes over the link, whichever way a packet went. */
export function overLink({ nodes }: Graph, { from, to }: MapEdge, { replies = false } = {}): string {
  const [client, server] = [nodes.get(from)!, nodes.get(to)!]
  const there = both(endIs(client, 'src'), endIs(server, 'dst'))!
  return replies ? `(${there}) OR (${both(endIs(server, 'src'), endIs(client, 'dst'))})` : there
}

/** The link a denial is on, at the level of workloads. */
export const linkOf = ({ source, target }: Denial) => linkId(idOf(source, 'client'), idOf(target, 'server'))

/** The denials of what is selected; a namespace has those of its workloads. */
export function denialsOf(graph: Graph, denials: readonly Denial[], id: string): Denial[] {
  const { node, edge } = selected(graph, id)
  const is = (end: End, role: 'client' | 'server', nodeId: string) =>
    idOf(end, role) === nodeId || `${end.cluster}/${end.namespace}` === nodeId
  if (edge) return denials.filter(({ source, target }) => is(source, 'client', edge.from) && is(target, 'server', edge.to))
  return node ? denials.filter(({ source, target }) => is(source, 'client', id) || is(target, 'server', id)) : []
}

const nothing: Measures = {
  flows: 0,
  connections: 0,
  bytes: 0,
  packets: 0,
  sent: 0,
  received: 0,
  drops: 0,
  denials: 0,
  requests: 0,
  errors: 0,
  error_ratio: null,
  latency_p50: null,
  latency_p95: null,
  latency_p99: null,
  ports: [],
  seen_by: [],
}

/** What a node is asked as a server. Its latency is that of its slowest caller: quantiles do not add up. */
export function served({ edges }: Graph, id: string): Measures {
  const into = [...edges.values()].filter(edge => edge.to === id)
  const sum = (name: 'flows' | 'connections' | 'drops' | 'denials' | 'requests' | 'errors') =>
    into.reduce((total, edge) => total + edge[name], 0)
  const [requests, errors] = [sum('requests'), sum('errors')]
  const slowest = Math.max(0, ...into.map(({ latency_p95 }) => latency_p95 ?? 0))
  return {
    ...nothing,
    flows: sum('flows'),
    connections: sum('connections'),
    drops: sum('drops'),
    denials: sum('denials'),
    requests,
    errors,
    error_ratio: ratioOf(into, errors, requests),
    latency_p95: slowest || null,
    ports: portsOf(into),
  }
}

/** Requests, or else connections, a node makes as a client. */
export function sent({ edges }: Graph, id: string): number {
  const out = [...edges.values()].filter(edge => edge.from === id)
  return out.reduce((total, { requests, connections }) => total + (requests || connections), 0)
}

/** The ports of links, each once. */
function portsOf(edges: readonly MapEdge[]): MapEdge['ports'] {
  const groups = Map.groupBy(
    edges.flatMap(({ ports }) => ports),
    ({ port, protocol }) => `${protocol}/${port}`,
  )
  return [...groups.values()].map(same => ({ ...same[0]!, flows: same.reduce((sum, { flows }) => sum + flows, 0) }))
}

const ratioOf = (edges: readonly MapEdge[], errors: number, requests: number) =>
  edges.some(({ error_ratio }) => error_ratio !== null) && requests ? errors / requests : null

const plumbing = /^(kube-system|kube-public|observability|monitoring|istio-system|cert-manager|cilium|linkerd|gatekeeper-system)$/

/** Whether a node is a service of the cluster itself: DNS, scraping, the nodes. */
const isPlumbing = ({ kind, end }: MapNode) =>
  kind === 'host' || plumbing.test(end.namespace) || (kind === 'outside' && /^(kube-apiserver|health|init|unmanaged)$/.test(end.name))

/** The graph without the cluster's own services; what is denied stays. */
export function withoutPlumbing({ nodes, edges }: Graph): Graph {
  const kept = new Map(
    [...edges].filter(([, { from, to, denials }]) => denials > 0 || !(isPlumbing(nodes.get(from)!) || isPlumbing(nodes.get(to)!))),
  )
  const used = new Set([...kept.values()].flatMap(({ from, to }) => [from, to]))
  return { nodes: new Map([...nodes].filter(([id]) => used.has(id))), edges: kept }
}
