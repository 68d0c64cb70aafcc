import type { Flow } from '../../schema/flow.ts'
import type { Request } from '../../schema/request.ts'
import type { Sample } from '../../schema/sample.ts'
import { grpcStatusText } from '../mesh/grpc-status.ts'
import { readIdentity } from '../mesh/identity.ts'
import { addressAndPort, addressOf } from './address.ts'
import { type End, bothEnds } from './ends.ts'
import { serviceOfHost } from './host.ts'
import type { Described, Edge, Meaning } from './meaning.ts'
import { wholeNumber } from './numbers.ts'

const source = 'linkerd_metrics'

const names = /^(?:request|response|response_latency_ms|tcp_.*|(?:inbound|outbound)_.*)$/

/** Metrics of Linkerd's proxy. Their names are common ones: they are told by the labels only it has. */
export function linkerdMeaning(series: Described): Meaning | undefined {
  const { name, label } = series
  const way = label('direction') || (/^(?:in|out)bound(?=_)/.exec(name)?.[0] ?? '')
  if (!names.test(name) || (way !== 'inbound' && way !== 'outbound')) return undefined
  if (!['tls', 'target_addr', 'srv_name', 'authority', 'parent_name'].some(label)) return undefined
  const isInbound = way === 'inbound'
  const src = isInbound ? clientOf(label) : ownEnd(series)
  const dst = isInbound ? { ...ownEnd(series), port: portOf(label) } : serverOf(label)
  const sample = commonOf(series, isInbound)
  return { sample: { ...sample, ...bothEnds(src, dst) }, edge: edgeOf(series, { isInbound, sample, src, dst }) }
}

type Label = Described['label']

function commonOf({ name, label }: Described, isInbound: boolean): Sample {
  const isTcp = name.startsWith('tcp_') || /^(?:in|out)bound_tcp_/.test(name)
  const tls = label('tls')
  return {
    reporter_kind: 'sidecar',
    layer: isTcp ? 'l4_proxy' : 'l7_proxy',
    direction: isInbound ? 'ingress' : 'egress',
    protocol: isTcp ? '' : label('grpc_status') ? 'grpc' : 'http',
    status_code: wholeNumber(label('status_code') || label('http_status')),
    grpc_status: grpcStatusText(label('grpc_status')),
    security: tls === 'true' ? 'mutual_tls' : tls ? 'none' : '',
  }
}

const kinds = {
  deployment: 'Deployment',
  statefulset: 'StatefulSet',
  daemonset: 'DaemonSet',
  cronjob: 'CronJob',
  job: 'Job',
  k8s_job: 'Job',
  replicaset: 'ReplicaSet',
  replicationcontroller: 'ReplicationController',
} as const

/** What a scraper says of the pod, as labels beside those of the proxy. `job` is Prometheus' own there. */
function ownEnd({ label, target }: Described): End {
  const kind = (Object.keys(kinds) as (keyof typeof kinds)[]).find(name => name !== 'job' && label(name))
  return {
    namespace: label('namespace') || label('k8s_namespace_name'),
    pod: label('pod') || label('k8s_pod_name'),
    workload: kind && label(kind),
    workload_kind: kind && kinds[kind],
    address: (addressAndPort(label('instance')) ?? addressAndPort(target.reporter))?.address,
  }
}

const spiffeOf = (name: string): End => {
  const identity = readIdentity(name)
  if (!identity) return {}
  const { spiffeId, namespace, serviceAccount } = identity
  return { spiffe_id: spiffeId, spiffe_id_source: 'claim', namespace, service_account: serviceAccount }
}

const clientOf = (label: Label): End => spiffeOf(label('client_id'))

const portOf = (label: Label) =>
  wholeNumber(label('target_port')) || addressAndPort(label('target_addr'))?.port || wholeNumber(label('srv_port'))

