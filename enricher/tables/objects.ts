import { writeAddress } from '../../runtime/block/address.ts'
import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import { Listening, serviceOf } from '../ends/listening.ts'
import { AddressTable } from './address-table.ts'
import { Endings } from './endings.ts'
import { Heartbeats } from './heartbeats.ts'
import { Neighbourhoods } from './neighbourhoods.ts'
import { Numbered } from './numbered.ts'

/** What is known of an entity, each a text. */
export const attributes = [
  'cluster',
  'namespace',
  'pod',
  'workload',
  'workload_kind',
  'service',
  'service_account',
  'node',
  'zone',
  'spiffe_id',
  'spiffe_id_source',
] as const
export type Attribute = (typeof attributes)[number]

/** What an entity's attributes are found by: most are those of many pods, so each set of them is kept once. */
export type Level = 'own' | 'place' | 'profile'
type SharedLevel = Exclude<Level, 'own'>
export const levelOf = (attribute: Attribute): Level =>
  attribute === 'pod' ? 'own' : attribute === 'node' || attribute === 'zone' ? 'place' : 'profile'
const profileAttributes = attributes.filter(attribute => levelOf(attribute) === 'profile')

/** The entity of which nothing is known. */
export const nobody = 0

type EntityKind = 'pod' | 'node' | 'service'

/** So many are forgotten at a time: while versions come, and when the horizon moves. */
const mostForgotten = { meanwhile: 16, atOnce: 20_000 }

/** A version with what it was told to be, to notice when that changes. */
interface Known {
  kind: EntityKind
  entity: number
  object: ObjectHistory
  cluster: string
  addresses: string
  intervals: number[]
  from: number
  to: number
  endedAfter: number
  /** Where the version after it begins. */
  limit: number
  hostNetwork: boolean
  /** Of a node, what it says of its ranges. */
  spec: string
  forgotten: boolean
}

interface ObjectHistory {
  name: string
  number: number
  /** Its versions; and how many there are, with those that were told otherwise later. */
  versions: Known[]
  count: number
  /** The newest version, to end it when its successor begins. */
  newest?: Known
}

/**
 * The history of who had which address, per cluster, from `object` records in any order. A version seen again with another end
 * replaces what was known of it. Entities are numbers; what is known of them lies in columns of numbers of texts.
 */
export class ObjectTable {
  readonly #textsKnown = new Numbered()
  /** Every text an entity has, once. Text 0 is ''. */
  readonly texts: readonly string[] = this.#textsKnown.texts
  /** By entity: the number of its place and of its profile. */
  readonly levels: Record<SharedLevel, number[]> = { place: [0], profile: [0] }
  /** For each attribute the number of its text, by the number of its level: the entity itself, its place or its profile. */
  readonly attribute = Object.fromEntries(attributes.map(name => [name, [0]])) as Record<Attribute, number[]>
  readonly heartbeats = new Heartbeats()
  readonly neighbourhoods = new Neighbourhoods()
  /** What entities listen at, besides having addresses. */
  readonly listening = new Listening()
  readonly #kinds: (EntityKind | '')[] = ['']
  readonly #freeEntities: number[] = []
  readonly #profiles = new Numbered()
  readonly #places = new Numbered()
  readonly #clusters = new Map<string, AddressTable>()
  #versions = 0
  readonly #objects = new Map<string, ObjectHistory>()
  #objectCount = 0
  readonly #endings = new Endings<Known>()
  #knownSince = -Infinity
  /** By cluster/node; and the object that says so. */
  readonly #zones = new Map<string, { zone: string; object: string }>()
  readonly #serverPorts = new Set<number>()
  readonly #words = new Int32Array(4)
  readonly #bytes = new Uint8Array(this.#words.buffer)

  get versions(): number {
    return this.#versions
  }

  /** Of what was before, microseconds, not all is known any more: versions that ended before are forgotten. */
  get knownSince(): number {
    return this.#knownSince
  }

  get entities(): number {
    return this.#kinds.length
  }

  /** The addresses of a cluster; an empty table for one we know nothing of. */
  addresses(cluster: string): AddressTable {
    let table = this.#clusters.get(cluster)
    if (!table) this.#clusters.set(cluster, (table = new AddressTable()))
    return table
  }

  /** Whether some service listens on the port. */
  isServerPort(port: number): boolean {
    return this.#serverPorts.has(port)
  }

  isNode(entity: number): boolean {
    return this.#kinds[entity] === 'node'
  }

  isPod(entity: number): boolean {
    return this.#kinds[entity] === 'pod'
  }

  text(attribute: Attribute, entity: number): string {
    const level = levelOf(attribute)
    return this.texts[this.attribute[attribute][level === 'own' ? entity : this.levels[level][entity]]]
  }

