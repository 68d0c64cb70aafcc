import type { SourceStatus } from '../source.ts'
import type { Server } from './follow.ts'
import type { ReportingNode } from './nodes.ts'
import type { Peer } from './peer.ts'
import type { ShareOptions } from './share.ts'

/** Reasons that are told one by one; of more, how many. */
const mostReasons = 3

interface PeerState {
  reason?: string
  server: Server
}

/** Keeps how each peer is doing, and tells how the source is from that. */
export class Report {
  readonly #states: Map<Peer, PeerState>
  readonly #status: (status: SourceStatus) => void
  readonly #team: object

  /** `configured` is how many peers there are, those of other collectors included. */
  constructor(
    peers: readonly Peer[],
    { status, share, configured }: { status: (status: SourceStatus) => void; share?: ShareOptions; configured: number },
  ) {
    this.#states = new Map(peers.map(peer => [peer, { reason: 'connecting', server: {} }]))
    this.#status = status
    this.#team = share ? { share: { ...share, addresses: configured } } : {}
    this.#tell()
  }

  set(peer: Peer, reason: string | undefined, server: Server = {}): void {
    this.#states.set(peer, { reason, server })
    this.#tell()
  }

  #tell(): void {
    const reason = this.#reason()
    const peers = [...this.#states].map(([peer, state]) => detailOf(peer, state))
    this.#status({ ready: reason === undefined, reason, detail: { ...this.#team, peers } })
  }

  #reason(): string | undefined {
    const away = [...this.#states].filter(([, { reason }]) => reason !== undefined)
    if (this.#states.size === 1) return away[0]?.[1].reason
    const told = away.slice(0, mostReasons).map(([{ address }, { reason }]) => `${address}: ${reason}`)
    if (away.length > told.length) told.push(`and ${away.length - told.length} more of ${this.#states.size}`)
    return told.join(', ') || undefined
  }
}

function detailOf({ address, nodes }: Peer, { reason, server: { status, nodes: members } }: PeerState) {
  const states = new Map(members?.map(({ name, state, version }) => [name.split('/').at(-1), { state, version }]))
  const last = [...nodes].reduce((newest, { last }) => Math.max(newest, last), 0)
  return {
    address,
    connected: reason === undefined,
    reason,
    last: timeOf(last),
    lag_seconds: last ? Math.max(0, Math.round(Date.now() / 1000 - last / 1e6)) : undefined,
    version: status?.version,
    seen_flows: status?.seen_flows,
    connected_nodes: status?.num_connected_nodes?.value,
    unavailable_nodes: status?.unavailable_nodes,
    nodes: [...nodes].filter(({ reporter }) => reporter).map(node => nodeOf(node, states.get(node.reporter))),
  }
}

const nodeOf = ({ cluster, reporter, state, flows, last }: ReportingNode, said?: { state: string; version: string }) => ({
  cluster,
  reporter,
  state: said?.state.replace('NODE_', '').toLowerCase() ?? state,
  version: said?.version,
  flows,
  last: timeOf(last),
})

const timeOf = (micros: number) => (micros ? new Date(micros / 1000).toISOString() : undefined)
