import { type ClusterName, readClusterName } from '../mesh/cluster-name.ts'
import { type Identity, readIdentity } from '../mesh/identity.ts'
import { type Fields, fieldNames, fieldOf } from './fields.ts'
import type { LineContext } from './line.ts'
import { type Flags, type Grpc, type Refusal, noFlags, noGrpc, readFlags, readGrpc, readRefusal } from './outcome.ts'
import { type Origin, Origins, type ReporterKind } from './origin.ts'
import { Clock, SocketAddress, readNumber } from './values.ts'
import type { Words } from './words.ts'

/** What a word of a line says of a service: the name of a cluster, a server name in TLS, an authority. */
interface Named extends ClusterName {
  isWaypoint: boolean
}

const unnamed: Named = { ...readClusterName(''), isWaypoint: false }
const nanosPerMilli = 1e6
const [letterG, digit3, slash] = [103, 51, 47]

/** What a log of Envoy tells, made out of its fields: filled anew by each `read`. */
export class Exchange {
  readonly source = new SocketAddress()
  readonly destination = new SocketAddress()
  origin!: Origin
  time = 0
  received = 0
  kind: ReporterKind = ''
  direction: ClusterName['direction'] = 'unknown'
  isHttp = false
  service = ''
  /** Name of the server, where it is no service of Kubernetes. */
  host = ''
  isBlackhole = false
  /** Which end the proxy is, or stands before: its own pod. */
  own: 'src_' | 'dst_' | undefined
  flags = noFlags
  grpc = noGrpc
  refusal: Refusal | undefined
  sourceIdentity: Identity | undefined
  destinationIdentity: Identity | undefined
  readonly fields: Fields
  readonly words: Words
  readonly #origins = new Origins()
  readonly #clock = new Clock()
  /** Port of the service that was called. */
  #port = 0
  readonly #upstreamLocal = new SocketAddress()
  readonly #downstreamLocal = new SocketAddress()
  readonly #clusters = new Meanings(unnamed, readCluster)
  readonly #serverNames = new Meanings(unnamed, readServerName)
  readonly #authorities = new Meanings(unnamed, readAuthority)
  readonly #flagsOf = new Meanings<Flags>(noFlags, readFlags)
  readonly #grpcOf = new Meanings<Grpc>(noGrpc, readGrpc)
  readonly #refusals = new Meanings<Refusal | undefined>(undefined, readRefusal)
  readonly #identities = new Meanings<Identity | undefined>(undefined, firstIdentity)

  readonly #found = new Int32Array(fieldNames.length)
  #era = 0

  constructor(fields: Fields, words: Words) {
    this.fields = fields
    this.words = words
  }

  /** Makes sense of the fields. False when they have no time, so that nothing can be stored. */
  read(context: LineContext): boolean {
    const { fields } = this
    this.#found.fill(0)
    this.time = fields.time || this.#clock.read(fields.bytes, fields.starts[fieldOf.start_time], fields.ends[fieldOf.start_time])
    if (!(this.time > 0)) return false
    this.origin = this.#origins.of(context)
    this.received = context.received
    this.isHttp = fields.has(fieldOf.method) || fields.has(fieldOf.protocol) || this.number(fieldOf.response_code) > 0
    this.time += Math.floor(this.duration / 1000)
    this.#readOutcome()
    this.#readSide()
    this.#readEnds()
    this.sourceIdentity = this.#identities.of(this, fieldOf.downstream_peer_uri_san)
    this.destinationIdentity = this.#identities.of(this, fieldOf.upstream_peer_uri_san)
    return true
  }

  number(field: number): number {
    return readNumber(this.fields.bytes, this.fields.starts[field], this.fields.ends[field])
  }

  /** The word a field is, which is looked for once a line. */
  word(field: number): number {
    if (this.#era !== this.words.era) this.#forgetWords()
    return (
      this.#found[field] || (this.#found[field] = this.words.find(this.fields.bytes, this.fields.starts[field], this.fields.ends[field]))
    )
  }

  #forgetWords(): void {
    this.#found.fill(0)
    this.#era = this.words.era
  }

  /** Nanoseconds. */
  get duration(): number {
    return this.fields.nanos || this.number(fieldOf.duration) * nanosPerMilli
  }

  get isHttp3(): boolean {
    const { bytes, ends } = this.fields
    const end = ends[fieldOf.protocol]
    return this.fields.has(fieldOf.protocol) && bytes[end - 1] === digit3 && bytes[end - 2] === slash
  }

  /** By its status or content type; else by a client that says what it is. */
  get isGrpc(): boolean {
    const { fields } = this
    if (fields.has(fieldOf.grpc_status)) return true
    if (fields.has(fieldOf.content_type)) return fields.text(fieldOf.content_type).startsWith('application/grpc')
    const at = fields.starts[fieldOf.user_agent]
    return (
      fields.ends[fieldOf.user_agent] - at >= 5 && fields.bytes[at] === letterG && fields.bytes.toString('latin1', at, at + 5) === 'grpc-'
    )
  }

