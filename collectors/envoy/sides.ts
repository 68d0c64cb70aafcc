import { at } from './address.ts'
import type { Entry } from './entry.ts'
import type { EnvoyNode } from './node.ts'
import { noTls } from './parts.ts'
import type { Direction, Own, Situation } from './situation.ts'
import { noWords } from './words.ts'

/**
 * Finds out on which side of an exchange the proxy stands, writes the addresses of client and server to their places, and returns what
 * the entry has in common with others.
 */
export function settle(entry: Entry, node: EnvoyNode, deniedHere: boolean): Situation {
  const { addresses } = entry
  addresses.copy(addresses.isEmpty(at.direct) ? at.downstream : at.direct, at.client)
  addresses.copy(addresses.isEmpty(at.upstream) ? at.local : at.upstream, at.server)
  const direction = directionOf(entry, node, deniedHere)
  const own = ownOf(entry, node, direction)
  settleClient(entry, node, own)
  settleServer(entry, node, own)
  const { tls, cluster, downstreamPeer: downstream, upstreamPeer: upstream } = entry
  return node.situations.find(node, { direction, own, tls, cluster, downstream, upstream })
}

const standsBetween = ({ kind }: EnvoyNode) => kind === 'gateway' || kind === 'waypoint' || kind === 'ztunnel'

/** The name of the cluster says it; where none was chosen, what only a proxy before the server does; then the addresses. */
function directionOf(entry: Entry, node: EnvoyNode, deniedHere: boolean): Direction {
  const { addresses, cluster } = entry
  if (cluster.name.direction !== 'unknown') return cluster.name.direction
  if (deniedHere) return 'ingress'
  if (node.kind === 'gateway') return 'egress'
  if (node.kind === 'waypoint') return 'ingress'
  if (node.kind !== 'sidecar') return 'unknown'
  if (entry.tls !== noTls || entry.downstreamFailure !== noWords) return 'ingress'
  if (!node.address) return 'unknown'
  if (addresses.is(at.local, node.address)) return 'ingress'
  return addresses.is(at.client, node.address) || addresses.isLoopback(at.client) ? 'egress' : 'unknown'
}

function ownOf(entry: Entry, node: EnvoyNode, direction: Direction): Own {
  if (!standsBetween(node)) return direction === 'ingress' ? 'dst' : direction === 'egress' ? 'src' : ''
  return entry.addresses.isEmpty(at.upstream) && !isForOthers(entry) ? 'dst' : ''
}

const isForOthers = ({ cluster: { name } }: Entry) => name.service !== '' || name.host !== ''

/** Addresses of the loopback network are the pod itself when it is the proxy's own end, and nobody's otherwise. */
function settleClient({ addresses }: Entry, node: EnvoyNode, own: Own): void {
  if (!node.address || !addresses.isLoopback(at.client)) return
  if (own === 'src') addresses.set(at.client, node.address)
  else addresses.forget(at.client)
}

function settleServer(entry: Entry, node: EnvoyNode, own: Own): void {
  const { addresses, cluster } = entry
  const isUnchosen = addresses.isEmpty(at.upstream) && isForOthers(entry)
  if (isUnchosen && (standsBetween(node) || addresses.isLoopback(at.local))) {
    addresses.forget(at.server)
    addresses.ports[at.server] = cluster.name.port
  }
  if (!addresses.isLoopback(at.server)) return
  const isCalledOtherwise = !addresses.isEmpty(at.local) && !addresses.isLoopback(at.local)
  if (own === 'dst' && isCalledOtherwise) addresses.copyAddress(at.local, at.server)
  else if (own === 'dst' && node.address) addresses.set(at.server, node.address)
  else if (node.address) addresses.forget(at.server)
}
