import type { ObjectVersion } from '../../schema/object.ts'
import { checkBy } from '../identity/check.ts'
import { type ControllerManagerOptions, controllerManagerOf } from '../identity/controller-manager.ts'
import { IdentityFacts, type TrustDomains, nameOf } from '../identity/facts.ts'
import { type Found, type IdentitySource, type Standing, standingBy } from '../identity/standing.ts'
import type { Stretch } from '../identity/stretch.ts'

export interface IdentityOptions {
  trust_domains?: TrustDomains
  /** Namespace whose PeerAuthentications are for the whole mesh. */
  root_namespace?: string
  /** How the spire-controller-manager of a cluster is configured. */
  spire_controller_managers?: Readonly<Record<string, ControllerManagerOptions>>
}

/** A SPIFFE ID and how it is known. */
export interface Given {
  id: string
  source: IdentitySource
}

const leastForgetting = 4096
const mostGiven = 50_000
const mostStandings = 8

/**
 * Which SPIFFE IDs pods may have, in time: by entries of SPIRE, by templates of spire-controller-manager, by what Istio calls those in its
 * mesh; which trust domains are trusted; and who demands certificates of whom. From `object` records in any order.
 */
export class IdentityTable {
  readonly #facts: IdentityFacts
  readonly #stand: ReturnType<typeof standingBy>
  /** What is to be said of an SPIFFE ID that the certificate of a pod showed. `standing` is the pod's, where it is known which that is. */
  readonly check: ReturnType<typeof checkBy>
  readonly #clusters = new Set<string>()
  /** Numbers of all pods of a name, by cluster and namespace, then by name. */
  readonly #numbersOf = new Map<string, Map<string, number>>()
  /** By such a number: the name, and what was found out. */
  readonly #names: string[] = []
  readonly #standings: Standing[][] = []
  readonly #unused: number[] = []
  /** The stretch of time for which there is an answer at hand, and that answer: it is asked for with nearly every row. */
  #since = new Float64Array(1024).fill(Infinity)
  #until = new Float64Array(1024)
  readonly #atHand: Standing[] = []
  /** What ends are given, each once. */
  readonly given: Given[] = [{ id: '', source: '' }]
  readonly #givenNumbers = new Map([['|', 0]])
  /** Whether something is known that the answers at hand do not take into account. */
  #outdated = false
  #taken = 0
  #forgetAt = leastForgetting
  #knownSince = -Infinity
  #forgottenTo = -Infinity

