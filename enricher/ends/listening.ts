import { writeAddress } from '../../runtime/block/address.ts'
import { remembered } from '../../runtime/shared.ts'
import { type ObjectVersion, objectKey } from '../../schema/object.ts'
import { codesOf, isAmong, readPort } from './ports.ts'
import { readReach } from './reach.ts'

/** A node port and the service behind it, while it had it. */
interface Held {
  /** Of the version that says so. */
  key: string
  uid: string
  from: number
  to: number
  service: number
}

interface Named {
  service: number
  from: number
}

/**
 * Which ports pods and services listen at, by the numbers the object table gives them, and which entities an address alone does not
 * tell: nodes, which have ports of services and pods of their own network, and pods behind several services.
 */
export class Listening {
  #dependsOnPort = new Uint8Array(1024)
  readonly #isService = [false]
  readonly #sharesNode = [false]
  readonly #ports = new Map<number, ReadonlySet<number>>()
  /** Of services, ports of the pods behind them. */
  readonly #targets = new Map<number, ReadonlySet<number>>()
  /** Of pods behind more than one: keys of `#named`. */
  readonly #services = new Map<number, readonly string[]>()
  /** The newest version of each service, by cluster/namespace/name. */
  readonly #named = new Map<string, Named>()
  readonly #nodePorts = new Map<string, Map<number, Held[]>>()
  readonly #external = new Map<number, ReadonlySet<string>>()
  readonly #words = new Int32Array(4)
  readonly #bytes = new Uint8Array(this.#words.buffer)

  /** Of each entity whether the port of an end may make it another: 0 or 1, and undefined for what is no entity. Valid until the next is learnt. */
  get dependsOnPort(): Uint8Array {
    return this.#dependsOnPort
  }

  isService(entity: number): boolean {
    return this.#isService[entity]
  }

  /** Whether it is a pod on the network of its node. */
  sharesNode(entity: number): boolean {
    return this.#sharesNode[entity]
  }

  listensAt(entity: number, port: number): boolean {
    return isAmong(this.#ports.get(entity), port)
  }

  /** Whether the address in `words` is one by which the service is reached from outside its cluster. */
  isExternal(service: number, words: Int32Array, at: number): boolean {
    return this.#external.get(service)?.has(wordsKey(words, at)) ?? false
  }

  /** The one service, of several that select the pod, that sends to this port of it; where it does not say, that has the same port. */
  serviceAt(pod: number, port: number): number | undefined {
    const services = this.#services.get(pod)?.flatMap(name => this.#named.get(name)?.service ?? [])
    return onlyOne(services?.filter(service => isAmong(this.#targets.get(service) ?? this.#ports.get(service), port)))
  }

  /** The service that had this port of the nodes of the cluster then. */
  behindNodePort(cluster: string, port: number, time: number): number | undefined {
    const ports = port ? this.#nodePorts.get(cluster) : undefined
    if (!ports) return undefined
    const held = codesOf(port).flatMap(code => ports.get(code) ?? [])
    return held.find(({ from, to }) => time >= from && time < to)?.service
  }

  /** Learns what is told of a new entity. */
  learn(entity: number, version: ObjectVersion): void {
    const { kind, cluster = '', namespace = '', name = '', services = [], ports = [] } = version
    this.#isService[entity] = kind === 'service'
    this.#sharesNode[entity] = kind === 'pod' && version.host_network === true
    this.#setDependsOnPort(entity, kind === 'node' || this.#sharesNode[entity] || services.length > 1)
    if (ports.length) this.#ports.set(entity, portsOf(ports))
    if (services.length > 1)
      this.#services.set(
        entity,
        services.map(service => `${cluster}/${service}`),
      )
    if (kind !== 'service') return
    const known = this.#named.get(`${cluster}/${namespace}/${name}`)
    const from = version.valid_from ?? 0
    if (!known || known.from <= from) this.#named.set(`${cluster}/${namespace}/${name}`, { service: entity, from })
    this.#learnReach(entity, version)
  }

  #setDependsOnPort(entity: number, depends: boolean): void {
    if (entity >= this.#dependsOnPort.length) {
      const larger = new Uint8Array(this.#dependsOnPort.length * 2)
      larger.set(this.#dependsOnPort)
      this.#dependsOnPort = larger
    }
    this.#dependsOnPort[entity] = Number(depends)
  }

  /** Ends (or prolongs) the node ports of a version of a service as that ends. */
  end(version: ObjectVersion): void {
    const key = objectKey(version)
    for (const held of this.#heldBy(version.cluster, version.uid)) if (held.key === key) held.to = version.valid_to ?? Infinity
  }

  /** Forgets an entity, whose number is given again. `name` is cluster/namespace/name of a service. */
  forget(entity: number, cluster: string, name: string): void {
    for (const known of [this.#ports, this.#targets, this.#services, this.#external]) known.delete(entity)
    if (!this.#isService[entity]) return
    if (this.#named.get(name)?.service === entity) this.#named.delete(name)
    const ports = this.#nodePorts.get(cluster)
    for (const [port, held] of ports ?? []) {
      if (!held.some(({ service }) => service === entity)) continue
      const others = held.filter(({ service }) => service !== entity)
      if (others.length) ports!.set(port, others)
      else ports!.delete(port)
    }
  }

  #heldBy(cluster = '', uid = ''): Held[] {
    return [...(this.#nodePorts.get(cluster)?.values() ?? [])].flat().filter(held => held.uid === uid)
  }

  #learnReach(service: number, version: ObjectVersion): void {
    const { nodePorts, targets, external } = readReach(version.spec)
    const { cluster = '', uid = '', valid_from: from = 0, valid_to: to = Infinity } = version
    // A service has one version at a time.
    for (const held of this.#heldBy(cluster, uid)) if (held.from < from && held.to > from) held.to = from
    for (const port of nodePorts) this.#hold(cluster, port, { key: objectKey(version), uid, from, to, service })
    if (targets.length) this.#targets.set(service, new Set(targets))
    if (external.length) this.#external.set(service, new Set(external.flatMap(address => this.#wordsOf(address))))
  }

  #hold(cluster: string, port: number, held: Held): void {
    if (!port) return
    const ports = this.#nodePorts.get(cluster) ?? new Map<number, Held[]>()
    this.#nodePorts.set(cluster, ports)
    const others = (ports.get(port) ?? []).filter(({ key }) => key !== held.key)
    ports.set(port, [...others, held])
    const later = others.filter(other => other.uid === held.uid && other.from > held.from).map(({ from }) => from)
    held.to = Math.min(held.to, ...later)
  }

  #wordsOf(address: string): string[] {
    return writeAddress(this.#bytes, 0, address) ? [wordsKey(this.#words, 0)] : []
  }
}

const mostSets = 10_000
const portSets = new Map<string, ReadonlySet<number>>()

/** Those of the pods of a workload are one set. */
const portsOf = (ports: readonly string[]) => remembered(portSets, ports.join(), mostSets, () => new Set(ports.map(readPort)))

const wordsKey = (words: Int32Array, at: number) => `${words[at]},${words[at + 1]},${words[at + 2]},${words[at + 3]}`

/** The only one of those, if there is but one. */
export const onlyOne = <T>(among: readonly T[] = []): T | undefined => (among.length === 1 ? among[0] : undefined)

/** Of several services that select a pod the one named like its workload, else the first. */
export function serviceOf(services: readonly string[] = [], workload = ''): string | undefined {
  return services.find(service => service.split('/')[1] === workload) ?? services[0]
}
