import type { Use } from './kubelets.ts'
import type { Packet } from './packets.ts'

/** What is stored of a packet; `bytes` is its number. */
export interface StoredPacket {
  bytes: number
  src_namespace: string
  src_pod: string
  src_workload: string
  src_attribution: string
  src_attribution_reason: string
  dst_namespace: string
  dst_pod: string
  dst_workload: string
  dst_attribution: string
  dst_attribution_reason: string
}

/** What really was. */
export interface Truth {
  packets: readonly Packet[]
  uses: readonly Use[]
  /** When the API server told nobody anything. */
  away: { from: number; to: number }
}

export interface Judgement {
  /** Ends of which what the API server told decides who they were, and how many of them are right. */
  determinable: number
  right: number
  /** Ends that are said to be sure and are not. */
  wrong: string[]
  /** Ends of which it does not, and how many of those are right all the same. */
  undeterminable: number
  lucky: number
  /** How often each answer was given, by whether it was determinable. */
  answers: Record<string, number>
  missing: number
  doubled: number
}

/** An address is whose it is beyond doubt when nobody else had it or was about to have it within this many milliseconds. */
const doubtMs = 3000

/** Holds what is stored against what really was. */
export function judge({ packets, uses, away }: Truth, stored: readonly StoredPacket[]): Judgement {
  const byAddress = Map.groupBy(uses, ({ address }) => address)
  const judgement: Judgement = { determinable: 0, right: 0, wrong: [], undeterminable: 0, lucky: 0, answers: {}, missing: 0, doubled: 0 }
  const seen = new Set<number>()
  for (const row of stored) {
    const packet = packets[row.bytes - 1]
    if (seen.has(row.bytes)) judgement.doubled++
    seen.add(row.bytes)
    for (const end of ['src', 'dst'] as const) {
      const wasSeen = !endedUnseen(packet[end], packet.at, away)
      judgeEnd(judgement, packet, row, end, wasSeen && isAlone(byAddress, packet[end], packet.at))
    }
  }
  judgement.missing = packets.length - seen.size
  return judgement
}

function judgeEnd(judgement: Judgement, { at, ...ends }: Packet, row: StoredPacket, end: 'src' | 'dst', sure: boolean): void {
  const use = ends[end]
  const [attribution, reason] = [row[`${end}_attribution`], row[`${end}_attribution_reason`]]
  const names = [row[`${end}_namespace`], row[`${end}_pod`], row[`${end}_workload`]]
  const isRight = attribution === 'exact' && names.join() === [use.namespace, use.pod, use.workload].join()
  const answer = `${sure ? 'determinable' : 'not determinable'}: ${attribution} ${reason}`
  judgement.answers[answer] = (judgement.answers[answer] ?? 0) + 1
  judgement[sure ? 'determinable' : 'undeterminable']++
  if (isRight) judgement[sure ? 'right' : 'lucky']++
  else if (attribution === 'exact')
    judgement.wrong.push(
      `${row.bytes} ${end} ${use.address} at ${at}: ${names.join('/')} (${reason}), was ${use.pod} ${use.from}-${use.to}`,
    )
}

const isAlone = (byAddress: Map<string, Use[]>, use: Use, at: number) =>
  byAddress.get(use.address)!.every(other => other === use || other.from - doubtMs > at || other.freed + doubtMs < at)

/** It ended while nobody was told of it, or as one was told again; the packet is of the time in which it may have. */
const endedUnseen = ({ to }: Use, at: number, away: Truth['away']) =>
  at > away.from - doubtMs && to > away.from - doubtMs && to < away.to + 2 * doubtMs
