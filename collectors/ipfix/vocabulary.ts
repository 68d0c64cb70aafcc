/** What numbers of the protocols mean, in our words. */

export const protocolNumbers = { icmp: 1, igmp: 2, tcp: 6, udp: 17, icmpv6: 58, vrrp: 112, sctp: 132 } as const

const protocols: Readonly<Record<number, string>> = {
  [protocolNumbers.icmp]: 'icmpv4',
  [protocolNumbers.igmp]: 'igmp',
  [protocolNumbers.tcp]: 'tcp',
  [protocolNumbers.udp]: 'udp',
  [protocolNumbers.icmpv6]: 'icmpv6',
  [protocolNumbers.vrrp]: 'vrrp',
  [protocolNumbers.sctp]: 'sctp',
}
/** '' for a protocol the schema has no word for. */
export const protocolName = (number: number): string => protocols[number] ?? ''

const directions = ['ingress', 'egress']
/** flowDirection (61). */
export const directionName = (number: number): string => directions[number] ?? 'unknown'

const endReasons = ['', 'idle_timeout', 'active_timeout', 'closed', 'forced_end', 'lack_of_resources']
/** flowEndReason (136). */
export const endReasonName = (number: number): string => endReasons[number] ?? String(number)

const dropReasons: Readonly<Record<number, string>> = {
  129: 'policy_denied',
  130: 'acl_drop',
  131: 'unroutable',
  132: 'adjacency',
  133: 'fragmentation_needed',
  134: 'bad_header_checksum',
  135: 'bad_total_length',
  136: 'bad_header_length',
  137: 'bad_ttl',
  138: 'policer',
  139: 'wred',
  140: 'rpf',
  141: 'for_us',
  142: 'bad_output_interface',
  143: 'hardware',
}
/** forwardingStatus (89, RFC 7270 §4.12): status in the upper two bits, reason below. '' unless it was dropped. */
export const dropReason = (status: number): string => (status >> 6 === 2 ? (dropReasons[status] ?? 'unknown') : '')

/** firewallEvent (233). */
export const firewallEvents = { created: 1, deleted: 2, denied: 3 } as const

const firewallReasons: Readonly<Record<number, string>> = {
  1001: 'policy_denied',
  1002: 'policy_denied',
  1003: 'to_the_box_denied',
  1004: 'first_packet_not_syn',
}
/** Extended event of Cisco ASA (33002): why a flow was denied, '' for other events. */
export const firewallReason = (event: number): string => (event > 1000 && event < 2000 ? (firewallReasons[event] ?? 'policy_denied') : '')
