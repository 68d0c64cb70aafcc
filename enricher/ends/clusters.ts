/** Sets of clusters, by their names. */
export type Groups = readonly (readonly string[])[]

/** Which clusters reach the addresses of which others. */
export interface Reachable {
  /** Clusters that route to each other's pods and nodes: Cluster Mesh, flat networks. They reach each other's gateways as well. */
  meshes?: Groups
  /** Clusters that reach each other by gateways alone: by the addresses of load balancers. */
  gateways?: Groups
}

/** Another cluster, and whether its pods and nodes are reached as well as its gateways. */
export interface Neighbour {
  cluster: string
  isFlat: boolean
}

/** Finds the neighbours of a cluster. */
export function neighboursBy({ meshes = [], gateways = [] }: Reachable): (cluster: string) => readonly Neighbour[] {
  const known = new Map<string, readonly Neighbour[]>()
  const within = (groups: Groups, cluster: string) =>
    new Set(groups.filter(group => group.includes(cluster)).flatMap(group => group.filter(other => other !== cluster)))
  return function neighboursOf(cluster) {
    const remembered = known.get(cluster)
    if (remembered) return remembered
    const flat = within(meshes, cluster)
    const all = new Set([...flat, ...within(gateways, cluster)])
    const neighbours = [...all].map(other => ({ cluster: other, isFlat: flat.has(other) }))
    known.set(cluster, neighbours)
    return neighbours
  }
}
