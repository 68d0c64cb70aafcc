import { type Answer, type Asking, type Cell, ask, named } from './query.ts'
import { type Meta, mergeMeta } from './meta.ts'
import { type End, type Level, endOf, fieldsOfBothEnds } from './end.ts'
import { type SpanEdge, isAboutSpanEdges, spanEdges } from './span-edges.ts'
import { keepingTo } from './visible.ts'
import { whereOf } from './where.ts'

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
  const ends = fieldsOfBothEnds(level)
  const ofSpans = level === 'service' && isAboutSpanEdges(where, asking.now)
  const filters = whereOf(where, asking.now, ofSpans)
  const asked = (metrics: readonly string[], by: string[]) =>
    ask({ from, to, metrics: [...metrics], by, where }, asking, { dimensions: by.length, rows: mostRows })
  const [flows, requests, spans] = await Promise.all([
    Promise.all(filters.flow ? added.map(metrics => asked(metrics, [...ends, 'orientation', 'server_port', 'protocol'])) : []),
    Promise.all(filters.request ? [asked(exchanged, ends)] : []),
    Promise.all(ofSpans ? [spanEdges({ from, to, where }, asking, mostRows)] : []),
  ])
  const graph = new Graph(level)
  for (const answer of flows) graph.addFlows(answer)
  for (const answer of requests) graph.addRequests(answer)
  for (const { edges } of spans) graph.addSpans(edges)
  return {
    nodes: [...graph.nodes.values()],
    edges: [...graph.edges.values()],
    meta: mergeMeta([...flows, ...requests, ...spans].map(({ meta }) => meta)),
  }
}

type Row = Record<string, Cell>

class Graph {
  readonly nodes = new Map<string, TopologyNode>()
  readonly edges = new Map<string, Edge>()
  readonly #level: Level

  constructor(level: Level) {
    this.#level = level
  }

  /** Replies are turned round: their source is the server. */
  addFlows(answer: Answer): void {
    for (const row of named(answer)) {
      const reply = row.orientation === 'reply'
      const edge = this.#edge(row, reply ? 'dst' : 'src', reply ? 'src' : 'dst')
      for (const name of added.flat()) edge[name] += Number(row[name] ?? 0)
      if (Number(row.server_port) > 0 && Number(row.flows) > 0) addPort(edge.ports, row)
    }
  }

  addRequests(answer: Answer): void {
    for (const row of named(answer)) {
      const edge = this.#edge(row, 'src', 'dst')
      for (const name of exchanged) Object.assign(edge, { [name]: row[name] })
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

  #edge(row: Row, from: 'src' | 'dst', to: 'src' | 'dst'): Edge {
    return this.#edgeBetween(this.#add(endOf(row, from, this.#level)), this.#add(endOf(row, to, this.#level)))
  }

  #edgeBetween(source: string, target: string): Edge {
    const id = JSON.stringify([source, target])
    const edge = this.edges.get(id) ?? emptyEdge(source, target)
    this.edges.set(id, edge)
    return edge
  }

  #add(node: End): string {
    if (!this.nodes.has(node.id)) this.nodes.set(node.id, node)
    return node.id
  }
}

function addPort(ports: Port[], row: Row): void {
  const { server_port: port, protocol } = row
  const known = ports.find(other => other.port === port && other.protocol === protocol)
  if (known) known.flows += Number(row.flows)
  else ports.push({ port: Number(port), protocol: String(protocol), flows: Number(row.flows) })
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
})
