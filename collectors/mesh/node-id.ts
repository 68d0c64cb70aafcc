/** What the id of a proxy's node says: sidecar~10.1.2.3~pod.namespace~namespace.svc.cluster.local. */
export interface NodeId {
  kind: 'sidecar' | 'gateway' | 'waypoint' | 'ztunnel'
  address: string
  pod: string
  namespace: string
}

const kinds: Readonly<Record<string, NodeId['kind']>> = { sidecar: 'sidecar', router: 'gateway', waypoint: 'waypoint', ztunnel: 'ztunnel' }

/** Undefined for the id of a proxy that is not Istio's. */
export function readNodeId(id: string): NodeId | undefined {
  const [type, address, name = ''] = id.split('~')
  if (!Object.hasOwn(kinds, type) || address === undefined) return undefined
  const dot = name.lastIndexOf('.')
  return { kind: kinds[type], address, pod: dot < 0 ? name : name.slice(0, dot), namespace: dot < 0 ? '' : name.slice(dot + 1) }
}
