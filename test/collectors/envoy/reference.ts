import ipaddr from 'ipaddr.js'
import { readClusterName } from '../../../collectors/mesh/cluster-name.ts'
import { grpcStatusText } from '../../../collectors/mesh/grpc-status.ts'
import { readIdentity } from '../../../collectors/mesh/identity.ts'
import { denialBy, readDenial } from '../../../collectors/mesh/rbac.ts'
import { responseFlags } from '../../../collectors/mesh/response-flags.ts'
import type { Row } from './decoding.ts'
import type { Address, Common, Duration, Headers, HttpEntry, LogMessage, TcpEntry } from './plain.ts'

const nanos = (duration?: Duration) => (duration ? Number(duration.seconds ?? 0) * 1e9 + Number(duration.nanos ?? 0) : -1)
const secrets = /([?&](?:token)=)[^&]+/g
const secretHeaders = ['authorization', 'traceparent', 'content-type', 'grpc-status', 'x-b3-traceid']
const failing = ['UF', 'UT', 'NR', 'DF']

interface End {
  address: string
  port: number
}

function endOf(address?: Address): End {
  if (address?.socketAddress) {
    const text = address.socketAddress.address ?? ''
    const parsed = ipaddr.isValid(text) ? ipaddr.process(text) : undefined
    const shown = parsed instanceof ipaddr.IPv6 ? parsed.toRFC5952String() : (parsed?.toString() ?? '')
    return { address: shown === '::' ? '' : shown, port: address.socketAddress.portValue ?? 0 }
  }
  const [, host = '', port = 0] = /^\[?([^\]]*)\]?:(\d+)$/.exec(address?.envoyInternalAddress?.endpointId ?? '') ?? []
  return { address: host, port: Number(port) }
}

function flagsOf(common: Common): string[] {
  const names = [
    'upstreamConnectionFailure',
    'upstreamRequestTimeout',
    'downstreamConnectionTermination',
    'noRouteFound',
    'dnsResolutionFailure',
  ] as const
  const fields = [6, 3, 15, 9, 27]
  const set = names.flatMap((name, i) => (common.responseFlags?.[name] ? [responseFlags[fields[i] - 1] as string] : []))
  if (common.responseFlags?.unauthorizedDetails) set.push('UAEX')
  return set.sort()
}

interface Rbac {
  result: string
  policy: string
  dry: string[]
}

function rbacOf(common: Common): Rbac {
  const rbac: Rbac = { result: '', policy: '', dry: [] }
  for (const [filter, { fields = {} }] of Object.entries(common.metadata?.filterMetadata ?? {})) {
    if (!filter.endsWith('.rbac')) continue
    const texts = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, value.stringValue ?? '']))
    if (texts.enforced_engine_result) [rbac.result, rbac.policy] = [texts.enforced_engine_result, texts.enforced_effective_policy_id ?? '']
    for (const [key, value] of Object.entries(texts))
      if (key.endsWith('shadow_engine_result') && value === 'denied')
        rbac.dry.push(texts[key.replace('engine_result', 'effective_policy_id')] ?? '')
  }
  return rbac
}

function policyOf(id: ReturnType<typeof denialBy> | undefined, source: string): Row {
  if (!id) return { policy_source: source }
  const named = { policy_namespace: id.namespace, policy_name: id.policy }
  return { policy_kind: 'AuthorizationPolicy', policy_source: source, ...(id.policy && named) }
}

function decisionOf(common: Common, details: string, flags: string[], isHttp: boolean): Row & { denied: boolean } {
  const rbac = rbacOf(common)
  const isSaid = rbac.result === 'denied'
  const denial = readDenial(details) ?? (isSaid ? denialBy(rbac.policy) : undefined)
  if (denial) return { verdict: 'dropped', drop_reason: denial.reason, ...policyOf(denial, isSaid ? 'dataplane' : 'log'), denied: true }
  if (details === 'ext_authz_denied' || flags.includes('UAEX'))
    return { verdict: 'dropped', drop_reason: details || 'ext_authz', denied: true, refused: true }
  const failure = isHttp ? undefined : failureOf(common, flags)
  if (failure) return { ...failure, denied: false }
  if (rbac.dry.length) return { verdict: 'audit', ...policyOf(denialBy(rbac.dry[0]), 'dataplane'), denied: false }
  return { verdict: 'forwarded', ...(rbac.policy && policyOf(denialBy(rbac.policy), 'dataplane')), denied: false }
}

