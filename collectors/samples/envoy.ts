import { type End, bothEnds } from './ends.ts'
import { principalIdentity, serviceOfHost } from './identity.ts'
import type { Described, Meaning } from './meaning.ts'
import { wholeNumber } from './numbers.ts'

const names = /^(?:envoy[_.])?(?:cluster|http|listener|tcp|server)[_.]/

/** Statistics of an Envoy, as its Prometheus endpoint and its metrics service name them, under Istio's and Consul's names of clusters. */
export function envoyMeaning({ name, label }: Described): Meaning | undefined {
  if (!names.test(name)) return undefined
  const tag = (tagName: string) => label(`envoy_${tagName}`) || label(`envoy.${tagName}`)
  const [cluster, prefix] = [tag('cluster_name'), tag('http_conn_manager_prefix')]
  if (!cluster && !prefix && !name.startsWith('envoy')) return undefined
  const upstream = upstreamOf(cluster, name)
  const way = upstream.direction ?? wayOf(prefix)
  const isHttp = Boolean(prefix) || /(?:upstream|downstream)_rq|http[12]/.test(name)
  return {
    sample: {
      reporter_kind: upstream.direction ? 'sidecar' : '',
      layer: isHttp ? 'l7_proxy' : 'l4_proxy',
      direction: way,
      protocol: isHttp ? 'http' : '',
      status_code: wholeNumber(tag('response_code')),
      ...bothEnds(consulEnd('source', label), { ...consulEnd('destination', label), ...upstream.end }),
    },
  }
}

type Way = 'ingress' | 'egress' | 'unknown'

const wayOf = (prefix: string): Way => (prefix.startsWith('inbound_') ? 'ingress' : prefix.startsWith('outbound_') ? 'egress' : 'unknown')

interface Upstream {
  direction?: Way
  end: End
}

/**
 * `outbound|8080|v1|cart.shop.svc.cluster.local` and `inbound|8080||` of Istio; `v1.cart.default.dc1.internal.<uuid>.consul`, with a
 * partition `cart.default.west.dc1.internal-v1.<uuid>.consul`, of Consul. Envoy ends a cluster's name at its first dot where nobody taught it
 * otherwise: then the rest is in the name of the metric.
 */
function upstreamOf(cluster: string, metric: string): Upstream {
  const [way, port, , host = ''] = cluster.split('|')
  if (way === 'inbound') return { direction: 'ingress', end: { port: wholeNumber(port) } }
  if (way === 'outbound' || way === 'outbound_') {
    const rest = host.includes('.') ? '' : (/^(?:envoy[_.])?cluster[_.](.+)[_.]svc[_.]/.exec(metric)?.[1] ?? '')
    const whole = rest ? `${host}.${rest}.svc` : host
    const service = serviceOfHost(whole)
    return { direction: 'egress', end: { port: wholeNumber(port), service, dns_name: service ? '' : whole } }
  }
  const consul = /^(?:[^.]+\.)?([^.]+)\.([^.]+)\.(?:[^.]+\.)?([^.]+)\.internal(?:-v\d+)?\.[0-9a-f-]+\.consul$/.exec(cluster)
  if (!consul) return { end: {} }
  return { direction: 'egress', end: consulUpstream(cluster) }
}

function consulUpstream(cluster: string): End {
  const parts = cluster.split('.')
  const internal = parts.findIndex(part => /^internal(?:-v\d+)?$/.test(part))
  const hasPartition = parts[internal] !== 'internal'
  const [service, namespace] = parts.slice(internal - (hasPartition ? 4 : 3))
  const datacenter = parts[internal - 1]
  return { service: `${namespace}/${service}`, namespace, workload: service, cluster: datacenter }
}

/** Labels Consul gives its Envoys: `consul_source_service`, `consul_destination_namespace`… */
function consulEnd(side: 'source' | 'destination', label: Described['label']): End {
  const service = label(`consul_${side}_service`)
  if (!service) return {}
  const namespace = label(`consul_${side}_namespace`) || 'default'
  const { spiffeId } = principalIdentity(
    consulId(label(`consul_${side}_trust_domain`), label(`consul_${side}_datacenter`), namespace, service),
  )
  return {
    service: `${namespace}/${service}`,
    namespace,
    workload: service,
    cluster: label(`consul_${side}_datacenter`),
    spiffe_id: spiffeId,
    spiffe_id_source: spiffeId ? 'claim' : '',
  }
}

const consulId = (trustDomain: string, datacenter: string, namespace: string, service: string) =>
  trustDomain && datacenter ? `spiffe://${trustDomain}/ns/${namespace}/dc/${datacenter}/svc/${service}` : ''
