import type { Flow } from '../../schema/flow.ts'
import type { Request } from '../../schema/request.ts'
import type { Sample } from '../../schema/sample.ts'
import { grpcStatusText } from '../mesh/grpc-status.ts'
import { readIdentity } from '../mesh/identity.ts'
import { flagsText } from '../mesh/response-flags.ts'
import { type End, bothEnds } from './ends.ts'
import { serviceOfHost } from './host.ts'
import type { Described, Edge, Meaning } from './meaning.ts'
import { isFailure, wholeNumber } from './numbers.ts'

const source = 'istio_metrics'

/** Where what has no destination is sent to, by Istio's names. */
const noServices = new Set(['BlackHoleCluster', 'PassthroughCluster', 'InboundPassthroughCluster', 'InternalErrorCluster'])
const directions = { source: 'egress', destination: 'ingress', waypoint: 'unknown' } as const

/** Istio's standard metrics, of sidecars, gateways, waypoints and ztunnels. */
export function istioMeaning(series: Described): Meaning | undefined {
  const { name, target } = series
  if (!name.startsWith('istio_')) return undefined
  if (name === 'istio_build' && series.label('component') === 'ztunnel') target.isZtunnel = true
  const reporter = series.label('reporter')
  if (!(reporter in directions)) return { sample: {} }
  const known = (label: string) => {
    const value = series.label(label)
    return value === 'unknown' ? '' : value
  }
  const security = known('connection_security_policy')
  const [srcCluster, dstCluster] = clustersOf(known, reporter)
  const src = { ...endOf('source', known, security), cluster: srcCluster }
  const dst = { ...endOf('destination', known, security), ...serviceOf(known), cluster: dstCluster }
  const sample = { ...common(series, known, reporter as keyof typeof directions), security }
  const edge = edgeOf(name, { sample, src, dst })
  return { sample: { ...sample, ...bothEnds(src, dst) }, edge }
}

type Known = (label: string) => string

function common({ name, label, target }: Described, known: Known, reporter: keyof typeof directions): Sample {
  const protocol = known('request_protocol')
  const isTcp = name.startsWith('istio_tcp_') || protocol === 'tcp'
  const own = known(`${reporter}_workload`)
  return {
    reporter_kind: reporter === 'waypoint' ? 'waypoint' : isZtunnel(label, target) ? 'ztunnel' : isGateway(own) ? 'gateway' : 'sidecar',
    layer: isTcp ? 'l4_proxy' : 'l7_proxy',
    direction: directions[reporter],
    protocol: protocol === 'http' || protocol === 'grpc' ? protocol : '',
    status_code: wholeNumber(known('response_code')),
    grpc_status: grpcStatusText(known('grpc_response_status')),
    response_flags: flagsText(known('response_flags')),
  }
}

/** Clusters of the ends that are not the reporter's own, which Istio may call otherwise than we do: often `Kubernetes`. */
function clustersOf(known: Known, reporter: string): [string, string] {
  const [src, dst] = [known('source_cluster'), known('destination_cluster')]
  const own = reporter === 'source' ? src : dst
  return [src === own ? '' : src, dst === own ? '' : dst]
}

/** No label of the metric says it; those a scraper adds may, and ztunnel tells of itself in `istio_build`. */
function isZtunnel(label: Described['label'], { isZtunnel, reporter }: Described['target']): boolean {
  const names = [label('app'), label('app_kubernetes_io_name'), label('job'), label('pod'), label('container'), reporter]
  return isZtunnel || names.some(name => /(^|[/_-])ztunnel([/_-]|$)/.test(name))
}

const isGateway = (workload: string) => /(^|-)(ingress|egress|east-?west)?gateway(-|$)/.test(workload)

function endOf(side: 'source' | 'destination', known: Known, security: string): End {
  const { spiffeId = '', namespace = '', serviceAccount = '' } = readIdentity(known(`${side}_principal`)) ?? {}
  return {
    namespace: known(`${side}_workload_namespace`) || namespace,
    workload: known(`${side}_workload`),
    service_account: serviceAccount,
    spiffe_id: spiffeId,
    spiffe_id_source: spiffeId ? (security === 'mutual_tls' ? 'certificate' : 'claim') : '',
  }
}

function serviceOf(known: Known): End {
  const host = known('destination_service')
  const name = known('destination_service_name')
  const namespace = known('destination_service_namespace')
  if (noServices.has(host) || noServices.has(name)) return {}
  const service = serviceOfHost(host)
  if (service) return { service }
  if (host.includes('.') || !namespace || !name || name.includes('.')) return { dns_name: host || name }
  return { service: `${namespace}/${name}` }
}

/** Counted at both ends alike, as a sidecar sees them: received from the client, sent to it. */
const edges: Readonly<Record<string, (edge: EdgeParts) => Edge>> = {
  istio_requests: parts => ({ kind: 'request', record: requestOf(parts), grows: 'weight' }),
  istio_tcp_received_bytes: parts => ({ kind: 'flow', record: flowOf(parts, 'no'), grows: 'bytes' }),
  istio_tcp_sent_bytes: parts => ({ kind: 'flow', record: flowOf(parts, 'yes'), grows: 'bytes' }),
  istio_tcp_connections_opened: parts => ({ kind: 'flow', record: flowOf(parts, 'no'), grows: 'connections' }),
}

interface EdgeParts {
  sample: Sample
  src: End
  dst: End
}

const edgeOf = (name: string, parts: EdgeParts) =>
  Object.hasOwn(edges, name) ? edges[name](parts) : name === 'istio_tcp_connections_failed' ? denialOf(parts) : undefined

function requestOf({ sample, src, dst }: EdgeParts): Request {
  const { reporter_kind, direction, protocol, status_code = 0, grpc_status = '', response_flags = '' } = sample
  return {
    source,
    reporter_kind,
    layer: 'l7_proxy',
    direction,
    phase: 'exchange',
    verdict: 'forwarded',
    transport: 'tcp',
    protocol: protocol || 'http',
    status_code,
    grpc_status,
    error: isFailure(status_code, grpc_status, response_flags),
    response_flags,
    ...bothEnds(src, dst),
  }
}

function flowOf({ sample, src, dst }: EdgeParts, isReply: 'yes' | 'no'): Flow {
  const { reporter_kind, direction, response_flags } = sample
  return {
    source,
    reporter_kind,
    layer: 'l4_proxy',
    direction,
    type: 'l3_l4',
    verdict: 'forwarded',
    is_reply: isReply,
    protocol: 'tcp',
    response_flags,
    ...(isReply === 'yes' ? bothEnds(dst, src) : bothEnds(src, dst)),
  }
}

/** Connections a ztunnel refused because an authorization policy said so. */
function denialOf(parts: EdgeParts): Edge | undefined {
  if (parts.sample.response_flags !== 'DENY') return undefined
  const denied = { event: 'policy_verdict', verdict: 'dropped', drop_reason: 'policy_denied' } as const
  return { kind: 'flow', record: { ...flowOf(parts, 'no'), ...denied }, grows: 'weight' }
}
