import { type ClusterName, readClusterName } from '../mesh/cluster-name.ts'
import { type End, bothEnds } from './ends.ts'
import type { Described, Meaning } from './meaning.ts'
import { wholeNumber } from './numbers.ts'

const names = /^(?:envoy[_.])?(?:cluster|http|listener|tcp|server)[_.]/

/** Statistics of an Envoy, as its Prometheus endpoint and its metrics service name them, under Istio's and Consul's names of clusters. */
export function envoyMeaning({ name, label }: Described): Meaning | undefined {
  if (!names.test(name)) return undefined
  const tag = (tagName: string) => label(`envoy_${tagName}`) || label(`envoy.${tagName}`)
  const [cluster, prefix] = [tag('cluster_name'), tag('http_conn_manager_prefix')]
  if (!cluster && !prefix && !name.startsWith('envoy')) return undefined
  const upstream = readClusterName(wholeName(cluster, name))
  const direction = upstream.direction === 'unknown' ? wayOf(prefix) : upstream.direction
  const isHttp = Boolean(prefix) || /(?:upstream|downstream)_rq|http[12]/.test(name)
  return {
    sample: {
      reporter_kind: upstream.direction === 'unknown' ? '' : 'sidecar',
      layer: isHttp ? 'l7_proxy' : 'l4_proxy',
      direction,
      protocol: isHttp ? 'http' : '',
      status_code: wholeNumber(tag('response_code')),
      ...bothEnds(consulEnd('source', label), { ...serverOf(upstream), ...consulEnd('destination', label) }),
    },
  }
}

type Way = 'ingress' | 'egress' | 'unknown'

const wayOf = (prefix: string): Way => (prefix.startsWith('inbound_') ? 'ingress' : prefix.startsWith('outbound_') ? 'egress' : 'unknown')

/** Envoy ends a cluster's name at its first dot where nobody taught it otherwise: then the rest is in the name of the metric. */
function wholeName(cluster: string, metric: string): string {
  const [, rest] = /^(?:envoy[_.])?cluster[_.](.+)[_.]svc[_.]/.exec(metric) ?? []
  return rest && /^(?:in|out)bound(?:-vip)?\|[^.]+$/.test(cluster) ? `${cluster}.${rest}.svc` : cluster
}

function serverOf({ port, service, host }: ClusterName): End {
  const consul = host.endsWith('.consul') ? service.split('/') : []
  return { port: port < 65536 ? port : 0, service, namespace: consul[0], workload: consul[1], dns_name: service ? '' : host }
}

/** Labels Consul gives its Envoys: `consul_source_service`, `consul_destination_namespace`… */
function consulEnd(side: 'source' | 'destination', label: Described['label']): End {
  const service = label(`consul_${side}_service`)
  if (!service) return {}
  const namespace = label(`consul_${side}_namespace`) || 'default'
  const [trustDomain, datacenter] = [label(`consul_${side}_trust_domain`), label(`consul_${side}_datacenter`)]
  const spiffeId = trustDomain && datacenter ? `spiffe://${trustDomain}/ns/${namespace}/dc/${datacenter}/svc/${service}` : ''
  return {
    service: `${namespace}/${service}`,
    namespace,
    workload: service,
    spiffe_id: spiffeId,
    spiffe_id_source: spiffeId ? 'claim' : '',
  }
}
