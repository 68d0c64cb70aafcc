import { loadObserverProto } from './proto.ts'

/** The text of each number of an enum, lower-case. Numbers without a text are written as they are. */
export type Names = readonly (string | undefined)[]

/** The text of a number, or the number. */
export const nameIn = (names: Names) => (number: number) => names[number] ?? String(number)

/** Names of one of Hubble's enums: without `prefix`, and with `zero` for 0, which means that nothing was said. */
function namesOf(enumName: string, { prefix = '', zero = 'unknown' } = {}): Names {
  const names: string[] = []
  for (const [name, number] of Object.entries(loadObserverProto().lookupEnum(enumName).values))
    names[number] = name.replace(prefix, '').toLowerCase()
  names[0] = zero
  return names
}

export const verdictNames = namesOf('flow.Verdict')
export const dropReasonNames = namesOf('flow.DropReason', { zero: '' })
export const typeNames = namesOf('flow.FlowType')
export const directionNames = namesOf('flow.TrafficDirection')
export const observationPointNames = namesOf('flow.TraceObservationPoint')
export const traceReasonNames = namesOf('flow.TraceReason', { zero: '' })
export const authTypeNames = namesOf('flow.AuthType', { zero: '' })
export const socketTranslationNames = namesOf('flow.SocketTranslationPoint', { prefix: 'SOCK_XLATE_POINT_', zero: '' })
export const tunnelNames = namesOf('flow.Tunnel.Protocol', { zero: '' })
export const phaseNames = namesOf('flow.L7FlowType')
export const lossReasonNames = namesOf('flow.LostEventSource')

/** Message types of Cilium's monitor (pkg/monitor/api). */
export const monitor = { drop: 1, debug: 2, capture: 3, trace: 4, policyVerdict: 5, recording: 6, traceSock: 7, l7: 129, agent: 130 }

export const eventNames: Names = Object.assign<(string | undefined)[], Record<number, string>>(['unknown'], {
  [monitor.drop]: 'drop',
  [monitor.debug]: 'debug',
  [monitor.capture]: 'capture',
  [monitor.trace]: 'trace',
  [monitor.policyVerdict]: 'policy_verdict',
  [monitor.recording]: 'recording',
  [monitor.traceSock]: 'trace_sock',
  [monitor.l7]: 'l7',
  [monitor.agent]: 'agent',
})

/** What a policy verdict matched on (pkg/monitor/api, PolicyMatchType). */
export const policyMatchNames: Names = ['none', 'l3_only', 'l3_l4', 'l4_only', 'all', 'l3_proto', 'proto_only']

/** By the number of the field in Layer4. */
export const protocolNames: Names = ['', 'tcp', 'udp', 'icmpv4', 'icmpv6', 'sctp', 'vrrp', 'igmp']

export const threeWayNames: Names = ['unknown', 'yes', 'no']

/** Entities, the more specific later. An end may carry several, such as kube-apiserver and remote-node. */
export const entities = [
  'unknown',
  'world',
  'world-ipv4',
  'world-ipv6',
  'unmanaged',
  'init',
  'remote-node',
  'host',
  'health',
  'ingress',
  'kube-apiserver',
] as const

/** Entities by their reserved identity (pkg/identity). */
export const reservedIdentities: readonly string[] = [
  'unknown',
  'host',
  'world',
  'unmanaged',
  'health',
  'init',
  'remote-node',
  'kube-apiserver',
  'ingress',
  'world-ipv4',
  'world-ipv6',
]
