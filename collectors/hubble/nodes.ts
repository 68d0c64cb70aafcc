/** A time in which flows of a node were missed, or may have been. Microseconds. */
export interface Gap {
  reason: string
  since: number
  /** Flows up to this time do not mean that the node is back. */
  after: number
  detail: string
}

/** A node of the cluster, and what came from it. */
export interface ReportingNode {
  cluster: string
  reporter: string
  /** What Relay says: connected, unavailable, gone, error; '' when nothing was said. */
  state: string
  flows: number
  /** The stretch of work between two awaits in which it was last spoken of. */
  stretch: number
  /** Largest time of its flows in microseconds, 0 before the first. */
  last: number
  /** Set while it is open whether something was missed. */
  gap?: Gap
  /** The last silence of over a second, and whether it is known as a gap. */
  silence?: { since: number; until: number; reported: boolean }
}

/** The nodes heard of, under one name whatever message names them. */
export class Nodes {
  readonly #nodes = new Map<string, ReportingNode>()
  readonly #cluster: string

  /** `cluster` is that of nodes whose name has none. */
  constructor(cluster = '') {
    this.#cluster = cluster
  }

  /** By the name Hubble uses: node, or cluster/node. */
  named(name: string): ReportingNode {
    const slash = name.indexOf('/')
    return slash < 0 ? this.of(this.#cluster, name) : this.of(name.slice(0, slash), name.slice(slash + 1))
  }

  of(cluster: string, reporter: string): ReportingNode {
    const key = `${cluster}/${reporter}`
    const known = this.#nodes.get(key)
    if (known) return known
    const node: ReportingNode = { cluster, reporter, state: '', flows: 0, stretch: 0, last: 0 }
    this.#nodes.set(key, node)
    return node
  }
}

/** Name of a node with its cluster, also when that is ''. */
export const fullNameOf = ({ cluster, reporter }: ReportingNode) => `${cluster}/${reporter}`

/** Those whose last flow is at most so much older than the newest of all. */
export function activeAmong(nodes: Iterable<ReportingNode>, withinMicros: number): ReportingNode[] {
  const all = [...nodes]
  const newest = all.reduce((newest, { last }) => Math.max(newest, last), 0)
  return all.filter(({ last }) => last > 0 && last >= newest - withinMicros)
}
