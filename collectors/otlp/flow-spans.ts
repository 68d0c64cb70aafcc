import { prefixed } from './ends.ts'
import type { Flow } from '../../schema/flow.ts'
import type { Facts } from './facts.ts'
import { at } from './keys.ts'
import type { Limits } from './options.ts'
import { type Resource, pairsOf } from './resource.ts'
import type { SpanMessage } from './span.ts'
import { protocols } from '../../schema/vocabulary.ts'
import { microsOf } from './time.ts'

type Said = (name: string) => string

const attributesField = 9
const endReasons = new Map([['end of flow detected', 'closed']])
const workloadKinds = [
  ['deployment', 'Deployment'],
  ['statefulset', 'StatefulSet'],
  ['daemonset', 'DaemonSet'],
  ['cronjob', 'CronJob'],
  ['job', 'Job'],
  ['replicaset', 'ReplicaSet'],
] as const
const protocolNames = new Map<string, Flow['protocol']>([
  ['icmp', 'icmpv4'],
  ['ipv6-icmp', 'icmpv6'],
])
const ipVersions = new Map([
  ['ipv4', 4],
  ['ipv6', 6],
])

/** Whether the span is a flow, as ElastiFlow's Mermin sends them. */
export const isFlowSpan = (facts: Facts) => facts.has(at['flow.bytes.delta'])

interface FlowOptions {
  /** Where the span that was read lies. */
  start: number
  end: number
  resource: Resource
  received: number
  options: { source: string; cluster: string; limits: Limits }
}

/** A row for each direction that had packets; at least one. Times are of the end of the interval. */
export function flowRecords(span: SpanMessage, { start, end, resource, received, options }: FlowOptions): Partial<Flow>[] {
  const { pairs } = pairsOf(span.bytes, start, end, attributesField, { ...options.limits, attributes: 4096 })
  const said: Said = name => pairs.get(name) ?? ''
  const common = commonOf(said, span, resource, { received, ...options })
  const [from, to] = [endOf(said, 'source'), endOf(said, 'destination')]
  const forward: Partial<Flow> = {
    ...common,
    ...prefixed('src_', from),
    ...prefixed('dst_', to),
    ...counts(said, 'flow.'),
    is_reply: 'no',
  }
  const back: Partial<Flow> = {
    ...common,
    ...prefixed('src_', to),
    ...prefixed('dst_', from),
    ...counts(said, 'flow.reverse.'),
    is_reply: 'yes',
  }
  return back.bytes || back.packets ? (forward.bytes || forward.packets ? [forward, back] : [back]) : [forward]
}

interface Common {
  received: number
  source: string
}

function commonOf(said: Said, span: SpanMessage, { maker }: Resource, { received, source }: Common): Partial<Flow> {
  const transport = said('network.transport').toLowerCase()
  return {
    time: microsOf(span.endLow, span.endHigh, received),
    received,
    source,
    reporter: maker.own.node || maker.reporter,
    reporter_kind: 'node',
    cluster: said('source.k8s.cluster.name') || said('destination.k8s.cluster.name') || maker.cluster,
    layer: 'kernel',
    type: 'l3_l4',
    event: 'trace',
    verdict: 'forwarded',
    protocol: protocolNames.get(transport) ?? protocols.find(name => name === transport) ?? '',
    ip_version: ipVersions.get(said('network.type')) ?? 0,
    tcp_flags: numberOf(said('flow.tcp.flags.bits')) & 0x1ff,
    icmp_type: numberOf(said('flow.icmp.type.id')) & 0xff,
    icmp_code: numberOf(said('flow.icmp.code.id')) & 0xff,
    dscp: numberOf(said('flow.ip.dscp.id')) & 0x3f,
    interface: said('network.interface.name'),
    tunnel: said('tunnel.type'),
    connection_id: said('flow.community_id'),
    end_reason: endReasons.get(said('flow.end_reason')) ?? said('flow.end_reason').replaceAll(' ', '_'),
    duration: Math.min(span.duration, Number.MAX_SAFE_INTEGER),
    round_trip: numberOf(said('flow.tcp.rndtrip.latency')),
  }
}

const counts = (said: Said, prefix: string) => ({
  bytes: numberOf(said(`${prefix}bytes.delta`)),
  packets: numberOf(said(`${prefix}packets.delta`)),
})

function endOf(said: Said, side: 'source' | 'destination') {
  const k8s = (name: string) => said(`${side}.k8s.${name}.name`)
  const [workload, workload_kind] = workloadKinds.find(([name]) => k8s(name)) ?? ['', '']
  const [namespace, service] = [k8s('namespace'), k8s('service')]
  return {
    address: said(`${side}.address`),
    port: numberOf(said(`${side}.port`)) & 0xffff,
    cluster: k8s('cluster'),
    namespace,
    pod: k8s('pod'),
    workload: workload && k8s(workload),
    workload_kind,
    service: service && `${namespace}/${service}`,
    node: k8s('node'),
  }
}

function numberOf(text: string): number {
  const value = Number(text)
  return value > 0 && value <= Number.MAX_SAFE_INTEGER ? Math.floor(value) : 0
}