  /** `notUnderstood` is told once of each object that cannot be used. Throws ConfigError. */
  constructor(options: IdentityOptions = {}, notUnderstood: (name: string, reason: string) => void = () => {}) {
    const { trust_domains: trustDomains = {}, root_namespace: root = 'istio-system' } = options
    this.#facts = new IdentityFacts({ trustDomains, managerOf: managersOf(options) }, notUnderstood)
    this.#stand = standingBy(this.#facts, root)
    this.check = checkBy(this.#facts)
  }

  /** How many versions of pods are remembered. */
  get size(): number {
    return this.#facts.pods.size
  }

  /** How many objects say what is not understood. */
  get unsupported(): number {
    return this.#facts.unsupported
  }

  /** Whether nothing is known by which an identity could be told or checked. */
  get empty(): boolean {
    return !this.#facts.tells
  }

  /** Whether there are entries for numeric identities. */
  get hasNumbers(): boolean {
    return this.#facts.numbers
  }

  /** Whether pods of a cluster are known by this name. */
  knows(cluster: string): boolean {
    return this.#clusters.has(cluster)
  }

  add(version: ObjectVersion): void {
    if (version.kind === 'history') return this.forget(version.time ?? 0)
    if (version.kind === 'pod') this.#addPod(version)
    else if (this.#facts.addOther(version)) this.#outdated = true
    if (++this.#taken >= this.#forgetAt) this.#forget()
  }

  #addPod(version: ObjectVersion): void {
    const { cluster, namespace, name } = this.#facts.addPod(version)
    this.#clusters.add(cluster)
    const place = nameOf(cluster, namespace)
    const pods = this.#numbersOf.get(place) ?? new Map<string, number>()
    this.#numbersOf.set(place, pods)
    const number = pods.get(name) ?? this.#unused.pop() ?? this.#names.length
    this.#names[number] = nameOf(cluster, namespace, name)
    pods.set(name, number)
    this.#clear(number)
  }

  #clear(pod: number): void {
    if (pod >= this.#since.length) [this.#since, this.#until] = [grown(this.#since), grown(this.#until)]
    this.#since[pod] = Infinity
    this.#standings[pod] = []
  }

  /** From now on what ended before that time may be forgotten. */
  forget(before: number): void {
    this.#knownSince = Math.max(this.#knownSince, before)
  }

  /** Looks through all there is, so not again before as much has come. */
  #forget(): void {
    this.#forgetAt = this.#taken + Math.max(leastForgetting, this.#facts.pods.size)
    if (this.given.length > mostGiven) this.#forgetGiven()
    if (this.#knownSince === this.#forgottenTo) return
    this.#forgottenTo = this.#knownSince
    this.#facts.forget(this.#knownSince)
    for (const pods of this.#numbersOf.values())
      for (const [name, pod] of pods)
        if (!this.#facts.pods.named(this.#names[pod]).length) {
          pods.delete(name)
          this.#clear(pod)
          this.#unused.push(pod)
        }
  }

  #forgetGiven(): void {
    this.given.length = 1
    this.#givenNumbers.clear()
    this.#givenNumbers.set('|', 0)
    this.#startOver()
  }

  /** Numbers of the pods of a namespace by their names; nothing for one of which no pod is known. */
  pods(cluster: string, namespace: string): ReadonlyMap<string, number> | undefined {
    return this.#numbersOf.get(nameOf(cluster, namespace))
  }

  /** What is known of the identity of a pod at a time, or nothing where there never was one of that name. */
  standing(cluster: string, namespace: string, pod: string, time: number): Standing | undefined {
    const number = this.pods(cluster, namespace)?.get(pod)
    return number === undefined ? undefined : this.standingOf(number, time)
  }

  /** The number of a SPIFFE ID with how it is known. */
  give({ id, source }: Given): number {
    const name = `${source}|${id}`
    let number = this.#givenNumbers.get(name)
    if (number === undefined) this.#givenNumbers.set(name, (number = this.given.push({ id, source }) - 1))
    return number
  }

  /** The same of the pods of a number, kept until something it depends on changes. */
  standingOf(pod: number, time: number): Standing {
    if (this.#outdated) this.#startOver()
    if (time >= this.#since[pod] && time < this.#until[pod]) return this.#atHand[pod]
    const known = this.#standings[pod]
    let standing = known.find(({ stretch }) => stretch.includes(time))
    if (!standing) {
      if (known.length === mostStandings) known.length = 0
      known.push((standing = this.#withDecisions(this.#stand(this.#names[pod], time))))
    }
    this.#since[pod] = standing.stretch.from
    this.#until[pod] = standing.stretch.to
    return (this.#atHand[pod] = standing)
  }

  #startOver(): void {
    this.#since.fill(Infinity)
    for (const known of this.#standings) known.length = 0
    this.#outdated = false
  }

  #withDecisions(standing: Found): Standing {
    const { stretch } = standing
    const whole = standing as Standing
    whole.named = { stretch, given: 0, check: '', expected: '', standing: whole }
    whole.unnamed = { ...whole.named, given: this.give(standing) }
    return whole
  }

  /** The SPIFFE ID of SPIRE for a numeric identity of Cilium, or ''. */
  ofNumber(cluster: string, number: number, time: number, stretch: Stretch): string {
    const found = this.#facts.entries.at(nameOf(cluster, 'number', number), time, stretch).map(({ spiffeId }) => spiffeId)
    return new Set(found).size === 1 ? found[0] : ''
  }
}

function managersOf({ spire_controller_managers: managers = {} }: IdentityOptions) {
  const usual = controllerManagerOf()
  const configured = new Map(
    Object.entries(managers).map(([cluster, options]) => [
      cluster,
      controllerManagerOf(options, `enrich.identity.spire_controller_managers.${cluster}`),
    ]),
  )
  return (cluster: string) => configured.get(cluster) ?? usual
}

function grown(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2)
  larger.set(array)
  return larger
}
