/**
 * What a row takes from a record. Each copy has one way of reading; `forwardElements` says from which information elements
 * (IANA's registry, and the field types of NetFlow v9 that are numbered the same) it reads, the best first.
 */
export const copies = [
  'uptimeBase',
  'startUptime',
  'startSeconds',
  'startMillis',
  'startNtp',
  'startDelta',
  'endUptime',
  'endSeconds',
  'endMillis',
  'endNtp',
  'endDelta',
  'durationMillis',
  'durationMicros',
  'srcAddress4',
  'srcAddress6',
  'dstAddress4',
  'dstAddress6',
  'srcPort',
  'dstPort',
  'protocol',
  'tcpFlags',
  'dscp',
  'tos',
  'bytes',
  'packets',
  'droppedBytes',
  'droppedPackets',
  'input',
  'output',
  'inputName',
  'vlan',
  'srcAs',
  'dstAs',
  'nextHop4',
  'nextHop6',
  'translated4',
  'translated6',
  'icmpTypeCode',
  'icmpType',
  'icmpCode',
  'direction',
  'endReason',
  'samplingInterface',
  'sampler',
  'samplingInterval',
  'forwardingStatus',
  'firewallEvent',
  'firewallReason',
  'srcPod',
  'srcNamespace',
  'srcNode',
  'dstPod',
  'dstNamespace',
  'dstNode',
] as const
export type CopyName = (typeof copies)[number]

/** Which copies read numbers of 1 to 8 bytes; those of other copies are said in `lengths`. */
export const lengths: Partial<Record<CopyName, readonly number[]>> = {
  srcAddress4: [4],
  dstAddress4: [4],
  nextHop4: [4],
  translated4: [4],
  srcAddress6: [16],
  dstAddress6: [16],
  nextHop6: [16],
  translated6: [16],
  startNtp: [8],
  endNtp: [8],
}
/** Copies that read text of any length. */
export const texts: ReadonlySet<CopyName> = new Set(['inputName', 'srcPod', 'srcNamespace', 'srcNode', 'dstPod', 'dstNamespace', 'dstNode'])

/** Private enterprise numbers whose elements are known. */
export const enterprises = { iana: 0, reverse: 29305, antrea: 56506 } as const

/** An element as one number: the enterprise and the number in it. */
export const elementKey = (enterprise: number, id: number): number => enterprise * 65536 + id
const antrea = (id: number) => elementKey(enterprises.antrea, id)
const reverse = (...ids: number[]) => ids.map(id => elementKey(enterprises.reverse, id))

type Elements = Partial<Record<CopyName, readonly number[]>>

const common: Elements = {
  uptimeBase: [160],
  durationMillis: [161],
  durationMicros: [162],
  protocol: [4],
  dscp: [195],
  tos: [5],
  vlan: [58, 243],
  icmpTypeCode: [32, 139],
  icmpType: [176, 178],
  icmpCode: [177, 179],
  endReason: [136],
  samplingInterval: [34, 50],
  sampler: [48, 302],
  forwardingStatus: [89],
  firewallEvent: [233],
  firewallReason: [33002],
}

const startElements = { startNtp: [156, 154], startMillis: [152], startSeconds: [150], startUptime: [22], startDelta: [158] }
const endElements = { endNtp: [157, 155, 325, 324], endMillis: [153, 323], endSeconds: [151, 322], endUptime: [21], endDelta: [159] }

export const forwardElements: Elements = {
  ...common,
  ...startElements,
  ...endElements,
  srcAddress4: [8],
  srcAddress6: [27],
  dstAddress4: [12],
  dstAddress6: [28],
  srcPort: [7, 182, 180],
  dstPort: [11, 183, 181],
  tcpFlags: [6],
  // Those of the interval before those since the beginning, those before the device before those after it.
  bytes: [1, 231, 23, 85, 171],
  packets: [2, 298, 24, 86, 172],
  droppedBytes: [132, 134],
  droppedPackets: [133, 135],
  input: [10, 252],
  samplingInterface: [10],
  output: [14, 253],
  inputName: [82],
  srcAs: [16],
  dstAs: [17],
  nextHop4: [15, 18],
  nextHop6: [62, 63],
  translated4: [225],
  translated6: [281],
  direction: [61],
  srcPod: [antrea(101)],
  srcNamespace: [antrea(100)],
  srcNode: [antrea(104)],
  dstPod: [antrea(103)],
  dstNamespace: [antrea(102)],
  dstNode: [antrea(105)],
}

/** The way back of a biflow (RFC 5103), or the responder's counters of a firewall. */
export const replyElements: Elements = {
  ...common,
  ...startElements,
  ...endElements,
  startNtp: [...reverse(156, 154), 156, 154],
  startMillis: [...reverse(152), 152],
  startSeconds: [...reverse(150), 150],
  endNtp: [...reverse(157, 155), 157, 155, 325, 324],
  endMillis: [...reverse(153), 153, 323],
  endSeconds: [...reverse(151), 151, 322],
  srcAddress4: [12],
  srcAddress6: [28],
  dstAddress4: [8],
  dstAddress6: [27],
  srcPort: [11, 183, 181],
  dstPort: [7, 182, 180],
  tcpFlags: reverse(6),
  bytes: [...reverse(1), 232, ...reverse(23, 85, 171)],
  packets: [...reverse(2), 299, ...reverse(24, 86, 172)],
  droppedBytes: reverse(132, 134),
  droppedPackets: reverse(133, 135),
  input: [14, 253],
  samplingInterface: [10],
  output: [10, 252],
  srcAs: [17],
  dstAs: [16],
  endReason: [...reverse(136), 136],
  srcPod: [antrea(103)],
  srcNamespace: [antrea(102)],
  srcNode: [antrea(105)],
  dstPod: [antrea(101)],
  dstNamespace: [antrea(100)],
  dstNode: [antrea(104)],
}

/** Counters since the flow began: octetTotalCount, packetTotalCount, postOctetTotalCount, postPacketTotalCount. */
export const totalElements: ReadonlySet<number> = new Set([85, 86, 171, 172].flatMap(id => [id, ...reverse(id)]))

/** Copies whose fields tell flows apart, and flowId. */
export const keyCopies: readonly CopyName[] = [
  'srcAddress4',
  'srcAddress6',
  'dstAddress4',
  'dstAddress6',
  'srcPort',
  'dstPort',
  'protocol',
  'icmpTypeCode',
  'icmpType',
  'icmpCode',
  'input',
  'vlan',
  'direction',
]
export const flowIdElement = 148

/** Copies of which a row takes one, the first that is there. */
export const alternatives: readonly (readonly CopyName[])[] = [
  ['startNtp', 'startMillis', 'startSeconds', 'startUptime', 'startDelta'],
  ['endNtp', 'endMillis', 'endSeconds', 'endUptime', 'endDelta'],
  ['dscp', 'tos'],
  ['durationMillis', 'durationMicros'],
  ['icmpTypeCode', 'icmpType'],
  ['icmpTypeCode', 'icmpCode'],
]
