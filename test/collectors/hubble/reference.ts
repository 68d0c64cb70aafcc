import { loadObserverProto } from '../../../collectors/hubble/proto.ts'

/** What protobufjs makes of a message; only the reference decoder looks into it. */
// eslint-disable-next-line typescript/no-explicit-any
type Plain = Record<string, any>

export const responseType = () => loadObserverProto().lookupType('observer.GetFlowsResponse')

/** Enum members by the text of their record field; members not here are their name in lower case. */
const renamed: Record<string, string> = {
  VERDICT_UNKNOWN: 'unknown',
  UNKNOWN_TYPE: 'unknown',
  UNKNOWN_POINT: 'unknown',
  UNKNOWN_L7_TYPE: 'unknown',
  TRAFFIC_DIRECTION_UNKNOWN: 'unknown',
  DROP_REASON_UNKNOWN: '',
  TRACE_REASON_UNKNOWN: '',
  DISABLED: '',
  SOCK_XLATE_POINT_UNKNOWN: '',
  UNKNOWN: '',
}
const nameOf = (value: string | number) =>
  typeof value === 'number' ? String(value) : (renamed[value] ?? value.toLowerCase().replace('sock_xlate_point_', ''))

const events: Record<number, string> = {
  0: 'unknown',
  1: 'drop',
  2: 'debug',
  3: 'capture',
  4: 'trace',
  5: 'policy_verdict',
  6: 'recording',
  7: 'trace_sock',
  129: 'l7',
  130: 'agent',
}
const matches = ['none', 'l3_only', 'l3_l4', 'l4_only', 'all', 'l3_proto', 'proto_only']
const flagBits = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR', 'NS']
const specific = 'unknown world world-ipv4 world-ipv6 unmanaged init remote-node host health ingress kube-apiserver'.split(' ')
const reserved = 'unknown host world unmanaged health init remote-node kube-apiserver ingress world-ipv4 world-ipv6'.split(' ')

const label = (labels: string[], key: string) =>
  labels
    .filter(text => text.startsWith(`${key}=`) || text.includes(`:${key}=`))
    .map(text => text.slice(text.indexOf(`${key}=`) + key.length + 1))[0] ?? ''

const micros = (time?: Plain) => (time ? Number(time.seconds) * 1e6 + Math.floor(time.nanos / 1000) : 0)
const year2100 = 4_102_444_800e6
const policyText = (policy: Plain) => `${policyKind(policy)}/${policy.namespace}/${policy.name}`
const policyKind = (policy: Plain) => policy.kind || label(policy.labels, 'io.cilium.k8s.policy.derived-from')
const joined = (texts: string[]) => [...new Set(texts)].join(',')

function entityOf(endpoint: Plain): string {
  const entities: string[] = endpoint.labels.filter((text: string) => text.startsWith('reserved:')).map((text: string) => text.slice(9))
  if (!entities.length) return endpoint.identity ? (reserved[endpoint.identity] ?? '') : ''
  const rank = (entity: string) => (specific.includes(entity) ? specific.indexOf(entity) : 99)
  return entities.toSorted((a, b) => rank(b) - rank(a))[0]
}

function end(prefix: string, endpoint: Plain | undefined, service: Plain | undefined, names: string[]): Plain {
  const of = endpoint ?? { labels: [], workloads: [], identity: 0, namespace: '', pod_name: '', cluster_name: '' }
  const fields: Plain = {
    cluster: of.cluster_name || label(of.labels, 'io.cilium.k8s.policy.cluster'),
    namespace: of.namespace,
    pod: of.pod_name,
    workload: of.workloads[0]?.name ?? '',
    workload_kind: of.workloads[0]?.kind ?? '',
    service_account: label(of.labels, 'io.cilium.k8s.policy.serviceaccount'),
    entity: entityOf(of),
    identity: of.identity,
    service: service ? (service.namespace ? `${service.namespace}/${service.name}` : service.name) : '',
    dns_name: joined(names),
  }
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [prefix + key, value]))
}

