import { Direction, DropReason, Flags, Match, Point, Protocol, Reason, SocketPoint, Verdict } from './hubble-numbers.ts'
import type { Party } from './party.ts'
import type { Policy } from './policies.ts'
import type { Service } from './services.ts'
import type { Node } from './shop.ts'

/** What the proxy or DNS proxy saw of a request or its answer. */
export type L7 = { phase: number; latencyNs: number } & (
  | {
      protocol: 'http'
      method: string
      url: string
      /** 0 in a request. */
      status: number
      requestId: string
      userAgent: string
      /** Trace of the request, when it carries one. */
      traceId: string
    }
  | { protocol: 'dns'; query: string; queryType: string; status: number; addresses: readonly string[]; ttl: number }
  | { protocol: 'kafka'; key: string; topic: string; correlationId: number; status: number }
)

/** One flow before it is encoded. */
export interface FlowEvent {
  /** Microseconds. */
  time: number
  reporter: Node
  /** Who sent this packet, and who was to get it. */
  src: Party
  dst: Party
  type: number
  event: number
  subType: number
  verdict: number
  direction: number
  point: number
  reason: number
  /** Absent when the event cannot know. */
  reply: boolean | undefined
  protocol: number
  srcPort: number
  dstPort: number
  flags: number
  match: number
  dropReason: number
  /** Who allowed it, as a field of the flow. */
  allowedBy: Uint8Array | undefined
  deniedBy: Policy | undefined
  /** The packet was to the address of the Service, not yet to a pod. */
  service: Service | undefined
  /** Left the node under the address of the node. */
  masqueraded: boolean
  proxyPort: number
  tunnelTo: Node | undefined
  socketPoint: number
  cookie: number
  cgroup: number
  l7: L7 | undefined
}

/** What an event says when nothing else is said. All events begin as a copy of it, so that all have one shape. */
export const quiet = {
  type: 1,
  event: 0,
  subType: 0,
  verdict: Verdict.forwarded as number,
  direction: Direction.unknown as number,
  point: Point.unknown as number,
  reason: Reason.unknown as number,
  reply: undefined,
  protocol: Protocol.tcp as number,
  srcPort: 0,
  dstPort: 0,
  flags: Flags.none as number,
  match: Match.none as number,
  dropReason: DropReason.none as number,
  allowedBy: undefined,
  deniedBy: undefined,
  service: undefined,
  masqueraded: false,
  proxyPort: 0,
  tunnelTo: undefined,
  socketPoint: SocketPoint.none as number,
  cookie: 0,
  cgroup: 0,
  l7: undefined,
} as const satisfies Partial<FlowEvent>
