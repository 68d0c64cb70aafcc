import { hostname } from 'node:os'
import { untilAborted } from '../../runtime/service.ts'
import type { Source, SourceContext } from '../source.ts'
import { type TlsOptions, parseAddresses, tlsSchema } from '../address.ts'
import { type FlowFilter, filterSchema } from './filters.ts'
import { type Server, followPeer } from './follow.ts'
import { takeOver } from './handover.ts'
import { Intake } from './intake.ts'
import { Nodes } from './nodes.ts'
import { type Peer, peerAt } from './peer.ts'
import { type Memories, recall } from './recall.ts'
import { Remembered } from './remember.ts'
import { Report } from './report.ts'
import { type ShareOptions, ownShare, shareSchema } from './share.ts'

const lossCapacity = 1 << 16
/** What all peers together, and each of them, may send that nobody has read yet: it is kept in memory while the bus takes nothing. */
const windowsBytes = 128 << 20
const mostWindowBytes = 16 << 20
const leastWindowBytes = 1 << 20
const addressPattern = '^(unix:.+|.+:[0-9]+)$'

export interface HubbleOptions {
  /** host:port of Relay or of agents, or unix:///path: one, several between commas, or a list. */
  address: string | string[]
  share?: ShareOptions
  tls?: TlsOptions
  /** Cluster of the nodes whose name carries none. */
  cluster?: string
  /** How many seconds back to begin when nothing was collected before. */
  history?: number
  allow?: FlowFilter[]
  deny?: FlowFilter[]
  /** How many flows are recognised when they are sent again. */
  remember?: number
}

/** Flows of Cilium, from Hubble Relay or the Hubble of agents. */
export const hubble: Source<HubbleOptions> = {
  name: 'hubble',
  about: 'Flows of Cilium, from Hubble Relay or the Hubble of agents.',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['address'],
    properties: {
      address: {
        anyOf: [
          { type: 'string', pattern: addressPattern },
          { type: 'array', items: { type: 'string', pattern: addressPattern }, minItems: 1 },
        ],
        expected: 'host:port or unix:///path, or a list of them',
        description: 'Hubble Relay, or the Hubble of one agent or of several. In the variable several stand between commas.',
      },
      share: shareSchema,
      tls: tlsSchema,
      cluster: { type: 'string', default: '', description: 'Cluster of the nodes whose name carries none.' },
      history: {
        type: 'integer',
        minimum: 0,
        default: 0,
        description: 'Seconds back to begin when nothing was collected before; Hubble keeps a few thousand flows a node.',
      },
      allow: { type: 'array', items: filterSchema(), default: [], description: 'Only flows that fit one of these filters of Hubble.' },
      deny: { type: 'array', items: filterSchema(), default: [], description: 'No flows that fit one of these filters of Hubble.' },
      remember: {
        type: 'integer',
        minimum: 1000,
        default: 2_000_000,
        description: 'Flows that are recognised when they are sent again.',
      },
    },
  },
  run: follow,
}

async function follow(options: HubbleOptions, context: SourceContext): Promise<void> {
  const { tls = false, cluster = '', history = 0, allow = [], deny = [], remember = 2_000_000, share } = options
  const { signal, log, outbox } = context
  const addresses = parseAddresses(options.address, 'collect.hubble.address')
  const peers = ownShare(addresses, share, hostname()).map(peerAt)
  const report = new Report(peers, { status: context.status, share, configured: addresses.length })
  if (share) log.info({ peers: peers.length, of: addresses.length }, 'reading a share of the peers')
  const nodes = new Nodes(cluster)
  const memories: Memories = { flow: new Remembered(remember), request: new Remembered(remember), loss: new Remembered(lossCapacity) }
  const windowBytes = Math.min(mostWindowBytes, Math.max(leastWindowBytes, Math.floor(windowsBytes / peers.length)))
  const intake = new Intake(context, { nodes, memories, peers })
  const since = takeOver(peers, {
    outbox,
    signal,
    log,
    quietMs: share ? (share.handover_seconds ?? 10) * 1000 : 0,
    onHeld: (peer, collector) => report.set(peer, `still read by ${collector}`),
    recall: async free => {
      const others = peerAt('')
      const read = peers.filter(peer => !free.includes(peer))
      const isConfigured = (address: string) => addresses.includes(address)
      const wanted = { nodes, peers: free, read, others, isConfigured, ofAll: share !== undefined, maxRecords: remember }
      const known = await recall(outbox, memories, wanted)
      if (free.some(peer => !peer.nodes.size)) intake.expectOverlap(others)
      return known
    },
  })
  const begin = async (peer: Peer) => {
    const known = await since.get(peer)
    if (known !== undefined) log.info({ address: peer.address, since: new Date(known / 1000) }, 'going on from what was collected before')
    const first = history > 0 ? (Date.now() - history * 1000) * 1000 : undefined
    const onState = (reason: string | undefined, server: Server) => report.set(peer, reason, server)
    await followPeer(peer, { windowBytes, tls, allow, deny, since: known ?? first, intake, onState }, context)
  }
  await Promise.all(peers.map(begin))
  if (!peers.length) await untilAborted(signal)
}
