import { type Party, nodeParty, outsideParty, podParty } from './party.ts'
import type { Lives, Pod } from './lives.ts'
import type { Random } from './random.ts'
import { type Workload, customers, nodes, objectStore, registry, stripe, workload, workloads } from './shop.ts'
import { second } from './story.ts'

/** How long one look at who lives serves. */
const lookFor = 30 * second

const outside = [...customers, stripe, objectStore, registry].map(outsideParty)
const outsideAt = (address: string) => outside.find(party => party.address === address) as Party

/** Parties that are always there. */
export const world = {
  customers: outside.slice(0, customers.length),
  stripe: outsideAt(stripe.address),
  objectStore: outsideAt(objectStore.address),
  registry: outsideAt(registry.address),
  nodes: nodes.map(nodeParty),
}

/** Who can take part in conversations within a stretch of time. */
export class Scene {
  readonly #byWorkload: Party[][]
  readonly pods: Party[]

  constructor(parties: Party[]) {
    this.pods = parties.filter(party => party.pod)
    this.#byWorkload = workloads.map(each => parties.filter(party => party.workload === each))
  }

  /** A replica that is alive all through [from, to], if there is one. */
  replica(of: Workload, random: Random, from: number, to: number): Party | undefined {
    return alive(this.#byWorkload[of.index], random, from, to)
  }

  anyPod(random: Random, from: number, to: number): Party | undefined {
    return alive(this.pods, random, from, to)
  }
}

function alive(parties: Party[], random: Random, from: number, to: number): Party | undefined {
  if (!parties.length) return undefined
  const first = random.below(parties.length)
  for (let i = 0; i < parties.length; i++) {
    const party = parties[(first + i) % parties.length]
    if (party.pod && party.pod.from <= from && party.pod.to > to) return party
  }
  return undefined
}

/** Sets scenes, remembering what was looked up last. */
export class Stage {
  readonly #lives: Lives
  readonly #parties = new WeakMap<Pod, Party>()
  #looked = { from: 0, to: 0, parties: [] as Party[] }

  constructor(lives: Lives) {
    this.#lives = lives
  }

  /** Who is there at some time of [from, to), a stretch within one second. */
  scene(from: number, to: number): Scene {
    if (from < this.#looked.from || to > this.#looked.to) this.#look(from)
    return new Scene(this.#looked.parties.filter(({ pod }) => pod && pod.from < to && pod.to > from))
  }

  #look(time: number): void {
    const from = time - (time % lookFor)
    const parties = this.#lives.between(from, from + lookFor).map(pod => this.#party(pod))
    this.#looked = { from, to: from + lookFor, parties: parties.filter(party => party.pod) }
  }

  #party(pod: Pod): Party {
    const known = this.#parties.get(pod)
    if (known) return known
    const party = podParty(pod)
    this.#parties.set(pod, party)
    return party
  }
}

export const coredns = workload('coredns')