  /** Which side the proxy is on, and whom the client called. */
  #readSide(): void {
    const { fields, origin } = this
    const cluster = this.#clusters.of(this, fieldOf.upstream_cluster)
    this.#address(this.#upstreamLocal, fieldOf.upstream_local_address)
    this.#address(this.#downstreamLocal, fieldOf.downstream_local_address)
    this.#address(this.source, fields.has(fieldOf.downstream_direct_remote_address) ? direct : remote)
    const wanted = this.#serverNames.of(this, fieldOf.requested_server_name)
    // Only sidecars give each other such names, and only the server's denies: this is its side.
    const isServer = fields.isInbound || (cluster.direction === 'unknown' && (wanted.port > 0 || this.refusal?.denial !== undefined))
    this.direction = isServer ? 'ingress' : cluster.direction
    this.kind = this.#kindOf(cluster, isServer)
    if (this.kind === 'waypoint') this.direction = 'ingress'
    else if (this.kind === 'gateway') this.direction = 'egress'
    if (this.kind) origin.kind = this.kind
    this.#port = cluster.port
    this.isBlackhole = cluster.special === 'blackhole'
    this.service = cluster.service || wanted.service || this.#authorities.of(this, fieldOf.authority).service
    this.host = cluster.service ? '' : cluster.direction === 'egress' && !cluster.special ? cluster.host : ''
  }

  /** A gateway listens on the address it calls servers from; beside a sidecar, that is the client's. */
  #kindOf(cluster: Named, isServer: boolean): ReporterKind {
    if (cluster.isWaypoint) return 'waypoint'
    if (isServer || cluster.direction === 'ingress') return 'sidecar'
    const known = this.origin.kind
    if (cluster.direction === 'unknown') return known
    if (this.#upstreamLocal.isSameHost(this.source)) return 'sidecar'
    if (this.#upstreamLocal.isSameHost(this.#downstreamLocal)) return 'gateway'
    return known || (this.origin.pod ? 'sidecar' : '')
  }

  #readEnds(): void {
    const { source, destination } = this
    if (this.direction === 'egress' && source.isLoopback && this.#upstreamLocal.ipVersion && !this.#upstreamLocal.isLoopback) {
      const { port } = source
      source.copy(this.#upstreamLocal)
      source.port = port
    }
    const hasUpstream = this.#address(destination, fieldOf.upstream_host)
    this.own = this.#ownEnd(hasUpstream)
    const local = this.#downstreamLocal
    if (this.own === 'dst_') {
      if (local.ipVersion && !(local.isLoopback && hasUpstream && !destination.isLoopback)) destination.copy(local)
    } else if (!hasUpstream && this.#standsBetween) destination.port = this.#port
    else if (!hasUpstream) destination.copy(local)
  }

  get #standsBetween(): boolean {
    return this.kind === 'gateway' || this.kind === 'waypoint'
  }

  /** A gateway or a waypoint is an end only where it answers itself, for nobody behind it. */
  #ownEnd(hasUpstream: boolean): Exchange['own'] {
    if (this.#standsBetween) return hasUpstream || this.service || this.host ? undefined : 'dst_'
    if (this.direction === 'unknown') return undefined
    return this.direction === 'ingress' ? 'dst_' : 'src_'
  }

  #readOutcome(): void {
    this.flags = this.#flagsOf.of(this, fieldOf.response_flags)
    this.grpc = this.#grpcOf.of(this, fieldOf.grpc_status)
    this.refusal = this.#refusals.of(this, fieldOf.response_code_details) ?? this.#refusals.of(this, fieldOf.connection_termination_details)
    if (!this.refusal && this.flags.refused) this.refusal = { reason: 'ext_authz' }
  }

  #address(into: SocketAddress, field: number): boolean {
    return into.read(this.fields.bytes, this.fields.starts[field], this.fields.ends[field])
  }
}

/** What words mean, read once each. */
class Meanings<T> {
  readonly #none: T
  readonly #read: (text: string) => T
  #meanings: { value: T }[] = []
  #era = 0

  constructor(none: T, read: (text: string) => T) {
    this.#none = none
    this.#read = read
  }

  of(exchange: Exchange, field: number): T {
    if (!exchange.fields.has(field)) return this.#none
    const word = exchange.word(field)
    const { era, texts } = exchange.words
    if (era !== this.#era) {
      this.#era = era
      this.#meanings = []
    }
    return (this.#meanings[word] ??= { value: this.#read(texts[word]) }).value
  }
}

const direct = fieldOf.downstream_direct_remote_address
const remote = fieldOf.downstream_remote_address

const readCluster = (text: string): Named => ({ ...readClusterName(text), isWaypoint: text.startsWith('inbound-vip|') })

const readServerName = (text: string): Named => (text.startsWith('outbound_.') ? readCluster(text) : unnamed)

/** name.namespace.svc…, with or without a port. What else clients call hosts says nothing for sure. */
function readAuthority(text: string): Named {
  const [, name, namespace] = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:[.:]|$)/.exec(text) ?? []
  return name ? { ...unnamed, service: `${namespace}/${name}` } : unnamed
}

/** A certificate may have several names. */
function firstIdentity(text: string): Identity | undefined {
  for (const name of text.split(',')) {
    const identity = readIdentity(name.trim())
    if (identity) return identity
  }
  return undefined
}
