import type { Silent } from '../outbox.ts'
import { type ReportingNode, fullNameOf } from './nodes.ts'

/** Half of what is looked back for a node at least, so that it is told before it is out of sight. */
const silentMicros = 300e6
/** By then the ring of an agent holds nothing of what was before. */
const forgottenMicros = 86_400e6

/** One Hubble that is read, and the nodes it has spoken of. */
export interface Peer {
  /** As it is configured; names it on the bus. */
  readonly address: string
  readonly nodes: Set<ReportingNode>
}

export const peerAt = (address: string): Peer => ({ address, nodes: new Set() })

/** The nodes whose last flow is minutes old, but not a day, by peer. */
export function silentAmong(peers: readonly Peer[], now: number): Silent {
  const isSilent = ({ last }: ReportingNode) => last < now - silentMicros && last > now - forgottenMicros
  const silent = peers.map(({ address, nodes }) => [address, [...nodes].filter(isSilent)] as const)
  return Object.fromEntries(
    silent
      .filter(([, nodes]) => nodes.length)
      .map(([address, nodes]) => [address, Object.fromEntries(nodes.map(node => [fullNameOf(node), node.last]))]),
  )
}
