import { nameOfCause } from './causes.ts'
import type { NetworkEvent } from './events.ts'
import { type FlowRecord, places } from './record.ts'

export const sides = ['unknown', 'ingress', 'egress'] as const
const [unknown, ingress, egress] = [0, 1, 2]

/** What agents make of TCP flags: packets with two of them have a bit of their own, and not those of the two. */
const raw = { syn: 2, synAck: 256, finAck: 512, rstAck: 1024 }

/** The flags as they stand in headers. */
export function tcpFlagsOf(flags: number): number {
  const low = flags & 255
  return low | (flags & raw.synAck ? 18 : 0) | (flags & raw.finAck ? 17 : 0) | (flags & raw.rstAck ? 20 : 0)
}

/** Whether a conversation began with the packets of the record. */
export const opens = ({ flags }: FlowRecord) => (flags & raw.syn) !== 0 && (flags & raw.synAck) === 0

/** Number of an answer among three: unknown, yes, no. Only a SYN tells. */
export const isReply = ({ flags }: FlowRecord): number => (flags & raw.synAck ? 1 : flags & raw.syn ? 2 : 0)

/**
 * At which end of the packets the agent is, as a number among `sides`: at the one that has its address, else at the destination when they
 * came in by an interface that leads to other nodes, and at the source when they went out by one.
 */
export function sideOf(record: FlowRecord): number {
  if (isSame(record, places.agent, places.destination)) return ingress
  if (isSame(record, places.agent, places.source)) return egress
  let [came, went] = [false, false]
  for (const { isUplink, isEgress } of record.passages) {
    came ||= isUplink && !isEgress
    went ||= isUplink && isEgress
  }
  return came === went ? unknown : came ? ingress : egress
}

function isSame({ words, versions }: FlowRecord, one: number, other: number): boolean {
  if (!versions[one]) return false
  for (let word = 0; word < 4; word++) if (words[one * 4 + word] !== words[other * 4 + word]) return false
  return true
}

/** Whether the packets were still on their way to a service when they were seen: the agent tells where they were sent on to. */
export function isBeforeTranslation(record: FlowRecord): boolean {
  return isTranslated(record, places.translatedDestination, places.destination)
}

/** Whether the source had another address after it. */
export const isMasqueraded = (record: FlowRecord) => isTranslated(record, places.translatedSource, places.source)

const isTranslated = (record: FlowRecord, to: number, from: number) => !isZero(record, to) && !isSame(record, to, from)

function isZero({ versions, words }: FlowRecord, place: number): boolean {
  const at = place * 4
  return !versions[place] || (words[at + 3] === 0 && (versions[place] === 4 || (words[at] | words[at + 1] | words[at + 2]) === 0))
}

/** Which policy of OVN-Kubernetes decided, and why packets were dropped. */
export interface Decision {
  /** The policy that counts; nothing where none is named. */
  event?: NetworkEvent
  isDenied: boolean
  isAllowed: boolean
  allowedBy: string
  deniedBy: string
}

export const undecided: Decision = { isDenied: false, isAllowed: false, allowedBy: '', deniedBy: '' }

export function decide({ events }: FlowRecord): Decision {
  if (!events.length) return undecided
  const denials = events.filter(({ isDenied }) => isDenied)
  const permits = events.filter(({ isAllowed }) => isAllowed)
  return {
    event: denials[0] ?? permits[0],
    isDenied: denials.length > 0,
    isAllowed: permits.length > 0,
    allowedBy: listOf(permits),
    deniedBy: listOf(denials),
  }
}

const listOf = (events: readonly NetworkEvent[]) => [...new Set(events.map(({ full }) => full))].join(',')

/** Why packets of the record were dropped. */
export const dropReasonOf = ({ dropCause }: FlowRecord, { isDenied }: Decision) =>
  isDenied ? 'policy_denied' : dropCause ? nameOfCause(dropCause) : ''

/** Whether policies denied all packets of the record. */
export const isDenial = ({ isDenied, isAllowed }: Decision) => isDenied && !isAllowed

/** Which rows a record gives: one of what was counted, one of what was dropped of it unless the first says so already. */
export function rowsOf(record: FlowRecord): { counts: boolean; drops: boolean } {
  const decision = decide(record)
  const isDropped = record.droppedPackets > 0 || record.droppedBytes > 0
  const counts = record.packets > 0 || record.bytes > 0 || !isDropped
  const drops = isDenial(decision) ? !counts : isDropped || decision.isDenied
  return { counts, drops }
}

const etherTypes = { none: 0, ipv4: 0x0800, ipv6: 0x86dd }

/** ARP and the like have no addresses of ends. */
export function isIp({ ethProtocol, versions }: FlowRecord): boolean {
  const { none, ipv4, ipv6 } = etherTypes
  if (ethProtocol !== ipv4 && ethProtocol !== ipv6 && ethProtocol !== none) return false
  return versions[places.source] !== 0 && versions[places.destination] !== 0
}