function serverOf(label: Label): End {
  const kind = (Object.keys(kinds) as (keyof typeof kinds)[]).find(name => label(`dst_${name}`))
  const server = spiffeOf(label('server_id'))
  const namespace = label('dst_namespace') || server.namespace
  const authority = label('authority')
  const service = label('dst_service')
  const ofHost = serviceOfHost(authority)
  return {
    ...server,
    namespace,
    pod: label('dst_pod'),
    workload: kind && label(`dst_${kind}`),
    workload_kind: kind && kinds[kind],
    service_account: label('dst_serviceaccount') || server.service_account,
    service: service && namespace ? `${namespace}/${service}` : ofHost,
    dns_name: ofHost || addressAndPort(authority) ? '' : authority.replace(/:\d+$/, ''),
    address: addressOf(label('target_ip')) ?? addressAndPort(label('target_addr'))?.address,
    port: portOf(label),
  }
}

interface EdgeParts {
  isInbound: boolean
  sample: Sample
  src: End
  dst: End
}

/**
 * A request between two proxies is told by the client's, which knows both workloads; the server's tells of clients outside the mesh. Bytes
 * are those between the proxy and its peer, not those between the proxy and its own application.
 */
function edgeOf({ name, label }: Described, parts: EdgeParts): Edge | undefined {
  if (/^inbound_(?:http|tcp)_authz_deny$/.test(name)) return denialOf(label, parts, name.startsWith('inbound_http'))
  const { isInbound } = parts
  if (isInbound && label('tls') === 'true') return undefined
  if (name === 'request') return { kind: 'request', record: requestOf(parts, 'request', false), grows: 'weight' }
  if (name === 'response')
    return { kind: 'request', record: requestOf(parts, 'response', label('classification') === 'failure'), grows: 'weight' }
  if (label('peer') !== (isInbound ? 'src' : 'dst')) return undefined
  // A proxy reads from a client what goes to the server, and from a server what comes back.
  if (name === 'tcp_read_bytes') return { kind: 'flow', record: flowOf(parts, isInbound ? 'no' : 'yes'), grows: 'bytes' }
  if (name === 'tcp_write_bytes') return { kind: 'flow', record: flowOf(parts, isInbound ? 'yes' : 'no'), grows: 'bytes' }
  return name === 'tcp_open' ? { kind: 'flow', record: flowOf(parts, 'no'), grows: 'connections' } : undefined
}

function requestOf({ sample, src, dst }: EdgeParts, phase: 'request' | 'response', error: boolean): Request {
  const { reporter_kind, direction, status_code, grpc_status } = sample
  // Of gRPC only responses say that they are, and both belong to one edge.
  const shared = {
    source,
    reporter_kind,
    layer: 'l7_proxy',
    direction,
    phase,
    verdict: 'forwarded',
    transport: 'tcp',
    protocol: 'http',
  } as const
  return { ...shared, status_code, grpc_status, error, ...bothEnds(src, dst) }
}

function flowOf({ sample, src, dst }: EdgeParts, isReply: 'yes' | 'no'): Flow {
  const { reporter_kind, direction } = sample
  const shared = { source, reporter_kind, layer: 'l4_proxy', direction, type: 'l3_l4', verdict: 'forwarded', protocol: 'tcp' } as const
  return { ...shared, is_reply: isReply, ...(isReply === 'yes' ? bothEnds(dst, src) : bothEnds(src, dst)) }
}

/** What the server's proxy refused: the policy is the Server, as no authorization allowed it. */
function denialOf(label: Label, parts: EdgeParts, isHttp: boolean): Edge {
  const kind = label('srv_kind')
  const record: Flow = {
    ...flowOf(parts, 'no'),
    ...(isHttp ? ({ layer: 'l7_proxy', type: 'l7', event: 'l7' } as const) : ({ event: 'policy_verdict' } as const)),
    verdict: 'dropped',
    drop_reason: 'policy_denied',
    policy_source: 'dataplane',
    policy_kind: label('authz_name') ? label('authz_kind') : kind,
    policy_name: label('authz_name') || label('srv_name'),
    policy_namespace: kind === 'default' ? '' : parts.dst.namespace,
  }
  return { kind: 'flow', record, grows: 'weight' }
}
