import type { Flow } from '../../schema/flow.ts'
import type { Identity } from '../mesh/identity.ts'
import { flagsText } from '../mesh/response-flags.ts'
import { deniedBy } from './denial.ts'
import type { Exchange } from './exchange.ts'
import { fieldOf } from './fields.ts'
import { type Refusal, refusalFields } from './outcome.ts'
import { serviceName } from './request-rows.ts'

/** The two directions of a TCP connection, the second where there were bytes that way; of a denied one, the denial. */
export function connectionFlows(exchange: Exchange): Flow[] {
  const { fields } = exchange
  const forward: Flow = {
    ...baseOf(exchange),
    layer: 'l4_proxy',
    type: 'l3_l4',
    is_reply: 'no',
    bytes: exchange.number(fieldOf.bytes_received),
    connections: 1,
    duration: exchange.duration,
    response_flags: flagsText(fields.text(fieldOf.response_flags)),
    end_reason: fields.text(fieldOf.upstream_transport_failure_reason) || fields.text(fieldOf.connection_termination_details) || 'closed',
    ...outcomeOf(exchange),
  }
  const back = exchange.number(fieldOf.bytes_sent)
  return back > 0 ? [forward, replyTo(forward, back)] : [forward]
}

/** The denial of a request as the flow by which denials are found. */
export function denialFlow(exchange: Exchange, traceId: string): Flow {
  return {
    ...baseOf(exchange),
    layer: 'l7_proxy',
    type: 'l7',
    event: 'l7',
    is_reply: 'no',
    verdict: 'dropped',
    trace_id: traceId,
    response_flags: flagsText(exchange.fields.text(fieldOf.response_flags)),
    ...(exchange.refusal && refusedBy(exchange.refusal)),
  }
}

/** What was decided on a connection: by a policy, by how the mesh is set up, or by what went wrong. */
function outcomeOf({ refusal, isBlackhole, flags }: Exchange): Flow {
  if (refusal) return { event: 'policy_verdict', verdict: 'dropped', ...refusedBy(refusal) }
  if (isBlackhole) return { event: 'drop', verdict: 'dropped', drop_reason: 'blackhole' }
  if (flags.noRoute) return { verdict: 'dropped', drop_reason: 'no_filter_chain_or_route' }
  return { verdict: flags.failed ? 'error' : 'forwarded' }
}

const refusedBy = (refusal: Refusal): Flow => ({
  ...refusalFields(refusal),
  denied_by: refusal.denial ? deniedBy(refusal.denial) : '',
})

/** What is told of a connection once, and of what decided about it. */
const ofForward = new Set(['connections', 'event', 'drop_reason', 'denied_by'])

/** The way back of a connection: the ends swapped, and no second connection. */
export function replyTo(forward: Flow, bytes: number): Flow {
  const rest = Object.entries(forward).filter(([name]) => !ofForward.has(name) && !name.startsWith('policy_'))
  const swapped = rest.map(([name, value]) => [swappedName(name), value])
  return { ...(Object.fromEntries(swapped) as Flow), is_reply: 'yes', verdict: 'forwarded', bytes }
}

function swappedName(name: string): string {
  if (name.startsWith('src_')) return `dst_${name.slice(4)}`
  return name.startsWith('dst_') ? `src_${name.slice(4)}` : name
}

function baseOf(exchange: Exchange): Flow {
  const { origin, source, destination, fields, direction, kind, own } = exchange
  const { namespace, pod, workload, node } = origin
  return {
    time: exchange.time,
    received: exchange.received,
    source: origin.source,
    reporter: origin.reporter,
    reporter_kind: kind,
    cluster: origin.cluster,
    direction,
    protocol: 'tcp',
    ip_version: destination.ipVersion || source.ipVersion,
    src_address: source.text,
    src_port: source.port,
    dst_address: destination.text,
    dst_port: destination.port,
    dst_service: exchange.service,
    dst_dns_name: exchange.host,
    sni: fields.text(fieldOf.requested_server_name),
    tls_version: fields.text(fieldOf.downstream_tls_version),
    connection_id: fields.text(fieldOf.connection_id),
    auth_type: exchange.sourceIdentity ? 'mtls' : '',
    encrypted: fields.has(fieldOf.downstream_tls_version),
    ...(own && { [`${own}namespace`]: namespace, [`${own}pod`]: pod, [`${own}workload`]: workload, [`${own}node`]: node }),
    ...identityFields('src_', exchange.sourceIdentity),
    ...identityFields('dst_', exchange.destinationIdentity, exchange.service),
  }
}

/** What a certificate a proxy saw says of an end. */
export function identityFields(end: 'src_' | 'dst_', identity: Identity | undefined, service = ''): Flow {
  if (!identity) return {}
  return {
    [`${end}spiffe_id`]: identity.spiffeId,
    [`${end}spiffe_id_source`]: 'certificate',
    [`${end}service_account`]: identity.serviceAccount,
    ...(identity.namespace && { [`${end}namespace`]: identity.namespace }),
    ...(identity.service && !service && { [`${end}service`]: serviceName(identity.namespace, identity.service) }),
  }
}