function failureOf(common: Common, flags: string[]): Row | undefined {
  if (flags.includes('NR')) return { verdict: 'dropped', drop_reason: 'no_filter_chain_or_route' }
  if (common.downstreamTransportFailureReason) return { verdict: 'dropped', drop_reason: 'downstream_transport_failure' }
  return flags.some(flag => failing.includes(flag)) ? { verdict: 'error' } : undefined
}

/** What both kinds of rows have, of a proxy that says nothing of itself. */
function shared(common: Common, isDeniedHere: boolean): Row {
  const name = readClusterName(common.upstreamCluster ?? '')
  const direction = name.direction === 'unknown' && isDeniedHere ? 'ingress' : name.direction
  const directEnd = endOf(common.downstreamDirectRemoteAddress)
  const client = directEnd.address ? directEnd : endOf(common.downstreamRemoteAddress)
  const upstream = endOf(common.upstreamRemoteAddress)
  const local = endOf(common.downstreamLocalAddress)
  const server = serverOf(upstream, local, direction, name)
  const sanOf = (which: 'localCertificateProperties' | 'peerCertificateProperties'): string | undefined =>
    (common.tlsProperties?.[which]?.subjectAltName ?? []).map(({ uri }) => readIdentity(uri ?? '')?.spiffeId).find(Boolean)
  const versionOf = (text: string) => (text === '' ? 0 : text.includes(':') ? 6 : 4)
  return {
    direction,
    src_address: client.address,
    src_port: client.port,
    dst_address: server.address,
    dst_port: server.port,
    ip_version: versionOf(client.address) || versionOf(server.address),
    tls_version: ['', 'TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'][common.tlsProperties?.tlsVersion ?? 0],
    sni: common.tlsProperties?.tlsSniHostname ?? '',
    ...identityOf('src_', sanOf('peerCertificateProperties')),
    ...(direction === 'ingress' && identityOf('dst_', sanOf('localCertificateProperties'))),
    dst_service: name.service || (direction === 'ingress' ? readClusterName(common.tlsProperties?.tlsSniHostname ?? '').service : ''),
    dst_dns_name: direction === 'ingress' || name.service ? '' : name.host,
    weight: common.sampleRate === 0.5 ? 2 : 1,
  }
}

function serverOf(upstream: End, local: End, direction: unknown, name: ReturnType<typeof readClusterName>): End {
  const isLoopback = ({ address }: End) => address.startsWith('127.') || address === '::1'
  if (!upstream.address && (name.service || name.host) && isLoopback(local)) return { address: '', port: name.port }
  const server = upstream.address ? upstream : local
  if (isLoopback(server) && direction === 'ingress' && local.address && !isLoopback(local))
    return { address: local.address, port: server.port }
  return server
}

function identityOf(prefix: string, id: string | undefined): Row {
  const identity = readIdentity(id ?? '')
  if (!identity) return {}
  const { spiffeId, namespace, serviceAccount } = identity
  const said = { namespace, service_account: serviceAccount, spiffe_id: spiffeId, spiffe_id_source: 'certificate' }
  return Object.fromEntries(Object.entries(said).map(([key, value]) => [prefix + key, value]))
}

function timeOf(common: Common, received: number): number {
  if (!common.startTime) return received
  const lasted = common.duration ? nanos(common.duration) : nanos(common.timeToLastDownstreamTxByte)
  return Math.floor(nanos(common.startTime) / 1000) + Math.floor(Math.max(0, lasted) / 1000)
}

export interface Expected {
  request: Row[]
  flow: Row[]
  interim: number
}

