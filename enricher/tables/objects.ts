import { addressBytes, writeAddress } from '../../runtime/block/address.ts'
import type { Block } from '../../runtime/block/block.ts'
import { type ObjectVersion, objectKey } from '../../schema/object.ts'
import { AddressTable } from './address-table.ts'

/** What the enricher knows of a pod, node or service during one interval. */
export interface Entity {
  kind: 'pod' | 'node' | 'service'
  namespace: string
  pod: string
  workload: string
  workload_kind: string
  service: string
  service_account: string
  node: string
  zone: string
  spiffe_id: string
  hostNetwork: boolean
}

interface Known {
  entity: number
  cluster: string
  intervals: number[]
  from: number
  to: number
}

/**
 * The history of who had which address, per cluster, from `object` records in any order. A version seen again with another end
 * replaces what was known of it.
 */
export class ObjectTable {
  readonly entities: Entity[] = []
  readonly #clusters = new Map<string, AddressTable>()
  readonly #versions = new Map<string, Known>()
  /** The newest version of each object, to end it when its successor begins. */
  readonly #newest = new Map<string, Known>()
  readonly #zones = new Map<string, string>()
  readonly #serverPorts = new Set<number>()
  readonly #bytes = new Uint8Array(addressBytes)

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

  addBlock(block: Block): void {
    for (const record of block.records()) this.add(record as ObjectVersion)
  }

  add(version: ObjectVersion): void {
    const { kind, cluster = '', name = '', zone = '' } = version
    if (kind === 'node' && zone) this.#zones.set(`${cluster}/${name}`, zone)
    if (kind === 'service') for (const port of version.ports ?? []) this.#serverPorts.add(Number(port.split('/')[1]))
    if (kind === 'pod' || kind === 'node' || kind === 'service') this.#addAddresses(version)
  }

  #addAddresses(version: ObjectVersion): void {
    const key = objectKey(version)
    const to = version.valid_to ?? Infinity
    const known = this.#versions.get(key)
    if (known) return this.#end(known, to)
    const from = version.valid_from ?? 0
    const cluster = version.cluster ?? ''
    const added: Known = { entity: this.entities.push(entityOf(version)) - 1, cluster, intervals: [], from, to }
    const table = this.addresses(cluster)
    for (const address of version.addresses ?? []) {
      if (!writeAddress(this.#bytes, 0, address)) continue
      added.intervals.push(table.add(this.#bytes, 0, from, to, added.entity))
    }
    this.#versions.set(key, added)
    this.#succeed(`${cluster}/${version.kind}/${version.uid}`, added)
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

  zoneOf(cluster: string, node: string): string {
    return this.#zones.get(`${cluster}/${node}`) ?? ''
  }
}

function entityOf(version: ObjectVersion): Entity {
  const { kind, namespace = '', name = '', zone = '' } = version
  const empty = { namespace, pod: '', workload: '', workload_kind: '', service: '', service_account: '', node: '', zone, spiffe_id: '' }
  if (kind === 'node') return { ...empty, kind, namespace: '', node: name, hostNetwork: false }
  if (kind === 'service') return { ...empty, kind, service: `${namespace}/${name}`, hostNetwork: false }
  return {
    ...empty,
    kind: 'pod',
    pod: name,
    workload: version.workload ?? '',
    workload_kind: version.workload_kind ?? '',
    service: version.services?.[0] ?? '',
    service_account: version.service_account ?? '',
    node: version.node ?? '',
    spiffe_id: version.spiffe_id ?? '',
    hostNetwork: version.host_network ?? false,
  }
}
