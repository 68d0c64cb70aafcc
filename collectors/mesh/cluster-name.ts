/** What the name of an Envoy cluster says of the server behind it. */
export interface ClusterName {
  /** ingress: the proxy stands before the server; egress: beside the client. */
  direction: 'ingress' | 'egress' | 'unknown'
  /** Port of the service, 0 when the name has none. */
  port: number
  subset: string
  /** namespace/name, as far as the name says. */
  service: string
  /** Host the name is for, where it is no service of Kubernetes. */
  host: string
  /** Where requests go that belong to no service: passthrough, or blackhole when that is forbidden. */
  special?: 'passthrough' | 'blackhole'
}

const nowhere: ClusterName = { direction: 'unknown', port: 0, subset: '', service: '', host: '' }

/**
 * Reads the names Istio and Consul give: outbound|8080|v1|reviews.shop.svc.cluster.local, inbound|8080||, inbound-vip|80|http|… of a
 * waypoint, the same with underscores in SNI, PassthroughCluster, v1.reviews.default.dc1.internal.<uuid>.consul, local_app.
 */
export function readClusterName(name: string): ClusterName {
  const [, way, port, subset, fqdn] =
    /^(inbound|outbound)(?:-vip)?\|(\d*)\|([^|]*)\|(.*)$/.exec(name) ?? /^(outbound|inbound)_\.(\d+)_\.([^.]*)_\.(.+)$/.exec(name) ?? []
  const waypoint = name.startsWith('inbound-vip|')
  if (way)
    return { direction: way === 'inbound' ? 'ingress' : 'egress', port: Number(port), subset: waypoint ? '' : subset, ...hostOf(fqdn) }
  if (/^(Inbound)?PassthroughCluster/.test(name))
    return { ...nowhere, direction: name.startsWith('Inbound') ? 'ingress' : 'egress', special: 'passthrough' }
  if (name.startsWith('BlackHoleCluster')) return { ...nowhere, direction: 'egress', special: 'blackhole' }
  return readConsul(name) ?? nowhere
}

/** name.namespace.svc.cluster.local is a service; anything else a host. */
function hostOf(fqdn: string): Pick<ClusterName, 'service' | 'host'> {
  const [, name, namespace] = /^([^.]+)\.([^.]+)\.svc(?:\.|$)/.exec(fqdn) ?? []
  return name ? { service: `${namespace}/${name}`, host: fqdn } : { service: '', host: fqdn }
}

/** [subset.]service.namespace.[partition.]datacenter.internal[-v1].trust-domain; local_app and local_agent are the proxy's own side. */
function readConsul(name: string): ClusterName | undefined {
  if (name === 'local_app' || name === 'local_agent') return { ...nowhere, direction: 'ingress' }
  const [, path, version] = /^(?:[\w-]+~)?(.+)\.(?:internal|external)(-v\d+)?\.[0-9a-f-]{36}\.consul$/.exec(name) ?? []
  if (!path) return undefined
  // Names of a version have the partition before the datacenter.
  const parts = path.split('.').filter((_, i, all) => version === undefined || i !== all.length - 2)
  const [subset, service, namespace] = parts.length > 3 ? parts : ['', ...parts]
  return service && namespace ? { ...nowhere, direction: 'egress', subset, service: `${namespace}/${service}`, host: name } : undefined
}