  add(version: ObjectVersion): void {
    const { kind, cluster = '', name = '', zone = '' } = version
    if (kind === 'cluster') return this.heartbeats.beat(cluster, version.time ?? 0)
    if (kind === 'history') return this.forget(version.time ?? 0)
    this.#forgetSome(mostForgotten.meanwhile)
    if (kind === 'node' && zone) this.#learnZone(`${cluster}/${name}`, { zone, object: `${cluster}/node/${version.uid}` })
    if (kind === 'service') for (const port of version.ports ?? []) this.#serverPorts.add(Number(port.split('/')[1]))
    if (kind === 'pod' || kind === 'node' || kind === 'service') this.#addVersion(version, kind)
    if (kind === 'service') this.listening.end(version)
  }

  /**
   * Forgets what ended before that time, some of it now and the rest while more is added. What is asked of times since then is answered as before, but
   * that an address is unknown of which nothing later is known.
   */
  forget(before: number): void {
    this.#knownSince = Math.max(this.#knownSince, before)
    this.#endings.pass(this.#knownSince)
    this.#forgetSome(mostForgotten.atOnce)
  }

  #forgetSome(most: number): void {
    for (const known of this.#endings.take(most)) if (!known.forgotten && known.to <= this.#knownSince) this.#remove(known)
  }

