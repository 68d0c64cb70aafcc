import { type FlowEvent, type L7, quiet } from './event.ts'
import {
  Direction,
  DropReason,
  EventType,
  Flags,
  FlowType,
  Match,
  Phase,
  Point,
  Protocol,
  Reason,
  SocketPoint,
  Verdict,
} from './hubble-numbers.ts'
import type { Party } from './party.ts'
import type { Policy } from './policies.ts'
import type { Random } from './random.ts'
import { serviceFor } from './services.ts'
import { type Node, nodes } from './shop.ts'

/** A conversation between two parties, of whom at least one lives in the cluster. */
export interface Call {
  client: Party
  server: Party
  protocol: number
  clientPort: number
  serverPort: number
  /** Who allows it out at the client, and in at the server. */
  egress: Policy | undefined
  ingress: Policy | undefined
  /** Port of the proxy at the server that reads along; 0 when none does. */
  proxyPort: number
}

/** The end whose node reports. Its direction is that of the conversation, for replies too: out of the client, into the server. */
type Side = 'client' | 'server'

const hosts = ({ node, pod }: Party): boolean => node !== undefined && pod !== undefined

function packet(call: Call, time: number, side: Side, reply: boolean): FlowEvent {
  const { client, server, clientPort, serverPort } = call
  return {
    ...quiet,
    time,
    reporter: call[side].node as Node,
    src: reply ? server : client,
    dst: reply ? client : server,
    reply,
    protocol: call.protocol,
    srcPort: reply ? serverPort : clientPort,
    dstPort: reply ? clientPort : serverPort,
    direction: side === 'server' ? Direction.ingress : Direction.egress,
  }
}

interface Seen {
  at: number
  side: Side
  point: number
  reply: boolean
  flags: number
  reason: number
}

function trace(call: Call, { at, side, point, reply, flags, reason }: Seen): FlowEvent {
  const event = packet(call, at, side, reply)
  event.event = EventType.trace
  event.point = point
  event.subType = point === Point.toEndpoint ? 0 : point
  event.flags = call.protocol === Protocol.tcp ? flags : 0
  event.reason = reason
  if (point === Point.toOverlay) event.tunnelTo = event.dst.node
  return event
}

function policyVerdict(call: Call, at: number, side: Side): FlowEvent {
  const event = packet(call, at, side, false)
  event.event = EventType.policyVerdict
  event.flags = call.protocol === Protocol.tcp ? Flags.syn : 0
  event.match = Match.l3l4
  event.allowedBy = side === 'server' ? call.ingress?.allowsIngress : call.egress?.allowsEgress
  return event
}

/** The socket's view of a call to a Service: to its address, then to the pod that was chosen. */
export function socketTranslation(events: FlowEvent[], call: Call, at: number, random: Random): void {
  const service = serviceFor(call.server.workload)
  if (!service || !call.client.pod) return
  const base = packet(call, at, 'client', false)
  base.type = FlowType.sock
  base.event = EventType.traceSock
  base.srcPort = 0
  base.reply = undefined
  base.direction = Direction.unknown
  base.cookie = 4096 + random.below(1 << 28)
  base.cgroup = 4000 + call.client.pod.endpoint
  events.push(
    { ...base, verdict: Verdict.traced, subType: 1, socketPoint: SocketPoint.preForward, service },
    { ...base, verdict: Verdict.translated, subType: 2, socketPoint: SocketPoint.postForward, time: at + 4 },
  )
}

/** SYN, the verdicts at both ends, and the answer. Returns when the connection is there. */
export function opening(events: FlowEvent[], call: Call, at: number): number {
  const arrived = leaveClient(events, call, at)
  if (hosts(call.server)) enterServer(events, call, arrived)
  const answer = { reply: true, flags: Flags.syn | Flags.ack, reason: Reason.reply }
  leave(events, call, { ...answer, at: arrived + 60, side: 'server' })
  if (hosts(call.client)) events.push(trace(call, { ...answer, at: arrived + 90, side: 'client', point: Point.toEndpoint }))
  return arrived + 100
}

