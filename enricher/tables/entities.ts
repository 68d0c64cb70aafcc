import { objectEndFields } from '../../schema/ends.ts'
import type { ObjectVersion } from '../../schema/object.ts'
import { serviceOf } from '../ends/listening.ts'
import { Numbered } from './numbered.ts'

/** What is known of an entity, each a text. */
export const attributes = ['cluster', ...objectEndFields, 'zone'] as const
export type Attribute = (typeof attributes)[number]

/** What an entity's attributes are found by: most are those of many pods, so each set of them is kept once. */
export type Level = 'own' | 'place' | 'profile'
type SharedLevel = Exclude<Level, 'own'>
export const levelOf = (attribute: Attribute): Level =>
  attribute === 'pod' ? 'own' : attribute === 'node' || attribute === 'zone' ? 'place' : 'profile'
const profileAttributes = attributes.filter(attribute => levelOf(attribute) === 'profile')

/** The entity of which nothing is known. */
export const nobody = 0

export type EntityKind = 'pod' | 'node' | 'service'

/** Who has addresses, as numbers from 1 on; what is known of them lies in columns of numbers of texts. The number of one that is removed is given again. */
export class Entities {
  readonly #known = new Numbered()
  /** Every text an entity has, once. Text 0 is ''. */
  readonly texts: readonly string[] = this.#known.texts
  /** By entity: the number of its place and of its profile. */
  readonly levels: Record<SharedLevel, number[]> = { place: [0], profile: [0] }
  /** For each attribute the number of its text, by the number of its level: the entity itself, its place or its profile. */
  readonly attribute = Object.fromEntries(attributes.map(name => [name, [0]])) as Record<Attribute, number[]>
  /** By entity; '' while its number is nobody's. */
  readonly kinds: (EntityKind | '')[] = ['']
  readonly #free: number[] = []
  readonly #profiles = new Numbered()
  readonly #places = new Numbered()
  /** By cluster/node; and the object that says so. */
  readonly #zones = new Map<string, { zone: string; object: string }>()

  /** The numbers of its name, its place and its profile. */
  levelsOf(version: ObjectVersion, kind: EntityKind): Record<Level, number> {
    const known = describe(version, kind)
    return {
      own: this.#known.number(known.pod ?? ''),
      place: this.#placeOf(version.cluster ?? '', known.node ?? '', known.zone ?? ''),
      profile: this.#profileOf(known),
    }
  }

  /** Whether those are the numbers of the entity. */
  isSame(entity: number, { own, place, profile }: Record<Level, number>): boolean {
    return this.attribute.pod[entity] === own && this.levels.place[entity] === place && this.levels.profile[entity] === profile
  }

  add(kind: EntityKind, levels: Record<Level, number>): number {
    const entity = this.#free.pop() ?? this.kinds.length
    this.kinds[entity] = kind
    this.attribute.pod[entity] = this.#known.use(levels.own)
    this.levels.place[entity] = this.#places.use(levels.place)
    this.levels.profile[entity] = this.#profiles.use(levels.profile)
    return entity
  }

  remove(entity: number): void {
    this.#known.release(this.attribute.pod[entity])
    const [place, profile] = [this.levels.place[entity], this.levels.profile[entity]]
    if (place && this.#places.release(place)) this.#releaseTexts(['node', 'zone'], place)
    if (this.#profiles.release(profile)) this.#releaseTexts(profileAttributes, profile)
    this.kinds[entity] = ''
    this.#free.push(entity)
  }

  #releaseTexts(names: readonly Attribute[], at: number): void {
    for (const name of names) this.#known.release(this.attribute[name][at])
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

  /** The zone of cluster/node, and of what runs there. */
  learnZone(node: string, told: { zone: string; object: string }): void {
    const before = this.#zones.get(node)
    this.#zones.set(node, told)
    const place = before?.zone === told.zone ? undefined : this.#places.find(`${node}\0`)
    if (place === undefined) return
    const zones = this.attribute.zone
    const old = zones[place]
    zones[place] = this.#useText(told.zone)
    this.#known.release(old)
  }

  /** Those that an object told. */
  forgetZones(object: string): void {
    for (const [node, told] of this.#zones) if (told.object === object) this.#zones.delete(node)
  }

  #useText(text: string): number {
    return this.#known.use(this.#known.number(text))
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
