import { readIdentity } from '../mesh/identity.ts'
import { type Claims, claimNames, joined, withIdentity } from './claims.ts'
import type { EnvoyNode } from './node.ts'
import type { Cluster, Peer, Tls } from './parts.ts'
import { Words } from './words.ts'

/** On which side of an exchange the proxy stands. */
export type Direction = 'unknown' | 'ingress' | 'egress'
/** Which end the proxy itself is, or stands before. */
export type Own = '' | 'src' | 'dst'

/** Columns of a request that are the same for all of a situation. */
export const requestColumns = [
  'source',
  'layer',
  'phase',
  'reporter',
  'reporter_kind',
  'cluster',
  'direction',
  'upstream_cluster',
  'tls_version',
  'sni',
  ...ends(),
] as const

/** The same of a flow. */
export const flowColumns = [
  'source',
  'reporter',
  'reporter_kind',
  'cluster',
  'direction',
  'tls_version',
  'sni',
  'auth_type',
  ...ends(),
] as const

function ends(): string[] {
  return ['src_', 'dst_'].flatMap(prefix => claimNames.map(name => prefix + name))
}

/** What many entries of a proxy have in common: who it is, its side, and what it says of the ends. */
export interface Situation {
  request: Words
  forward: Words
  /** Of what the server sent: the ends swapped. */
  reply: Words
  encrypted: boolean
}

export interface Circumstances {
  direction: Direction
  own: Own
  tls: Tls
  cluster: Cluster
  downstream: Peer
  upstream: Peer
}

const maxSituations = 8192

/** The situations of one proxy, found by what they are made of. */
export class Situations {
  #count = 0
  #known = new Map<string, Map<Tls, Map<Cluster, Map<Peer, Map<Peer, Situation>>>>>()

  find(node: EnvoyNode, of: Circumstances): Situation {
    const known = this.#known
      .get(of.own + of.direction)
      ?.get(of.tls)
      ?.get(of.cluster)
      ?.get(of.downstream)
      ?.get(of.upstream)
    return known ?? this.#learn(node, of)
  }

  #learn(node: EnvoyNode, of: Circumstances): Situation {
    if (this.#count++ >= maxSituations) {
      this.#known = new Map()
      this.#count = 1
    }
    const situation = situationOf(node, of)
    const byTls = inside(this.#known, of.own + of.direction)
    inside(inside(inside(byTls, of.tls), of.cluster), of.downstream).set(of.upstream, situation)
    return situation
  }
}

function inside<K, L, V>(map: Map<K, Map<L, V>>, key: K): Map<L, V> {
  const known = map.get(key) ?? new Map<L, V>()
  map.set(key, known)
  return known
}

function situationOf(node: EnvoyNode, of: Circumstances): Situation {
  const { direction, tls, cluster } = of
  const [src, dst] = endsOf(node, of)
  const texts = (claims: Claims) => claimNames.map(name => claims[name] ?? '')
  const proxy = [node.reporter, node.kind, node.cluster, direction]
  const auth = tls.peer ? 'mtls' : ''
  return {
    request: new Words('envoy', 'l7_proxy', 'exchange', ...proxy, cluster.text, tls.version, tls.sni, ...texts(src), ...texts(dst)),
    forward: new Words('envoy', ...proxy, tls.version, tls.sni, auth, ...texts(src), ...texts(dst)),
    reply: new Words('envoy', ...proxy, tls.version, tls.sni, auth, ...texts(dst), ...texts(src)),
    encrypted: tls.version !== '',
  }
}

/**
 * What is known of client and server: of the own end what the proxy says of itself, of the other what Istio's filters and the
 * certificates say. The certificates are those between the client and the proxy.
 */
function endsOf(node: EnvoyNode, { direction, own, tls, cluster, downstream, upstream }: Circumstances): [src: Claims, dst: Claims] {
  const { name } = cluster
  const src = own === 'src' ? node.claims : downstream.claims
  const dst = own === 'dst' ? joined(node.claims, { service: name.service || tls.service }) : called(upstream.claims, cluster)
  const local = own === 'dst' && direction !== 'egress' ? readIdentity(tls.local) : undefined
  return [withIdentity(src, readIdentity(tls.peer), 'certificate'), withIdentity(dst, local, 'certificate')]
}

function called(claims: Claims, { name }: Cluster): Claims {
  return joined(claims, { service: name.service, dns_name: name.service ? '' : name.host })
}
