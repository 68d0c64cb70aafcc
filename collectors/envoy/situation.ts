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
export class Situation {
  readonly #node: EnvoyNode
  readonly #of: Circumstances
  #request: Words | undefined
  #forward: Words | undefined
  #reply: Words | undefined

  constructor(node: EnvoyNode, of: Circumstances) {
    this.#node = node
    this.#of = of
  }

  get request(): Words {
    return (this.#request ??= this.#requestWords())
  }

  get forward(): Words {
    return (this.#forward ??= this.#flowWords(endsOf(this.#node, this.#of)))
  }

  /** Of what the server sent: the ends swapped. */
  get reply(): Words {
    return (this.#reply ??= this.#flowWords(endsOf(this.#node, this.#of).toReversed()))
  }

  get encrypted(): boolean {
    return this.#of.tls.version !== ''
  }

  #requestWords(): Words {
    const { tls, cluster } = this.#of
    const said = [...this.#proxy(), cluster.text, tls.version, tls.sni]
    return new Words('envoy', 'l7_proxy', 'exchange', ...said, ...endsOf(this.#node, this.#of).flatMap(textsOf))
  }

  #flowWords(ends: readonly Claims[]): Words {
    const { tls } = this.#of
    return new Words('envoy', ...this.#proxy(), tls.version, tls.sni, tls.peer ? 'mtls' : '', ...ends.flatMap(textsOf))
  }

  #proxy(): string[] {
    const { reporter, kind, cluster } = this.#node
    return [reporter, kind, cluster, this.#of.direction]
  }
}

const textsOf = (claims: Claims) => claimNames.map(name => claims[name] ?? '')

export interface Circumstances {
  direction: Direction
  own: Own
  tls: Tls
  cluster: Cluster
  downstream: Peer
  upstream: Peer
}

const maxSituations = 1024

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
    const situation = new Situation(node, of)
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