/** The rows of a message of a proxy that says nothing of itself; slow and readable. Every connection is new. */
export function referenceRows(message: LogMessage, reporter: string, received: number): Expected {
  const expected: Expected = { request: [], flow: [], interim: 0 }
  const proxy = { source: 'envoy', reporter, received }
  for (const entry of message.httpLogs?.logEntry ?? []) addHttp(entry, proxy, expected)
  for (const entry of message.tcpLogs?.logEntry ?? []) addTcp(entry, proxy, expected)
  return expected
}

function addHttp(
  { commonProperties: common = {}, request = {}, response = {}, protocolVersion = 0 }: HttpEntry,
  proxy: Row,
  expected: Expected,
) {
  if (common.intermediateLogEntry || ![undefined, 0, 6].includes(common.accessLogType as number)) return void expected.interim++
  const flags = flagsOf(common)
  const details = response.responseCodeDetails ?? ''
  const { denied, refused, ...decision } = decisionOf(common, details, flags, true)
  const both = shared(common, readDenial(details) !== undefined)
  const headers = [request.requestHeaders ?? {}, response.responseHeaders ?? {}, response.responseTrailers ?? {}]
  const grpc = grpcStatusText(headers[2]['grpc-status'] ?? headers[1]['grpc-status'] ?? '')
  const isGrpc = grpc !== '' || headers.some(each => each['content-type']?.startsWith('application/grpc'))
  const status = response.responseCode?.value ?? 0
  const time = timeOf(common, proxy.received as number)
  const [sent, answered] = [nanos(common.timeToFirstUpstreamTxByte), nanos(common.timeToFirstUpstreamRxByte)]
  const last = nanos(common.timeToLastDownstreamTxByte)
  const sum = (...numbers: readonly (number | undefined)[]) => numbers.reduce<number>((total, number) => total + (number ?? 0), 0)
  const trace = traceOf(headers)
  expected.request.push({
    ...proxy,
    ...both,
    ...decision,
    time,
    layer: 'l7_proxy',
    phase: 'exchange',
    protocol: isGrpc ? 'grpc' : 'http',
    protocol_version: ['', 'HTTP/1.0', 'HTTP/1.1', 'HTTP/2', 'HTTP/3'][protocolVersion] ?? '',
    transport: protocolVersion === 4 ? 'udp' : 'tcp',
    method: ['', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'][request.requestMethod ?? 0] ?? '',
    host: (request.authority ?? '').split('@').at(-1),
    path: (request.originalPath || request.path || '').replace(secrets, '$1***'),
    status_code: status,
    error:
      status >= 500 ||
      ['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'].includes(grpc) ||
      (!status && flags.some(flag => failing.includes(flag))),
    latency: Math.max(0, last < 0 ? nanos(common.duration) : last),
    upstream_latency: sent >= 0 && answered > sent ? answered - sent : 0,
    grpc_status: grpc,
    response_flags: flags.join(','),
    response_details: details,
    attempts: Math.min(65_535, common.upstreamRequestAttemptCount ?? 0),
    route: common.routeName ?? '',
    upstream_cluster: common.upstreamCluster ?? '',
    request_bytes: sum(request.requestHeadersBytes, request.requestBodyBytes),
    response_bytes: sum(response.responseHeadersBytes, response.responseBodyBytes),
    user_agent: request.userAgent ?? '',
    request_id: request.requestId ?? '',
    trace_id: trace,
    connection_id: common.streamId ?? '',
    attributes: attributesOf(common, headers, request.forwardedFor),
  })
  if (denied)
    expected.flow.push({
      ...proxy,
      ...both,
      ...decision,
      ...flowOf(common, decision, refused === true),
      time,
      layer: 'l7_proxy',
      type: 'l7',
      event: 'l7',
      is_reply: 'no',
      protocol: 'tcp',
      trace_id: trace,
      response_flags: flags.join(','),
    })
}

/** Of the headers of the request, traceparent before the other. */
function traceOf([{ traceparent = '', 'x-b3-traceid': b3 = '' }]: readonly Headers[]): string {
  const [, id = ''] = /^00-([0-9a-f]{32})-[0-9a-f]{16}-01$/.exec(traceparent) ?? []
  return [id, b3].find(each => /[1-9a-f]/.test(each)) ?? ''
}

function attributesOf(common: Common, headers: Headers[], forwardedFor?: string): Record<string, string> {
  const attributes: Record<string, string> = {}
  const put = (key: string, value?: string) => void (value && (attributes[key] = value))
  put('upstream_transport_failure_reason', common.upstreamTransportFailureReason)
  put('downstream_transport_failure_reason', common.downstreamTransportFailureReason)
  put('connection_termination_details', common.connectionTerminationDetails)
  const dry = rbacOf(common).dry.map(id => denialBy(id))
  put('dry_run_denied_by', dry.map(({ namespace, policy }) => (policy ? `${namespace}/${policy}` : 'none')).join(','))
  put('x_forwarded_for', forwardedFor)
  for (const [key, value] of Object.entries(common.customTags ?? {})) put(key, value)
  for (const [i, prefix] of ['request.header', 'response.header', 'response.trailer'].entries())
    for (const [key, value] of Object.entries(headers[i])) if (!secretHeaders.includes(key)) put(`http.${prefix}.${key}`, value)
  return attributes
}

function flowOf(common: Common, decision: Row, isRefused: boolean): Row {
  const full = decision.policy_name ? `AuthorizationPolicy/${String(decision.policy_namespace)}/${String(decision.policy_name)}` : ''
  const version = common.tlsProperties?.tlsVersion ?? 0
  const hasPeer = (common.tlsProperties?.peerCertificateProperties?.subjectAltName ?? []).some(({ uri }) => readIdentity(uri ?? ''))
  return {
    allowed_by: decision.verdict === 'forwarded' ? full : '',
    denied_by: decision.verdict === 'dropped' && !isRefused ? full : '',
    policy_match: decision.verdict === 'audit' ? 'dry_run' : '',
    auth_type: hasPeer ? 'mtls' : '',
    encrypted: version > 0,
    connection_id: common.streamId ?? '',
  }
}

function addTcp({ commonProperties: common = {}, connectionProperties = {} }: TcpEntry, proxy: Row, expected: Expected) {
  const type = common.accessLogType ?? 0
  const isLasting = type === 2 || type === 12
  const [received, sent] = [Number(connectionProperties.receivedBytes ?? 0), Number(connectionProperties.sentBytes ?? 0)]
  const isOver = [0, 3, 13].includes(type) && !common.intermediateLogEntry
  const isGrowing = isLasting && common.streamId && (received || sent)
  if (!isOver && !isGrowing) return void expected.interim++
  const time = isLasting ? (proxy.received as number) : timeOf(common, proxy.received as number)
  const flags = flagsOf(common)
  const details = common.connectionTerminationDetails ?? ''
  const { denied, refused, ...decision } = decisionOf(common, details, flags, false)
  const both = shared(common, readDenial(details) !== undefined)
  const start = common.startTime ? Math.floor(nanos(common.startTime) / 1000) : 0
  const since = common.streamId ? start : start || time
  const reason = common.downstreamTransportFailureReason || common.upstreamTransportFailureReason || details || 'closed'
  const row: Row = {
    ...proxy,
    ...both,
    ...decision,
    ...flowOf(common, decision, refused === true),
    time,
    layer: 'l4_proxy',
    type: 'l3_l4',
    event: denied ? 'policy_verdict' : 'unknown',
    protocol: type > 10 ? 'udp' : 'tcp',
    response_flags: flags.join(','),
    end_reason: isLasting ? 'active_timeout' : reason,
    duration: Math.max(0, time - since) * 1000,
  }
  if (isOver || received) expected.flow.push({ ...row, is_reply: 'no', bytes: received, connections: isOver ? 1 : 0 })
  if (sent) expected.flow.push({ ...swapped(row), is_reply: 'yes', bytes: sent })
}

const swapped = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).map(([key, value]) => [key.replace(/^(src|dst)_/, (_, end) => (end === 'src' ? 'dst_' : 'src_')), value]),
  )
