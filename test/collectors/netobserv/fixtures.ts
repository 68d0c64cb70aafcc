import { readFile } from 'node:fs/promises'
import { type Plain, ip, time } from './records.ts'

const directory = '../shared/fixtures/netobserv'

/** A record as flowlogs-pipeline hands it on to Loki. */
export interface Stored {
  Etype: number
  Proto: number
  SrcAddr?: string
  DstAddr?: string
  SrcPort?: number
  DstPort?: number
  Bytes?: number
  Packets?: number
  Flags?: number
  Dscp?: number
  AgentIP: string
  Interface?: string
  Interfaces?: string[]
  IfDirection?: string | number
  IfDirections?: (string | number)[]
  TimeFlowStartMs: number
  TimeFlowEndMs: number
  TimeFlowRttNs?: number
  PktDropBytes?: number
  PktDropPackets?: number
  PktDropLatestDropCause?: string
  DnsId?: number
  DnsFlags?: number
  DnsLatencyMs?: number
  DnsErrno?: number
  IcmpType?: number
  IcmpCode?: number
  NetworkEvents?: Record<string, string>[]
}

/** Recorded flows; undefined where the fixtures are not there. */
export async function storedFlows(name: string): Promise<Stored[] | undefined> {
  const text = await readFile(`${directory}/${name}.json`, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const { data } = JSON.parse(text) as { data: { result: { values: [string, string][] }[] } }
  return data.result.flatMap(({ values }) => values.map(([, line]) => JSON.parse(line) as Stored))
}

const causes: Readonly<Record<string, number>> = {
  SKB_DROP_REASON_NO_SOCKET: 3,
  SKB_DROP_REASON_TCP_INVALID_SEQUENCE: 28,
  SKB_DROP_REASON_TCP_RESET: 29,
}

/** The record as its agent sent it. */
export function sentBy(stored: Stored): Plain {
  const names = stored.Interfaces ?? [stored.Interface ?? '']
  const ways = stored.IfDirections ?? [stored.IfDirection ?? 0]
  return {
    eth_protocol: stored.Etype,
    time_flow_start: time(stored.TimeFlowStartMs),
    time_flow_end: time(stored.TimeFlowEndMs),
    network: { src_addr: ip(stored.SrcAddr ?? '0.0.0.0'), dst_addr: ip(stored.DstAddr ?? '0.0.0.0'), dscp: stored.Dscp ?? 0 },
    transport: { src_port: stored.SrcPort ?? 0, dst_port: stored.DstPort ?? 0, protocol: stored.Proto },
    bytes: stored.Bytes ?? 0,
    packets: stored.Packets ?? 0,
    flags: stored.Flags ?? 0,
    agent_ip: ip(stored.AgentIP),
    icmp_type: stored.IcmpType ?? 0,
    icmp_code: stored.IcmpCode ?? 0,
    dup_list: names.map((name, i) => ({ interface: name, direction: Number(ways[i] ?? 0) })),
    pkt_drop_bytes: stored.PktDropBytes ?? 0,
    pkt_drop_packets: stored.PktDropPackets ?? 0,
    pkt_drop_latest_drop_cause: causes[stored.PktDropLatestDropCause ?? ''] ?? 0,
    time_flow_rtt: time((stored.TimeFlowRttNs ?? 0) / 1e6),
    dns_id: stored.DnsId ?? 0,
    dns_flags: stored.DnsFlags ?? 0,
    dns_errno: stored.DnsErrno ?? 0,
    dns_latency: time(stored.DnsLatencyMs ?? 0),
    network_events_metadata: (stored.NetworkEvents ?? []).map(events => ({ events })),
  }
}
