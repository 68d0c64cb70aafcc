import type { ReportingNode } from './nodes.ts'

/** One Hubble that is read, and the nodes it has spoken of. */
export interface Peer {
  /** As it is configured; names it on the bus. */
  readonly address: string
  readonly nodes: Set<ReportingNode>
}

export const peerAt = (address: string): Peer => ({ address, nodes: new Set() })
