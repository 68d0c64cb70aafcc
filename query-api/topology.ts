import type { KindName } from '../schema/record.ts'
import type { PlanOptions } from './plan.ts'
import { type Answer, type Asking, type Cell, ask, named } from './query.ts'
import { type Meta, mergeMeta } from './meta.ts'
import { edgeNumber } from '../schema/ranking.ts'
import { type End, type Level, better, endNumber, endOf, fieldsOfBothEnds } from './end.ts'
import { type SpanEdge, isAboutSpanEdges, spanEdges } from './span-edges.ts'
import { whereOf } from './where.ts'

export interface Port {
  port: number
  protocol: string
  flows: number
}

/** Who told of an edge, and from which end of it: every view, those too that do not count. */
export interface Witness {
  kind: 'flow' | 'request'
  source: string
  layer: string
  reporter_kind: string
  /** `ingress` at the server, `egress` at the client. */
  direction: string
  /** Rows as received, unweighted. */
  records: number
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

const witnessed = ['source', 'layer', 'reporter_kind', 'direction'] as const

/** Who calls whom: nodes, and edges from the client to the server. Between services spans tell what nothing else has seen. */
export async function topology({ level, where, from, to }: TopologyQuery, asking: Asking): Promise<Topology> {
  const ends = fieldsOfBothEnds(level)
  const ofSpans = level === 'service' && isAboutSpanEdges(where, asking.now)
  const filters = whereOf(where, asking.now, ofSpans)
  const asked = (metrics: readonly string[], by: readonly string[], group: PlanOptions['group'], kind?: KindName) =>
    ask({ from, to, kind, metrics: [...metrics], by: [...by], where }, asking, { dimensions: by.length, rows: mostRows, group })
  const ofFlows = [...ends, 'orientation', 'server_port', 'protocol']
  const [flows, requests, spans, seenFlows, seenRequests] = await Promise.all([
    Promise.all(filters.flow ? added.map(metrics => asked(metrics, ofFlows, flowGroup(level))) : []),
    Promise.all(filters.request ? [asked(exchanged, ends, requestGroup(level))] : []),
    Promise.all(ofSpans ? [spanEdges({ from, to, where }, asking, mostRows)] : []),
    Promise.all(filters.flow ? [asked(['records'], [...ends, 'orientation', ...witnessed], byView(flowGroup(level)), 'flow')] : []),
    Promise.all(filters.request ? [asked(['records'], [...ends, ...witnessed], byView(requestGroup(level)), 'request')] : []),
  ])
  const graph = new Graph(level)
  for (const answer of flows) graph.addFlows(answer)
  for (const answer of requests) graph.addRequests(answer)
  for (const answer of seenFlows) graph.addWitnesses(answer, 'flow')
  for (const answer of seenRequests) graph.addWitnesses(answer, 'request')
  for (const { edges } of spans) graph.addSpans(edges)
  return {
    nodes: [...graph.nodes.values()],
    edges: [...graph.edges.values()],
    meta: mergeMeta([...flows, ...requests, ...spans].map(({ meta }) => meta)),
  }
}

const bothEnds = (level: Level) => `${endNumber('src', level)}, ${endNumber('dst', level)}`

/** Between workloads the edges of the views, which rollups have as a number. */
const flowGroup = (level: Level) => (stored: boolean) =>
  level !== 'workload' ? `cityHash64(${bothEnds(level)}, orientation, server_port, protocol)` : stored ? 'edge' : edgeNumber('flow')

/** Not by the protocol: ratios and latencies do not add up. */
const requestGroup = (level: Level) => () => `cityHash64(${bothEnds(level)})`

const byView = (group: (stored: boolean) => string) => (stored: boolean) => `cityHash64(${group(stored)}, ${witnessed.join(', ')})`

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

  /** Of edges that are there: what told of no edge that counts told of packets on their way to one. */
  addWitnesses(answer: Answer, kind: Witness['kind']): void {
    for (const row of named(answer)) {
      const reply = row.orientation === 'reply'
      const [source, target] = (reply ? (['dst', 'src'] as const) : (['src', 'dst'] as const)).map(end => endOf(row, end, this.#level).id)
      const edge = this.edges.get(keyOf(source, target))
      if (edge) addWitness(edge.seen_by, witnessOf(row, kind))
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

/** The direction of an answer is told by the end that was called, as that of what it answers. */
function witnessOf(row: Row, kind: Witness['kind']): Witness {
  const text = (name: (typeof witnessed)[number]) => String(row[name])
  const [source, layer, reporter_kind, direction] = witnessed.map(text)
  return { kind, source, layer, reporter_kind, direction, records: Number(row.records) }
}

function addWitness(seen: Witness[], witness: Witness): void {
  const known = seen.find(other => other.kind === witness.kind && witnessed.every(name => other[name] === witness[name]))
  if (known) known.records += witness.records
  else seen.push(witness)
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
  seen_by: [],
})
