import { writeAddress } from '../../runtime/block/address.ts'
import { type ObjectVersion, objectName, openEnd } from '../../schema/object.ts'
import { Listening } from '../ends/listening.ts'
import { AddressTable } from './address-table.ts'
import { Endings } from './endings.ts'
import { type Attribute, Entities, type EntityKind, levelOf } from './entities.ts'
import { Heartbeats } from './heartbeats.ts'
import { Neighbourhoods } from './neighbourhoods.ts'

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
 * replaces what was known of it. Entities are numbers; what is known of them is looked up in their columns.
 */
export class ObjectTable {
  readonly #entities = new Entities()
  readonly texts = this.#entities.texts
  readonly levels = this.#entities.levels
  readonly attribute = this.#entities.attribute
  readonly #kinds = this.#entities.kinds
  readonly heartbeats = new Heartbeats()
  readonly neighbourhoods = new Neighbourhoods()
  /** What entities listen at, besides having addresses. */
  readonly listening = new Listening()
  readonly #clusters = new Map<string, AddressTable>()
  #versions = 0
  readonly #objects = new Map<string, ObjectHistory>()
  #objectCount = 0
  readonly #endings = new Endings<Known>()
  #knownSince = -Infinity
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
    if (kind === 'node' && zone) this.#entities.learnZone(`${cluster}/${name}`, { zone, object: objectName(version) })
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
    this.#entities.remove(entity)
    if (--object.count > 0) return
    this.#objects.delete(object.name)
    if (kind === 'node') this.#entities.forgetZones(object.name)
  }

  #removeAddresses({ cluster, kind, addresses, intervals, hostNetwork, spec }: Known): void {
    const table = this.addresses(cluster)
    for (const interval of intervals) table.remove(interval)
    if (spec) this.neighbourhoods.removeRanges(cluster, spec)
    if (kind === 'node' || hostNetwork || !addresses) return
    for (const address of addresses.split(','))
      if (writeAddress(this.#bytes, 0, address)) this.neighbourhoods.removeNear(cluster, this.#words, kind === 'service')
  }

  #addVersion(version: ObjectVersion, kind: EntityKind): void {
    const { cluster = '', valid_from: from = 0, valid_to: to = Infinity, ended_after: endedAfter = 0 } = version
    const name = objectName(version)
    const told = this.#objects.get(name)
    const known = told?.versions.find(one => one.from === from)
    // Told again, or late: nothing asks for it, but that it may end another of its object.
    if (!told && to <= this.#knownSince) return
    const levels = this.#entities.levelsOf(version, kind)
    const addresses = (version.addresses ?? []).join()
    if (known) {
      if (known.addresses === addresses && this.#entities.isSame(known.entity, levels)) return this.#end(known, to, endedAfter || to)
      this.#end(known, from, from)
      this.#leave(known.object, known)
    }
    const object = told ?? this.#objectOf(name)
    const entity = this.#entities.add(kind, levels)
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
