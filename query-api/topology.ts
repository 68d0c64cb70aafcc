import { type End, type Level, better } from './end.ts'
import { type Meta, mergeMeta } from './meta.ts'
import { type Answer, type Asking, ask, named } from './query.ts'
import { type SpanEdge, isAboutSpanEdges, spanEdges } from './span-edges.ts'
import { keepingTo } from './visible.ts'
import { whereOf } from './where.ts'
import { type Pair, type Witness, addWitnesses, pairGroup, pairs } from './witnesses.ts'

export interface Port {
  port: number
  protocol: string
  flows: number
}

export type Change = 'added' | 'removed' | 'changed'

/** What one end, the client, has to do with another, the server. Counts are over the whole range. */
export interface Edge {
  source: string
  target: string
  flows: number
  connections: number
  bytes: number
  packets: number
  sent: number
  received: number
  drops: number
  denials: number
  requests: number
  errors: number
  error_ratio: number | null
  latency_p50: number | null
  latency_p95: number | null
  latency_p99: number | null
  ports: Port[]
  seen_by: Witness[]
  /** Requests, errors and latency are of spans, because nothing better saw any: calls by which halves of them made a span. */
  spans?: SpanEdge['spans']
  change?: Change
}

export type TopologyNode = End & { change?: Change }

export interface Topology {
  nodes: TopologyNode[]
  edges: Edge[]
  meta: Meta
}

export interface TopologyQuery {
  from?: string
  to?: string
  level: Level
  where?: string
}

/** Metrics of flows by the order of views they share: statements that need few orders are cheap, and run side by side. */
const added = [
  ['flows', 'connections', 'sent', 'received'],
  ['bytes', 'packets'],
  ['drops', 'denials'],
] as const
const exchanged = ['requests', 'errors', 'error_ratio', 'latency_p50', 'latency_p95', 'latency_p99'] as const

const mostRows = 100_000

/** Who calls whom: nodes, and edges from the client to the server. Between services spans tell what nothing else has seen. */
export async function topology({ level, where, from, to }: TopologyQuery, given: Asking): Promise<Topology> {
  const asking = await keepingTo(given)
  const ofSpans = level === 'service' && isAboutSpanEdges(where, asking.now)
  const filters = whereOf(where, asking.now, ofSpans)
  const kinds = (['flow', 'request'] as const).filter(kind => filters[kind])
  const asked = (metrics: readonly string[], kind: Witness['kind']) =>
    ask({ from, to, metrics: [...metrics], where }, asking, { rows: mostRows, group: pairGroup(kind, level) })
  const [known, flows, requests, spans] = await Promise.all([
    Promise.all(kinds.map(kind => pairs({ kind, level, from, to, where }, asking, mostRows))),
    Promise.all(filters.flow ? added.map(metrics => asked(metrics, 'flow')) : []),
    Promise.all(filters.request ? [asked(exchanged, 'request')] : []),
    Promise.all(ofSpans ? [spanEdges({ from, to, where }, asking, mostRows)] : []),
  ])
  const pairsOf = (kind: Witness['kind']) => known[kinds.indexOf(kind)].pairs
  const graph = new Graph(level)
  for (const answer of flows) graph.addFlows(answer, pairsOf('flow'))
  for (const answer of requests) graph.addRequests(answer, pairsOf('request'))
  for (const { pairs } of known) graph.addWitnesses(pairs)
  for (const { edges } of spans) graph.addSpans(edges)
  const meta = mergeMeta([...flows, ...requests, ...spans].map(({ meta }) => meta))
  return {
    nodes: [...graph.nodes.values()],
    edges: [...graph.edges.values()],
    meta: { ...meta, truncated: meta.truncated || known.some(({ truncated }) => truncated) },
  }
}

class Graph {
  readonly nodes = new Map<string, TopologyNode>()
  readonly edges = new Map<string, Edge>()
  readonly #level: Level

  constructor(level: Level) {
    this.#level = level
  }

  addFlows(answer: Answer, pairs: ReadonlyMap<string, Pair>): void {
    for (const row of named(answer)) {
      const pair = pairs.get(String(row.pair))
      if (!pair) continue
      const edge = this.#edge(pair)
      for (const name of added.flat()) edge[name] += Number(row[name] ?? 0)
      if (pair.port > 0 && Number(row.flows) > 0) addPort(edge.ports, pair, Number(row.flows))
    }
  }

  addRequests(answer: Answer, pairs: ReadonlyMap<string, Pair>): void {
    for (const row of named(answer)) {
      const pair = pairs.get(String(row.pair))
      if (!pair) continue
      const edge = this.#edge(pair)
      for (const name of exchanged) Object.assign(edge, { [name]: row[name] })
    }
  }

  /** Of edges that are there: packets still addressed to a service, and what nothing counts of, make none. */
  addWitnesses(pairs: ReadonlyMap<string, Pair>): void {
    for (const { source, target, seen_by } of pairs.values()) {
      const edge = this.edges.get(keyOf(source.id, target.id))
      if (edge) addWitnesses(edge.seen_by, seen_by)
    }
  }

  /** Spans rank last: what has requests already keeps them, and a half that lacks the other is left out where its end is seen by others. */
  addSpans(edges: readonly SpanEdge[]): void {
    const seen = [...this.edges.values()].filter(({ requests }) => requests > 0)
    const [sources, targets] = [new Set(seen.map(edge => edge.source)), new Set(seen.map(edge => edge.target))]
    for (const { source, target, ...measures } of edges) {
      const { both, client_only, server_only } = measures.spans
      if (!both && ((client_only && sources.has(source.id)) || (server_only && targets.has(target.id)))) continue
      const edge = this.#edgeBetween(this.#add(source), this.#add(target))
      if (edge.requests === 0) Object.assign(edge, measures)
    }
  }

  #edge({ source, target }: Pair): Edge {
    return this.#edgeBetween(this.#add(source), this.#add(target))
  }

  #edgeBetween(source: string, target: string): Edge {
    const id = keyOf(source, target)
    const edge = this.edges.get(id) ?? emptyEdge(source, target)
    this.edges.set(id, edge)
    return edge
  }

  #add(node: End): string {
    const known = this.nodes.get(node.id)
    this.nodes.set(node.id, known ? better(known, node, this.#level) : node)
    return node.id
  }
}

const keyOf = (source: string, target: string) => JSON.stringify([source, target])

function addPort(ports: Port[], { port, protocol }: Pair, flows: number): void {
  const known = ports.find(other => other.port === port && other.protocol === protocol)
  if (known) known.flows += flows
  else ports.push({ port, protocol, flows })
}

const emptyEdge = (source: string, target: string): Edge => ({
  source,
  target,
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
})
