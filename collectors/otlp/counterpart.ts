import { remembered } from '../../runtime/shared.ts'
import { readClusterName } from '../mesh/cluster-name.ts'
import type { Call } from './call.ts'
import type { Facts } from './facts.ts'
import { at } from './keys.ts'
import { type Place, nowhere } from './place.ts'

const mostClusters = 1 << 12

/** The connection a span tells of: where its own end and the other one are. */
export class Counterpart {
  /** Of the other end. */
  address: Uint32Array | undefined
  port = 0
  name = ''
  service = ''
  /** Of the span's own end. */
  ownAddress: Uint32Array | undefined
  ownPort = 0
  ownService = ''
  readonly #clusters = new Map<string, ReturnType<typeof readClusterName>>()

  /** `isServer` when the span was made by the end that was called. */
  read(facts: Facts, call: Call, { isServer, isProxy }: { isServer: boolean; isProxy: boolean }): void {
    this.#forget()
    if (isServer) this.#readClient(facts)
    else this.#readServer(facts, call, isProxy)
    this.#readOwn(facts, isServer)
    if (isProxy) this.#readUpstream(facts, isServer)
  }

  #forget(): void {
    this.address = this.ownAddress = undefined
    this.port = this.ownPort = 0
    this.name = this.service = this.ownService = ''
  }

  /**
   * The other end of a server: the peer of the connection. One on the same machine is a proxy: then it is the client the headers name.
   */
  #readClient(facts: Facts): void {
    const peer = either(peerPlace(facts), facts.place(at['peer.address'], at['peer.ipv4'], at['peer.ipv6']))
    const client = facts.place(at['client.address'], at['http.client_ip'])
    const isNamed = client.address !== undefined && (peer.address === undefined || peer.isLoopback)
    if (isNamed) this.#take(client, facts.number(at['client.port']))
    else this.#take(peer, peerPort(facts) || facts.number(at['peer.port']))
    this.name ||= client.name || facts.either(at['peer.hostname'], at['net.peer.name'])
  }

  /** The other end of a client: the peer of the connection, or the server it asked for. */
  #readServer(facts: Facts, call: Call, isProxy: boolean): void {
    const server = isProxy ? nowhere : serverPlace(facts, call)
    const peer = either(peerPlace(facts), facts.place(at['upstream_address'], at['peer.ipv4'], at['peer.ipv6']))
    const port = facts.number(at['server.port']) || facts.number(at['net.peer.port']) || server.port
    if (peer.address) this.#take(peer, peerPort(facts) || port)
    else this.#take(server, port || facts.number(at['peer.port']))
    this.name = server.name
    this.service = server.service
  }

  #take(place: Place, port: number): void {
    this.address = place.address
    this.port = place.port || Math.min(port, 65535)
    this.name = place.name
    this.service = place.service
  }

  #readOwn(facts: Facts, isServer: boolean): void {
    const local = facts.place(at['network.local.address'], at['net.sock.host.addr'], at['net.host.ip'])
    this.ownAddress = local.address
    const port = facts.number(at['network.local.port']) || facts.number(at['net.sock.host.port'])
    const asked = isServer ? facts.number(at['server.port']) || facts.number(at['net.host.port']) : 0
    this.ownPort = Math.min(port || asked, 65535)
  }

  /** The cluster of servers Envoy chose: behind a server's proxy it is the server itself. */
  #readUpstream(facts: Facts, isServer: boolean): void {
    const upstream = this.#cluster(facts.either(at['upstream_cluster.name'], at['upstream_cluster']))
    if (isServer) {
      this.ownPort ||= upstream.port
      this.ownService = upstream.service
      return
    }
    this.port ||= upstream.port
    this.service ||= upstream.service
    this.name ||= upstream.host
  }

  #cluster(name: string): ReturnType<typeof readClusterName> {
    return remembered(this.#clusters, name, mostClusters, readClusterName)
  }
}

const either = (first: Place, second: Place): Place => (first === nowhere ? second : first)
const peerPlace = (facts: Facts) => facts.place(at['network.peer.address'], at['net.sock.peer.addr'], at['net.peer.ip'])

/** The server a client asked for: as it says, or as its URL or Host header say. */
function serverPlace(facts: Facts, { hostStart, hostEnd }: Call): Place {
  const said = facts.place(at['server.address'], at['net.peer.name'], at['peer.hostname'])
  if (said !== nowhere) return said
  return hostStart < 0 ? facts.place(at['http.host'], -1) : facts.placeIn(hostStart, hostEnd)
}

const peerPort = (facts: Facts) =>
  facts.number(at['network.peer.port']) || facts.number(at['net.sock.peer.port']) || facts.number(at['net.peer.port'])
