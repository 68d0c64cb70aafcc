/** Names of enum skb_drop_reason of Linux (include/net/dropreason-core.h) from 2 on, without SKB_DROP_REASON_ in front. */
const coreNames = `
  NOT_SPECIFIED NO_SOCKET PKT_TOO_SMALL TCP_CSUM
  SOCKET_FILTER UDP_CSUM NETFILTER_DROP OTHERHOST
  IP_CSUM IP_INHDR IP_RPFILTER UNICAST_IN_L2_MULTICAST
  XFRM_POLICY IP_NOPROTO SOCKET_RCVBUFF PROTO_MEM
  TCP_MD5NOTFOUND TCP_MD5UNEXPECTED TCP_MD5FAILURE SOCKET_BACKLOG
  TCP_FLAGS TCP_ZEROWINDOW TCP_OLD_DATA TCP_OVERWINDOW
  TCP_OFOMERGE TCP_RFC7323_PAWS TCP_INVALID_SEQUENCE TCP_RESET
  TCP_INVALID_SYN TCP_CLOSE TCP_FASTOPEN TCP_OLD_ACK
  TCP_TOO_OLD_ACK TCP_ACK_UNSENT_DATA TCP_OFO_QUEUE_PRUNE TCP_OFO_DROP
  IP_OUTNOROUTES BPF_CGROUP_EGRESS IPV6DISABLED NEIGH_CREATEFAIL
  NEIGH_FAILED NEIGH_QUEUEFULL NEIGH_DEAD TC_EGRESS
  QDISC_DROP CPU_BACKLOG XDP TC_INGRESS
  UNHANDLED_PROTO SKB_CSUM SKB_GSO_SEG SKB_UCOPY_FAULT
  DEV_HDR DEV_READY FULL_RING NOMEM
  HDR_TRUNC TAP_FILTER TAP_TXFILTER ICMP_CSUM
  INVALID_PROTO IP_INADDRERRORS IP_INNOROUTES PKT_TOO_BIG
  DUP_FRAG FRAG_REASM_TIMEOUT FRAG_TOO_FAR TCP_MINTTL
  IPV6_BAD_EXTHDR IPV6_NDISC_FRAG IPV6_NDISC_HOP_LIMIT IPV6_NDISC_BAD_CODE
  IPV6_NDISC_BAD_OPTIONS IPV6_NDISC_NS_OTHERHOST QUEUE_PURGE TC_COOKIE_ERROR
  PACKET_SOCK_ERROR TC_CHAIN_NOTFOUND TC_RECLASSIFY_LOOP
`
/** Names of enum ovs_drop_reason (net/openvswitch/drop.h) from 1 on, without OVS_DROP_ in front. */
const openVSwitchNames = `
  LAST_ACTION ACTION_ERROR EXPLICIT EXPLICIT_WITH_ERROR
  METER RECURSION_LIMIT DEFERRED_LIMIT FRAG_L2_TOO_LONG
  FRAG_INVALID_PROTO CONNTRACK IP_TTL
`

/** What OVN-Kubernetes dropped for, by the number of the agent. */
const networkEventNames = `
  Unknown EgressFirewall AdminNetworkPolicy BaselineAdminNetworkPolicy NetworkPolicy
  MulticastNS MulticastCluster NetpolNode NetpolNamespace UDNIsolation
`
const listOf = (names: string) => names.trim().split(/\s+/)
const core = listOf(coreNames)
const openVSwitch = listOf(openVSwitchNames)
const networkEvents = listOf(networkEventNames)
const firstCore = 2
const openVSwitchSystem = 3
const firstNetworkEvent = 1 << 24

/** Why the kernel dropped, by its name; a reason that has none here by its number. The upper 16 bits are the subsystem that dropped. */
export function nameOfCause(cause: number): string {
  if (cause >= firstNetworkEvent) return prefixed('NetworkEvent_', networkEvents[cause - firstNetworkEvent], cause)
  if (cause >>> 16 === openVSwitchSystem) return prefixed('OVS_DROP_', openVSwitch[(cause & 0xffff) - 1], cause)
  return prefixed('SKB_DROP_REASON_', core[cause - firstCore], cause)
}

const prefixed = (prefix: string, name: string | undefined, cause: number) => (name ? prefix + name : `cause ${cause}`)
