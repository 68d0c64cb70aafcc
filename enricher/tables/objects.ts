import { writeAddress } from '../../runtime/block/address.ts'
import type { Block } from '../../runtime/block/block.ts'
import { type ObjectVersion, objectKey } from '../../schema/object.ts'
import { Listening, serviceOf } from '../ends/listening.ts'
import { AddressTable } from './address-table.ts'

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

/** The entity of which nothing is known. */
export const nobody = 0

interface Known {
  entity: number
  cluster: string
  intervals: number[]
  from: number
  to: number
}

/**
 * The history of who had which address, per cluster, from `object` records in any order. A version seen again with another end
 * replaces what was known of it. Entities are numbers; what is known of them lies in columns of numbers of texts.
 */
export class ObjectTable {
  /** Every text an entity has, once. Text 0 is ''. */
  readonly texts: string[] = ['']
  /** For each attribute the number of its text, by entity. */
  readonly attribute = Object.fromEntries(attributes.map(name => [name, [0]])) as Record<Attribute, number[]>
  /** What entities listen at, besides having addresses. */
  readonly listening = new Listening()
  readonly #isNode = [false]
  readonly #textNumbers = new Map([['', 0]])
  readonly #clusters = new Map<string, AddressTable>()
  readonly #versions = new Map<string, Known>()
  /** The newest version of each object, to end it when its successor begins. */
  readonly #newest = new Map<string, Known>()
  readonly #zones = new Map<string, string>()
  /** Entities on nodes whose zone is not known yet. */
  readonly #withoutZone = new Map<string, number[]>()
  readonly #serverPorts = new Set<number>()
  readonly #words = new Int32Array(4)
  readonly #bytes = new Uint8Array(this.#words.buffer)

  get versions(): number {
    return this.#versions.size
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
    return this.#isNode[entity]
  }

  text(attribute: Attribute, entity: number): string {
    return this.texts[this.attribute[attribute][entity]]
  }

  addBlock(block: Block): void {
    for (const record of block.records()) this.add(record as ObjectVersion)
  }

  add(version: ObjectVersion): void {
    const { kind, cluster = '', name = '', zone = '' } = version
    if (kind === 'node' && zone) this.#learnZone(`${cluster}/${name}`, zone)
    if (kind === 'service') for (const port of version.ports ?? []) this.#serverPorts.add(Number(port.split('/')[1]))
    if (kind === 'pod' || kind === 'node' || kind === 'service') this.#addAddresses(version)
    if (kind === 'service') this.listening.end(version)
  }

  #addAddresses(version: ObjectVersion): void {
    const key = objectKey(version)
    const { cluster = '', valid_from: from = 0, valid_to: to = Infinity } = version
    const known = this.#versions.get(key)
    if (known) return this.#end(known, to)
    const added: Known = { entity: this.#addEntity(version), cluster, intervals: [], from, to }
    const table = this.addresses(cluster)
    for (const address of version.addresses ?? [])
      if (writeAddress(this.#bytes, 0, address)) added.intervals.push(table.add(this.#words, 0, from, to, added.entity))
    this.#versions.set(key, added)
    this.#succeed(`${cluster}/${version.kind}/${version.uid}`, added)
  }

  #addEntity(version: ObjectVersion): number {
    const known = describe(version)
    const entity = this.#isNode.push(version.kind === 'node') - 1
    this.listening.learn(entity, version)
    for (const name of attributes) this.attribute[name].push(this.#textNumber(known[name] ?? ''))
    if (known.node && !known.zone) this.#findZone(entity, `${version.cluster ?? ''}/${known.node}`)
    return entity
  }

  #textNumber(text: string): number {
    let number = this.#textNumbers.get(text)
    if (number === undefined) this.#textNumbers.set(text, (number = this.texts.push(text) - 1))
    return number
  }

  #findZone(entity: number, node: string): void {
    const zone = this.#zones.get(node)
    if (zone) this.attribute.zone[entity] = this.#textNumber(zone)
    else this.#withoutZone.set(node, [...(this.#withoutZone.get(node) ?? []), entity])
  }

  #learnZone(node: string, zone: string): void {
    this.#zones.set(node, zone)
    for (const entity of this.#withoutZone.get(node) ?? []) this.attribute.zone[entity] = this.#textNumber(zone)
    this.#withoutZone.delete(node)
  }

  /** An object has one version at a time: the earlier one ends where the later one begins. */
  #succeed(object: string, added: Known): void {
    const other = this.#newest.get(object)
    if (!other) return void this.#newest.set(object, added)
    const [earlier, later] = other.from <= added.from ? [other, added] : [added, other]
    if (earlier.to > later.from) this.#end(earlier, later.from)
    this.#newest.set(object, later)
  }

  #end(known: Known, to: number): void {
    known.to = to
    const table = this.addresses(known.cluster)
    for (const interval of known.intervals) table.close(interval, to)
  }
}

function describe({ kind, cluster, namespace = '', name = '', ...version }: ObjectVersion): Partial<Record<Attribute, string>> {
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
