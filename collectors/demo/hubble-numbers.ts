/** Numbers of Hubble's enumerations, as far as the demo uses them (flow/flow.proto; the sub-types of Cilium's monitor). */

export const FlowType = { l3_l4: 1, l7: 2, sock: 3 } as const
export const Verdict = { forwarded: 1, dropped: 2, redirected: 5, traced: 6, translated: 7 } as const
export const Direction = { unknown: 0, ingress: 1, egress: 2 } as const
export const EventType = { drop: 1, trace: 4, policyVerdict: 5, traceSock: 7, accessLog: 129 } as const
export const Reason = { unknown: 0, fresh: 1, established: 2, reply: 3 } as const
export const DropReason = { none: 0, policyDenied: 133, policyDeny: 181 } as const
export const Phase = { request: 1, response: 2 } as const
export const Protocol = { none: 0, tcp: 1, udp: 2, icmp: 3 } as const
export const Match = { none: 0, l3Only: 1, l3l4: 2 } as const
export const Flags = { none: 0, fin: 1, syn: 2, psh: 8, ack: 16 } as const

/** Observation points; the endpoint's is 101 as a point and 0 as the sub-type of the event. */
export const Point = {
  unknown: 0,
  toProxy: 1,
  toHost: 2,
  toStack: 3,
  toOverlay: 4,
  fromNetwork: 10,
  toNetwork: 11,
  toEndpoint: 101,
} as const

export const SocketPoint = { none: 0, preForward: 1, postForward: 2 } as const
export const NodeState = { connected: 1 } as const

const nameOf = (numbers: Record<string, number>) => {
  const names = new Map(Object.entries(numbers).map(([name, number]) => [number, name]))
  return (number: number) => names.get(number) ?? String(number)
}

export const verdictName = nameOf(Verdict)
export const flowTypeName = nameOf(FlowType)
export const phaseName = nameOf(Phase)
export const directionName = nameOf(Direction)

/** In Hubble's words and our spelling. */
export const dropReasonName = nameOf({ policy_denied: DropReason.policyDenied, policy_deny: DropReason.policyDeny })
