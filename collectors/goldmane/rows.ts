import { type End, kindOf } from './ends.ts'
import { reporters } from './key.ts'
import type { Counts, GoldmaneFlow } from './message.ts'

/** By the names Felix has for protocols; others have a number. */
const protocolNames = new Map(
  Object.entries({
    tcp: 'tcp',
    udp: 'udp',
    sctp: 'sctp',
    icmp: 'icmpv4',
    icmp6: 'icmpv6',
    icmpv6: 'icmpv6',
    '6': 'tcp',
    '17': 'udp',
    '132': 'sctp',
    '1': 'icmpv4',
    '58': 'icmpv6',
  }),
)

/** What was counted, turned to the end that was called: what comes in at the source are answers. */
export function countsOf({ known, packetsIn, packetsOut, bytesIn, bytesOut, connectionsStarted }: GoldmaneFlow): Counts {
  const atSource = known.key.reporter === reporters.source
  return {
    forwardPackets: atSource ? packetsOut : packetsIn,
    forwardBytes: atSource ? bytesOut : bytesIn,
    replyPackets: atSource ? packetsIn : packetsOut,
    replyBytes: atSource ? bytesIn : bytesOut,
    connections: known.decision.verdict === 'dropped' ? 0 : connectionsStarted,
  }
}

export interface RowContext {
  /** Whose account it is. */
  source: string
  reporter: string
  cluster: string
  /** Microseconds. */
  received: number
}

/** The rows of a flow: what went to the end that was called, and what it answered when it did. */
export function rowsOf(flow: GoldmaneFlow, counts: Counts, context: RowContext): Record<string, unknown>[] {
  const { key, source, destination, service } = flow.known
  const common = commonOf(flow, context)
  const client = ended('src', source, flow.sourceLabels)
  const server = { ...ended('dst', destination, flow.destinationLabels), dst_port: portOf(key.port), dst_service: service }
  const rows: Record<string, unknown>[] = []
  if (counts.forwardPackets || counts.forwardBytes || counts.connections || !(counts.replyPackets || counts.replyBytes))
    rows.push({
      ...common,
      ...client,
      ...server,
      is_reply: 'no',
      packets: counts.forwardPackets,
      bytes: counts.forwardBytes,
      connections: counts.connections,
      ...(common.verdict === 'dropped' && { dropped_packets: counts.forwardPackets, dropped_bytes: counts.forwardBytes }),
    })
  if (counts.replyPackets || counts.replyBytes)
    rows.push({ ...common, ...turned({ ...client, ...server }), is_reply: 'yes', packets: counts.replyPackets, bytes: counts.replyBytes })
  return rows
}

function commonOf({ known, start, end }: GoldmaneFlow, context: RowContext) {
  const { key, decision } = known
  return {
    time: start ? start * 1e6 : context.received,
    ...context,
    reporter_kind: 'node',
    layer: 'kernel',
    type: 'l3_l4',
    event: 'policy_verdict',
    direction: directionOf(key.reporter),
    protocol: protocolNames.get(key.protocol.toLowerCase()) ?? '',
    duration: Math.max(0, end - start) * 1e9,
    ...decision,
  }
}

const directionOf = (reporter: number) =>
  reporter === reporters.source ? 'egress' : reporter === reporters.destination ? 'ingress' : 'unknown'

const portOf = (port: number) => (port > 0 && port < 65_536 ? port : 0)

function ended(prefix: 'src' | 'dst', end: End, labels: readonly string[]): Record<string, string | number> {
  const named = { ...end, workload_kind: kindOf(end, labels) }
  return Object.fromEntries(Object.entries(named).map(([name, value]) => [`${prefix}_${name}`, value]))
}

/** The same ends seen from the other. */
const turned = (ends: Record<string, string | number>) =>
  Object.fromEntries(
    Object.entries(ends).map(([name, value]) => [name.startsWith('src_') ? `dst_${name.slice(4)}` : `src_${name.slice(4)}`, value]),
  )