/** The records a response stands for, found the slow and obvious way. */
export function referenceRecords(
  bytes: Uint8Array,
  { received, cluster = '' }: { received: number; cluster?: string },
): { flow?: Plain; request?: Plain } {
  const type = responseType()
  const response: Plain = type.toObject(type.decode(bytes), { enums: String, longs: Number, defaults: true, arrays: true, oneofs: true })
  const { flow } = response
  if (!flow) return {}
  const own = micros(flow.time)
  const outer = micros(response.time)
  const time = [own, outer].find(candidate => candidate > 0 && candidate < year2100) ?? received
  const nodeName: string = flow.node_name || response.node_name
  const [nodeCluster, reporter] = nodeName.includes('/')
    ? [nodeName.slice(0, nodeName.indexOf('/')), nodeName.slice(nodeName.indexOf('/') + 1)]
    : [cluster, nodeName]
  const l4: string = flow.l4?.protocol ?? ''
  const transport: Plain = (l4 && flow.l4[l4]) || {}
  const tcpFlags = flagBits.reduce((bits, name, bit) => bits | (transport.flags?.[name] ? 1 << bit : 0), 0)
  const isIcmp = l4.startsWith('ICMP')
  const eventType: number = flow.event_type?.type ?? 0
  const subType: number = flow.event_type?.sub_type ?? 0
  const pointIds = loadObserverProto().lookupEnum('flow.TraceObservationPoint').valuesById
  const point =
    flow.trace_observation_point === 'UNKNOWN_POINT' && eventType === 4
      ? nameOf(subType === 0 ? 'TO_ENDPOINT' : (pointIds[subType] ?? subType))
      : nameOf(flow.trace_observation_point)
  const reasonIds = loadObserverProto().lookupEnum('flow.DropReason').valuesById
  const reason =
    flow.drop_reason_desc === 'DROP_REASON_UNKNOWN' ? (reasonIds[flow.drop_reason] ?? flow.drop_reason >>> 0) : flow.drop_reason_desc
  const isReply = flow.is_reply ? (flow.is_reply.value ? 'yes' : 'no') : flow.reply ? 'yes' : 'unknown'
  const allowed: Plain[] = [...flow.egress_allowed_by, ...flow.ingress_allowed_by]
  const denied: Plain[] = [...flow.egress_denied_by, ...flow.ingress_denied_by]
  const policy = flow.verdict === 'DROPPED' || flow.verdict === 'AUDIT' ? denied[0] : allowed[0]
  const counts = flow.aggregate ?? {}
  const weight = (counts.ingress_flow_count ?? 0) + (counts.egress_flow_count ?? 0) + (counts.unknown_direction_flow_count ?? 0) || 1
  const common = {
    time,
    received,
    source: 'hubble',
    reporter,
    cluster: nodeCluster,
    observation_point: point,
    direction: nameOf(flow.traffic_direction),
    verdict: nameOf(flow.verdict),
    ip_version: { IPv4: 4, IPv6: 6 }[String(flow.IP?.ipVersion)] ?? 0,
    trace_id: flow.trace_context?.parent?.trace_id ?? '',
    proxy_port: flow.proxy_port,
    weight,
    policy_kind: policy ? policyKind(policy) : '',
    policy_namespace: policy?.namespace ?? '',
    policy_name: policy?.name ?? '',
    policy_source: policy ? 'dataplane' : '',
  }
  const source = {
    ...end('', flow.source, flow.source_service, flow.source_names),
    address: flow.IP?.source ?? '',
    port: transport.source_port ?? 0,
  }
  const destination = {
    ...end('', flow.destination, flow.destination_service, flow.destination_names),
    address: flow.IP?.destination ?? '',
    port: transport.destination_port ?? 0,
  }
  const ends = (src: Plain, dst: Plain) => ({
    ...Object.fromEntries(Object.entries(src).map(([key, value]) => [`src_${key}`, value])),
    ...Object.fromEntries(Object.entries(dst).map(([key, value]) => [`dst_${key}`, value])),
  })
  const file = flow.file ?? { name: '', line: 0 }
  const record = {
    ...common,
    ...ends(source, destination),
    layer: flow.Type === 'L7' ? 'l7_proxy' : 'kernel',
    type: nameOf(flow.Type),
    event: events[eventType] ?? String(eventType),
    is_reply: isReply,
    drop_reason: nameOf(typeof reason === 'number' ? reason >>> 0 : reason),
    trace_reason: nameOf(flow.trace_reason),
    auth_type: nameOf(flow.auth_type),
    encrypted: flow.IP?.encrypted ?? false,
    protocol: l4.toLowerCase(),
    tcp_flags: tcpFlags,
    icmp_type: isIcmp ? transport.type : 0,
    icmp_code: isIcmp ? transport.code : 0,
    src_address_translated: flow.IP?.source_xlated ?? '',
    socket_translation: nameOf(flow.sock_xlate_point),
    socket_cookie: flow.socket_cookie,
    cgroup_id: flow.cgroup_id,
    interface: flow.interface ? flow.interface.name || (flow.interface.index ? String(flow.interface.index) : '') : '',
    tunnel: flow.tunnel ? nameOf(flow.tunnel.protocol) : '',
    policy_revision: policy ? Number(policy.revision) % 2 ** 32 : 0,
    policy_match: flow.policy_match_type || eventType === 5 ? (matches[flow.policy_match_type] ?? String(flow.policy_match_type)) : '',
    policy_log: joined(flow.policy_log),
    allowed_by: joined(allowed.map(policyText)),
    denied_by: joined(denied.map(policyText)),
    drop_site: file.line ? `${file.name}:${file.line}` : file.name,
  }
  const kind: string | undefined = flow.l7?.record
  if (!kind) return { flow: record }
  const l7: Plain = flow.l7
  const reversed = l7.type === 'RESPONSE' || (l7.type !== 'REQUEST' && isReply === 'yes')
  return {
    flow: record,
    request: {
      ...common,
      ...(reversed ? ends(destination, source) : ends(source, destination)),
      layer: 'l7_proxy',
      phase: nameOf(l7.type),
      transport: l4.toLowerCase(),
      latency: l7.latency_ns,
      protocol: kind,
      ...fieldsOf[kind](l7[kind]),
    },
  }
}

