import { writeL7 } from './encode-l7.ts'
import type { FlowEvent } from './event.ts'
import { Direction, DropReason, EventType, Flags, Point, Protocol } from './hubble-numbers.ts'
import { device } from './party.ts'
import { mix } from './random.ts'
import { type Node, clusterName, nodes } from './shop.ts'
import { type Wire, encoded } from './wire.ts'

/** More than the longest flow takes. */
const longest = 4096

/** The name Relay gives the node. */
export const fullName = (node: Node) => `${clusterName}/${node.name}`

/** What every flow of a node says about the node: in the flow, and in the response around it. */
const reporterFields = nodes.map(node => ({
  flow: encoded(wire => {
    wire.text(11, fullName(node))
    wire.text(37, `kubernetes.io/hostname=${node.name}`)
    wire.text(37, `topology.kubernetes.io/zone=${node.zone}`)
    const emitter = wire.open(41)
    wire.text(1, 'Hubble')
    wire.text(2, '1.19.4')
    wire.close(emitter)
  }),
  response: encoded(wire => wire.text(1000, fullName(node))),
  masquerade: encoded(wire => wire.text(5, node.address)),
}))

const isReply = [false, true].map(reply =>
  encoded(wire => {
    const opened = wire.open(26)
    wire.number(1, Number(reply))
    wire.close(opened)
    wire.number(16, Number(reply))
  }),
)

const devices = { network: device(2, 'eth0'), overlay: device(7, 'cilium_vxlan') }

const dropSite = encoded(wire => {
  const opened = wire.open(38)
  wire.text(1, 'bpf_lxc.c')
  wire.number(2, 1981)
  wire.close(opened)
})

/** Appends one gRPC message: the GetFlowsResponse of the event. The UUID depends on `seed` and `index` only. */
export function writeFlow(wire: Wire, event: FlowEvent, seed: number, index: number): void {
  wire.room(longest)
  const frame = wire.openFrame()
  const flow = wire.open(1, 2)
  const { time, src, dst, reporter } = event
  wire.time(1, time)
  wire.number(2, event.verdict)
  wire.number(3, event.dropReason)
  writeIp(wire, event)
  writeL4(wire, event)
  wire.raw(src.source[Number(src.node === reporter)])
  if (!event.service) wire.raw(dst.destination[Number(dst.node === reporter)])
  wire.number(10, event.type)
  if (event.l7) writeL7(wire, event.l7)
  if (event.reply !== undefined) wire.raw(isReply[Number(event.reply)])
  writeObservation(wire, event)
  writePolicy(wire, event)
  const a = mix(seed, index)
  const b = mix(a, index)
  wire.uuid(34, a, b, mix(b, seed), mix(a ^ seed, b))
  wire.raw(reporterFields[reporter.index].flow)
  wire.close(flow)
  wire.raw(reporterFields[reporter.index].response)
  wire.time(1001, time)
  wire.closeFrame(frame)
}

function writeIp(wire: Wire, { src, dst, service, masqueraded, reporter }: FlowEvent): void {
  const opened = wire.open(5)
  wire.raw(src.ipSource)
  wire.raw(service ? service.ipDestination : dst.ipDestination)
  wire.number(3, 1)
  if (masqueraded) wire.raw(reporterFields[reporter.index].masquerade)
  wire.close(opened)
}

function writeL4(wire: Wire, { protocol, srcPort, dstPort, flags }: FlowEvent): void {
  if (protocol === Protocol.none) return
  const l4 = wire.open(6)
  const opened = wire.open(protocol)
  wire.number(1, protocol === Protocol.icmp ? 8 : srcPort)
  wire.number(2, dstPort)
  if (flags) writeFlags(wire, flags)
  wire.close(opened)
  wire.close(l4)
}

/** The flags of the header in the order of TCPFlags: FIN 1, SYN 2, RST 3, PSH 4, ACK 5. */
function writeFlags(wire: Wire, flags: number): void {
  const opened = wire.open(3)
  for (let bit = 0; Flags.fin << bit <= Flags.ack; bit++) wire.number(bit + 1, (flags >> bit) & 1)
  wire.close(opened)
}

function writeObservation(wire: Wire, event: FlowEvent): void {
  const type = wire.open(19)
  wire.number(1, event.event)
  wire.number(2, event.subType)
  wire.close(type)
  if (event.service) wire.raw(event.service.asDestination)
  wire.number(22, event.direction)
  wire.number(24, event.point)
  wire.number(36, event.reason)
  if (event.event === EventType.trace) writeInterface(wire, event)
  wire.number(29, event.proxyPort)
  wire.number(31, event.socketPoint)
  wire.number(32, event.cookie)
  wire.number(33, event.cgroup)
  if (event.tunnelTo) writeTunnel(wire, event.reporter, event.tunnelTo)
}

function writeInterface(wire: Wire, { point, dst }: FlowEvent): void {
  const outward = point === Point.toNetwork || point === Point.fromNetwork
  wire.raw(outward ? devices.network : point === Point.toOverlay ? devices.overlay : dst.device)
}

function writeTunnel(wire: Wire, from: Node, to: Node): void {
  const tunnel = wire.open(39)
  wire.number(1, 1)
  const ip = wire.open(2)
  wire.text(1, from.address)
  wire.text(2, to.address)
  wire.number(3, 1)
  wire.close(ip)
  wire.close(tunnel)
}

function writePolicy(wire: Wire, { match, dropReason, allowedBy, deniedBy, direction, event }: FlowEvent): void {
  wire.number(23, match)
  if (dropReason !== DropReason.none) wire.number(25, dropReason)
  if (event === EventType.drop) wire.raw(dropSite)
  if (allowedBy) wire.raw(allowedBy)
  if (deniedBy) wire.raw(direction === Direction.ingress ? deniedBy.deniesIngress : deniedBy.deniesEgress)
}
