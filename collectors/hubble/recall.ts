import { wideAt } from '../../runtime/block/block.ts'
import type { Origin, Outbox, Published } from '../outbox.ts'
import { type Nodes, type ReportingNode, activeAmong, fullNameOf } from './nodes.ts'
import type { Peer } from './peer.ts'
import type { Remembered } from './remember.ts'

/** Nodes that were silent for longer do not hold back where we go on. */
export const activeMicros = 600e6
/** What is asked for again: events of a node are not quite in order. */
export const overlapMicros = 5e6
const dayMs = 86_400_000
/** How much further back than to the newest block of ours it looks for peers: what was silent before is told in later blocks. */
const searchMs = 900_000

export interface Memories {
  flow: Remembered
  request: Remembered
  loss: Remembered
}

/** Whose records are looked for on the bus. */
export interface Recalled {
  nodes: Nodes
  peers: readonly Peer[]
  /** Those that are read already. */
  read?: readonly Peer[]
  /** Takes the nodes of peers that are configured no more. */
  others: Peer
  /** Whether a peer is in the configuration, be it ours to read or not. */
  isConfigured: (address: string) => boolean
  /** Whether what other collectors had from our peers counts as well. */
  ofAll?: boolean
  maxRecords: number
  lagMicros?: number
}

/**
 * Learns from the bus what was published of these peers: the ids, when each node was last heard, and from where on each peer has to be
 * asked again. A peer nobody has read goes on from where those were that are configured no more, for it may be one of them by another
 * name. What there is nothing to go on from has no time.
 */
export async function recall(outbox: Pick<Outbox, 'published'>, memories: Memories, recalled: Recalled): Promise<Map<Peer, number>> {
  for (const kind of ['loss', 'request'] as const) await load(kind, memories, outbox, recalled)
  const unrequested = new Map<Peer, number>()
  const found = await load('flow', memories, outbox, recalled)
  for (const block of found) if (block.senders.size) hear(block, recalled.nodes, memories.request, unrequested)
  hearSilent(found, memories, recalled)
  for (const { nodes } of [...recalled.peers, ...(recalled.read ?? [])]) for (const node of nodes) recalled.others.nodes.delete(node)
  const goOn = new Map<Peer, number>()
  for (const peer of recalled.peers) {
    const from = peer.nodes.size ? peer : recalled.others
    const since = Math.min(resumeFrom(from.nodes) ?? Infinity, (unrequested.get(from) ?? Infinity) - overlapMicros)
    if (Number.isFinite(since)) goOn.set(peer, since)
  }
  return goOn
}

/** Where to go on: a little before the last flow of the node that is furthest behind. Microseconds. */
export function resumeFrom(nodes: Iterable<ReportingNode>): number | undefined {
  const active = activeAmong(nodes, activeMicros)
  return active.length ? active.reduce((oldest, { last }) => Math.min(oldest, last), Infinity) - overlapMicros : undefined
}

/** A block, the peers we look for that are in it, and the nodes of each: all when there are none. */
interface Found {
  published: Published
  senders: Map<Peer, readonly string[]>
  /** Whether its ids are. */
  isRemembered: boolean
}

function sendersOf({ own, peers }: Origin, { peers: wanted, others, isConfigured, ofAll = false }: Recalled): Found['senders'] {
  const senders = new Map<Peer, readonly string[]>()
  if (!own && !ofAll) return senders
  for (const peer of wanted) if (Object.hasOwn(peers, peer.address)) senders.set(peer, peers[peer.address])
  const addresses = Object.keys(peers)
  const gone = addresses.filter(address => !isConfigured(address))
  const names = gone.flatMap(address => peers[address])
  if (gone.length || (own && !addresses.length)) senders.set(others, names)
  return senders
}

/** Whether a block says of a peer of ours where it was. */
const isOurs = ({ own, peers, silent }: Origin, { peers: wanted, ofAll = false }: Recalled) =>
  own || (ofAll && wanted.some(({ address }) => Object.hasOwn(peers, address) || Object.hasOwn(silent, address)))

