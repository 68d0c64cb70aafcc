import { prefixed } from './ends.ts'
import type { Flow } from '../../schema/flow.ts'
import { directions, protocols } from '../../schema/vocabulary.ts'
import type { Maker } from './maker.ts'

type Said = (name: string) => string

/** Metrics of OpenTelemetry eBPF Instrumentation, and of Beyla before it, that count bytes between two ends. */
const flowMetrics = new Set(['obi.network.flow.bytes', 'beyla.network.flow.bytes'])

export const isFlowMetric = (metric: string) => flowMetrics.has(metric)

interface Grown {
  bytes: number
  /** Microseconds: of the point, and of the one before or the beginning of the series. */
  time: number
  since: number
  received: number
  source: string
}

/** What a series of such a metric grew by, as a flow. */
export function networkFlow(attributes: ReadonlyMap<string, string>, maker: Maker, grown: Grown): Partial<Flow> {
  const said: Said = name => attributes.get(name) ?? ''
  const transport = said('transport').toLowerCase()
  const { bytes, time, since, received, source } = grown
  return {
    time,
    received,
    source,
    reporter: reporterOf(said, maker),
    reporter_kind: 'node',
    cluster: said('k8s.cluster.name') || maker.cluster,
    layer: 'kernel',
    type: 'l3_l4',
    event: 'trace',
    verdict: 'forwarded',
    direction: directions.find(name => name === (said('iface.direction') || said('direction'))) ?? 'unknown',
    is_reply: isReply(said('direction')),
    protocol: protocols.find(name => name === transport) ?? '',
    interface: said('iface'),
    duration: since > 0 && since < time ? (time - since) * 1000 : 0,
    bytes,
    ...prefixed('src_', endOf(said, 'src')),
    ...prefixed('dst_', endOf(said, 'dst')),
  }
}

/** The node it ran on; the ends do not say who saw them. */
const reporterOf = (said: Said, { own, reporter }: Maker) => own.node || said('obi.ip') || said('beyla.ip') || reporter

function endOf(said: Said, side: 'src' | 'dst') {
  const k8s = (name: string) => said(`k8s.${side}.${name}`)
  const [type, ownerType, owner] = [k8s('type'), k8s('owner.type'), k8s('owner.name')]
  const isService = type === 'Service' || ownerType === 'Service'
  const isNode = type === 'Node' || ownerType === 'Node'
  const name = k8s('name')
  return {
    address: said(`${side}.address`),
    port: portOf(said(`${side}.port`)),
    namespace: k8s('namespace'),
    pod: type === 'Pod' ? name : ownerType === 'Pod' ? owner : '',
    workload: isService || isNode || ownerType === 'Pod' ? '' : owner,
    workload_kind: isService || isNode || ownerType === 'Pod' ? '' : ownerType,
    service: isService ? `${k8s('namespace')}/${name || owner}` : '',
    node: k8s('node.name') || (isNode ? name || owner : ''),
  }
}

const isReply = (direction: string) => (direction === 'request' ? 'no' : direction === 'response' ? 'yes' : 'unknown')

function portOf(text: string): number {
  const port = Number(text)
  return port > 0 && port < 65536 ? Math.floor(port) : 0
}