function httpFields(http: Plain): Plain {
  const header = (name: string) => http.headers.findLast(({ key }: Plain) => key.toLowerCase() === name)?.value ?? ''
  const [, host = '', path = http.url] = /^(?:[a-z][a-z0-9+.-]*:)?\/\/(?:[^/?#]*@)?([^/?#@]*)(.*)$/is.exec(http.url) ?? []
  return {
    protocol: header('content-type').startsWith('application/grpc') ? 'grpc' : 'http',
    method: http.method,
    protocol_version: http.protocol,
    status_code: http.code,
    error: http.code >= 500 && http.code < 600,
    host,
    path,
    user_agent: header('user-agent'),
    request_id: header('x-request-id'),
  }
}

const dnsFields = (dns: Plain): Plain => ({
  method: joined(dns.qtypes),
  status_code: dns.rcode,
  error: dns.rcode !== 0 && dns.rcode !== 3,
  dns_query: dns.query.endsWith('.') ? dns.query.slice(0, -1) : dns.query,
  dns_answers: [...dns.ips, ...dns.cnames],
  dns_ttl: dns.ttl,
})

const kafkaFields = (kafka: Plain): Plain => ({
  method: kafka.api_key,
  protocol_version: String(kafka.api_version),
  status_code: kafka.error_code >>> 0,
  error: kafka.error_code !== 0,
  kafka_topic: kafka.topic,
  correlation_id: kafka.correlation_id >>> 0,
})

const fieldsOf: Record<string, (record: Plain) => Plain> = { http: httpFields, dns: dnsFields, kafka: kafkaFields }