/** Remembers the newest blocks, as far back as a node may lag, and returns all that say something of our peers, the oldest first. */
async function load(kind: keyof Memories, memories: Memories, outbox: Pick<Outbox, 'published'>, recalled: Recalled): Promise<Found[]> {
  const { peers, others, maxRecords, lagMicros = activeMicros } = recalled
  const memory = memories[kind]
  const latest = new Map<Peer, number>()
  const sought = new Set(peers.length ? peers : [others])
  const found: Found[] = []
  let [records, newest] = [0, -Infinity]
  const isWanted = (origin: Origin, time: number) => {
    if (!sought.size || time < newest - Math.max(searchMs, lagMicros / 1000)) return 'stop'
    const ours = isOurs(origin, recalled)
    if (ours) newest = Math.max(newest, time)
    return ours || sendersOf(origin, recalled).size > 0
  }
  for await (const published of outbox.published(kind, dayMs, isWanted)) {
    const senders = sendersOf(published, recalled)
    const isFirst = [...senders.keys()].some(peer => !latest.has(peer))
    let isNear = false
    for (const peer of senders.keys()) {
      latest.set(peer, Math.max(latest.get(peer) ?? -Infinity, published.maxTime))
      if (published.maxTime < latest.get(peer)! - lagMicros - 2 * overlapMicros) sought.delete(peer)
      else isNear = true
    }
    if (isNear) records += published.ids.length / 8
    const isRemembered = isNear && records <= maxRecords
    if (records > maxRecords) for (const peer of senders.keys()) sought.delete(peer)
    if (!isRemembered) memory.horizon = Math.max(memory.horizon, published.maxTime)
    // Without room for its ids a block still says where a peer was.
    if (isRemembered || isFirst || Object.keys(published.silent).length)
      found.push({ published, senders: isRemembered || isFirst ? senders : new Map(), isRemembered })
  }
  found.reverse()
  for (const { published, isRemembered } of found) if (isRemembered) memory.load(published.ids, published.minTime, published.maxTime)
  return found
}

/** Where the nodes were that sent nothing for so long that their blocks are out of sight. What they had sent before is known. */
function hearSilent(found: readonly Found[], { flow, request }: Memories, { peers, nodes }: Recalled): void {
  for (const { published } of found)
    for (const peer of peers)
      for (const [name, last] of Object.entries(published.silent[peer.address] ?? {})) {
        const node = nodes.named(name)
        peer.nodes.add(node)
        if (last <= node.last) continue
        node.last = last
        for (const memory of [flow, request]) memory.horizon = Math.max(memory.horizon, last)
      }
}

/** The last time of each node, and of each peer the oldest L7 flow whose request was not published before the end: the kinds travel apart. */
function hear({ published, senders }: Found, nodes: Nodes, requests: Remembered, unrequested: Map<Peer, number>): void {
  const block = published.block()
  const [reporters, clusters, types] = [block.labels('reporter'), block.labels('cluster'), block.labels('type')]
  const times = block.words('time')
  const ids = new Int32Array(new Uint8Array(published.ids).buffer)
  const l7 = types.keys.indexOf('l7')
  const known = new Map<number, { node: ReportingNode; heardFrom: Peer[] }>()
  for (let row = 0; row < block.rows; row++) {
    const key = clusters.codes[row] * reporters.keys.length + reporters.codes[row]
    let sender = known.get(key)
    if (!sender) {
      const node = nodes.of(clusters.keys[clusters.codes[row]], reporters.keys[reporters.codes[row]])
      sender = { node, heardFrom: heardFrom(node, senders) }
      known.set(key, sender)
    }
    const time = wideAt(times, row)
    if (sender.heardFrom.length) sender.node.last = Math.max(sender.node.last, time)
    if (types.codes[row] === l7 && time > requests.horizon && !requests.has(ids[row * 2], ids[row * 2 + 1]))
      for (const peer of sender.heardFrom) unrequested.set(peer, Math.min(unrequested.get(peer) ?? Infinity, time))
  }
}

/** The peers a node's records came from; it is one of theirs from now on. */
function heardFrom(node: ReportingNode, senders: Found['senders']): Peer[] {
  const name = fullNameOf(node)
  const peers = [...senders].filter(([, names]) => !names.length || names.includes(name)).map(([peer]) => peer)
  for (const peer of peers) peer.nodes.add(node)
  return peers
}