  #remove(known: Known): void {
    const { kind, entity, object, cluster } = known
    known.forgotten = true
    this.#leave(object, known)
    this.#removeAddresses(known)
    const service = kind === 'service' ? `${cluster}/${this.text('service', entity)}` : ''
    this.listening.forget(entity, cluster, service)
    this.#removeEntity(entity)
    if (--object.count > 0) return
    this.#objects.delete(object.name)
    if (kind === 'node') this.#forgetZone(object.name)
  }

  #forgetZone(object: string): void {
    for (const [node, told] of this.#zones) if (told.object === object) this.#zones.delete(node)
  }

  #removeAddresses({ cluster, kind, addresses, intervals, hostNetwork, spec }: Known): void {
    const table = this.addresses(cluster)
    for (const interval of intervals) table.remove(interval)
    if (spec) this.neighbourhoods.removeRanges(cluster, spec)
    if (kind === 'node' || hostNetwork || !addresses) return
    for (const address of addresses.split(','))
      if (writeAddress(this.#bytes, 0, address)) this.neighbourhoods.removeNear(cluster, this.#words, kind === 'service')
  }

  #removeEntity(entity: number): void {
    this.#textsKnown.release(this.attribute.pod[entity])
    const [place, profile] = [this.levels.place[entity], this.levels.profile[entity]]
    if (place && this.#places.release(place)) this.#releaseTexts(['node', 'zone'], place)
    if (this.#profiles.release(profile)) this.#releaseTexts(profileAttributes, profile)
    this.#kinds[entity] = ''
    this.#freeEntities.push(entity)
  }

  #releaseTexts(names: readonly Attribute[], at: number): void {
    for (const name of names) this.#textsKnown.release(this.attribute[name][at])
  }

  #addVersion(version: ObjectVersion, kind: EntityKind): void {
    const { cluster = '', valid_from: from = 0, valid_to: to = Infinity, ended_after: endedAfter = 0 } = version
    const name = `${cluster}/${kind}/${version.uid}`
    const told = this.#objects.get(name)
    const known = told?.versions.find(one => one.from === from)
    // Told again, or late: nothing asks for it, but that it may end another of its object.
    if (!told && to <= this.#knownSince) return
    const levels = this.#levelsOf(version, kind)
    const addresses = (version.addresses ?? []).join()
    if (known) {
      if (known.addresses === addresses && this.#isSame(known.entity, levels)) return this.#end(known, to, endedAfter || to)
      this.#end(known, from, from)
      this.#leave(known.object, known)
    }
    const object = told ?? this.#objectOf(name)
    const entity = this.#addEntity(kind, levels)
    this.listening.learn(entity, version)
    const limit = known?.limit ?? Infinity
    const added: Known = {
      kind,
      entity,
      object,
      cluster,
      addresses,
      intervals: [],
      from,
      to: Math.min(to, limit),
      endedAfter: endedAfter || to,
      limit,
      hostNetwork: version.host_network === true,
      spec: kind === 'node' ? (version.spec ?? '') : '',
      forgotten: false,
    }
    object.versions.push(added)
    object.count++
    this.#versions++
    this.#addAddresses(version, added)
    this.#noteEnd(added)
    this.#succeed(object, added)
  }

  #addAddresses({ addresses = [], kind, host_network: hostNetwork, cluster = '', spec }: ObjectVersion, added: Known): void {
    const table = this.addresses(cluster)
    const { from, to, endedAfter, entity, object } = added
    for (const address of addresses) {
      if (!writeAddress(this.#bytes, 0, address)) continue
      added.intervals.push(table.add(this.#words, 0, from, to, entity, { endedAfter, object: object.number }))
      if (kind !== 'node' && !hostNetwork) this.neighbourhoods.addNear(cluster, this.#words, kind === 'service')
    }
    if (kind === 'node' && spec) this.neighbourhoods.addRanges(cluster, spec)
  }

  #objectOf(name: string): ObjectHistory {
    const object = { name, number: this.#objectCount++, versions: [], count: 0 }
    this.#objects.set(name, object)
    return object
  }

  #leave({ versions }: ObjectHistory, known: Known): void {
    const at = versions.indexOf(known)
    if (at < 0) return
    versions.splice(at, 1)
    this.#versions--
  }

  #addEntity(kind: EntityKind, levels: Record<Level, number>): number {
    const entity = this.#freeEntities.pop() ?? this.#kinds.length
    this.#kinds[entity] = kind
    this.attribute.pod[entity] = this.#textsKnown.use(levels.own)
    this.levels.place[entity] = this.#places.use(levels.place)
    this.levels.profile[entity] = this.#profiles.use(levels.profile)
    return entity
  }

  #isSame(entity: number, { own, place, profile }: Record<Level, number>): boolean {
    return this.attribute.pod[entity] === own && this.levels.place[entity] === place && this.levels.profile[entity] === profile
  }

  /** The numbers of its name, its place and its profile. */
  #levelsOf(version: ObjectVersion, kind: EntityKind): Record<Level, number> {
    const known = describe(version, kind)
    return {
      own: this.#textsKnown.number(known.pod ?? ''),
      place: this.#placeOf(version.cluster ?? '', known.node ?? '', known.zone ?? ''),
      profile: this.#profileOf(known),
    }
  }

  #profileOf(known: Partial<Record<Attribute, string>>): number {
    const name = profileAttributes.map(attribute => known[attribute] ?? '').join('\0')
    const before = this.#profiles.find(name)
    if (before !== undefined) return before
    const number = this.#profiles.number(name)
    for (const attribute of profileAttributes) this.attribute[attribute][number] = this.#useText(known[attribute] ?? '')
    return number
  }

  /** Where it runs. The zone of a node may become known later. */
  #placeOf(cluster: string, node: string, zone: string): number {
    if (!node && !zone) return 0
    const name = `${cluster}/${node}\0${zone}`
    const before = this.#places.find(name)
    if (before !== undefined) return before
    const number = this.#places.number(name)
    this.attribute.node[number] = this.#useText(node)
    this.attribute.zone[number] = this.#useText(zone || (this.#zones.get(`${cluster}/${node}`)?.zone ?? ''))
    return number
  }

  #learnZone(node: string, told: { zone: string; object: string }): void {
    const before = this.#zones.get(node)
    this.#zones.set(node, told)
    const place = before?.zone === told.zone ? undefined : this.#places.find(`${node}\0`)
    if (place === undefined) return
    const zones = this.attribute.zone
    const old = zones[place]
    zones[place] = this.#useText(told.zone)
    this.#textsKnown.release(old)
  }

  #useText(text: string): number {
    return this.#textsKnown.use(this.#textsKnown.number(text))
  }

  /** An object has one version at a time: the earlier one ends where the later one begins. */
  #succeed(object: ObjectHistory, added: Known): void {
    const other = object.newest
    if (!other || other.from === added.from) return void (object.newest = added)
    const [earlier, later] = other.from < added.from ? [other, added] : [added, other]
    earlier.limit = Math.min(earlier.limit, later.from)
    if (earlier.to > later.from) this.#end(earlier, earlier.to, earlier.endedAfter)
    object.newest = later
  }

  #end(known: Known, to: number, endedAfter: number): void {
    if (known.forgotten) return
    known.to = Math.min(to, known.limit)
    known.endedAfter = Math.min(endedAfter, known.to)
    const table = this.addresses(known.cluster)
    for (const interval of known.intervals) table.close(interval, known.to, known.endedAfter)
    this.#noteEnd(known)
  }

  #noteEnd(known: Known): void {
    if (known.to < openEnd) this.#endings.put(known, known.to)
  }
}

function describe({ namespace = '', name = '', ...version }: ObjectVersion, kind: EntityKind): Partial<Record<Attribute, string>> {
  const { cluster } = version
  if (kind === 'node') return { cluster, node: name, zone: version.zone }
  if (kind === 'service') return { cluster, namespace, service: `${namespace}/${name}` }
  const { workload, workload_kind, services, service_account, node, spiffe_id } = version
  return {
    cluster,
    namespace,
    pod: name,
    workload,
    workload_kind,
    service: serviceOf(services, workload),
    service_account,
    node,
    zone: version.zone,
    spiffe_id,
    spiffe_id_source: spiffe_id && 'object',
  }
}