/** A packet goes from the node of a side to another one, where it has a node that can tell. */
function leave(events: FlowEvent[], call: Call, seen: Omit<Seen, 'point'>): void {
  const [from, to] = seen.side === 'client' ? [call.client, call.server] : [call.server, call.client]
  if (!hosts(from) || from.node === to.node) return
  const point = to.pod ? Point.toOverlay : to.node ? Point.toStack : Point.toNetwork
  const event = trace(call, { ...seen, point })
  event.masqueraded = seen.side === 'client' && !to.node
  events.push(event)
}

/** What the node of the client sees of the first packet. Returns when it is at the node of the server. */
function leaveClient(events: FlowEvent[], call: Call, at: number): number {
  const { client, server } = call
  if (!hosts(client)) return at
  if (call.egress) events.push(policyVerdict(call, at, 'client'))
  leave(events, call, { at: at + 10, side: 'client', reply: false, flags: Flags.syn, reason: Reason.fresh })
  return at + (server.node === client.node ? 20 : 180)
}

/** The proxy, where there is one, has a connection of its own to the endpoint, in the name of the client. */
function enterServer(events: FlowEvent[], call: Call, at: number): void {
  const { proxyPort } = call
  const verdict = policyVerdict(call, at, 'server')
  const seen = { side: 'server' as const, reply: false, flags: Flags.syn, reason: Reason.fresh }
  events.push(verdict)
  if (proxyPort) {
    verdict.verdict = Verdict.redirected
    verdict.proxyPort = proxyPort
    events.push({ ...trace(call, { ...seen, at: at + 8, point: Point.toProxy }), verdict: Verdict.redirected, proxyPort })
  }
  events.push(trace(call, { ...seen, at: at + (proxyPort ? 30 : 8), point: Point.toEndpoint }))
}

/** Something goes on in an open connection, or it ends: as it leaves, and arrives at the server, or at the client when the server is outside. */
export function passing(events: FlowEvent[], call: Call, at: number, flags: number): void {
  const reply = !hosts(call.server)
  const seen = { reply, flags, reason: reply ? Reason.reply : Reason.established }
  if (!reply) leave(events, call, { ...seen, at: at - 20, side: 'client' })
  events.push(trace(call, { ...seen, at, side: reply ? 'client' : 'server', point: Point.toEndpoint }))
}

/** A first packet that is stopped: at the server, or at the client when the server is outside. `by` is nobody where nothing allows it. */
export function denied(events: FlowEvent[], call: Call, at: number, by: Policy | undefined): void {
  const side = hosts(call.server) ? 'server' : 'client'
  const arrived = side === 'server' ? leaveClient(events, call, at) : at
  const verdict = policyVerdict(call, arrived, side)
  verdict.verdict = Verdict.dropped
  verdict.allowedBy = undefined
  verdict.deniedBy = by
  verdict.dropReason = by ? DropReason.policyDeny : DropReason.policyDenied
  verdict.match = by ? Match.l3Only : Match.none
  events.push(verdict, {
    ...verdict,
    time: arrived + 3,
    event: EventType.drop,
    subType: verdict.dropReason,
    reply: undefined,
    match: Match.none,
  })
}

/** A request and its answer, and when the proxy had them. */
export interface Exchange {
  asked: L7
  answer: L7
  at: number
  answeredAt: number
}

/** An exchange as the proxy at one end saw it. */
export function exchange(events: FlowEvent[], call: Call, side: Side, { asked, answer, at, answeredAt }: Exchange): void {
  const seen = (time: number, reply: boolean, l7: L7) => {
    const event = packet(call, time, side, reply)
    event.type = FlowType.l7
    event.event = EventType.accessLog
    event.l7 = l7
    events.push(event)
  }
  seen(at, false, asked)
  seen(answeredAt, true, answer)
}

/** The answer to a request, `latency` microseconds later. */
export const answerTo = <T extends L7>(asked: T, status: number, latency: number): T => ({
  ...asked,
  phase: Phase.response,
  latencyNs: latency * 1000,
  status,
})

/** A probe of the health of one node by another. */
export function nodePing(events: FlowEvent[], from: Party, to: Party, at: number): void {
  if (!to.node) return
  const event: FlowEvent = { ...quiet, time: at, reporter: nodes[to.node.index], src: from, dst: to, reply: false, protocol: Protocol.icmp }
  event.event = EventType.trace
  event.point = Point.toHost
  event.subType = Point.toHost
  event.reason = Reason.fresh
  event.direction = Direction.ingress
  events.push(event)
}
