import { hashOf } from './random.ts'
import { type Node, type Workload, nodes, workload, workloads } from './shop.ts'
import { chapter, chapterLength, chapterOf, minute, replicaEvery, second } from './story.ts'

/** End of what has no end that is known. */
export const never = Infinity

/** One pod, from the moment its address is its own to the moment it no longer is. */
export interface Pod {
  uid: string
  name: string
  workload: Workload
  version: string
  node: Node
  address: string
  /** Numeric id of the endpoint on its node. */
  endpoint: number
  from: number
  to: number
}

/** Two replicas on one node that are restarted together and get each other's address, twice in a chapter. */
const swaps: readonly [one: string, other: string][] = [
  ['frontend', 'cart'],
  ['recommendation', 'catalog'],
  ['payment', 'fraud'],
  ['redis', 'ingress-gateway'],
]
const swapsPerChapter = 2
const jobEvery = 2 * minute

interface Life {
  workload: Workload
  /** What the random part of names is drawn from: no two lives have the same. */
  key: string
  name: (suffix: string) => string
  version?: string
  node: Node
  host: number
  from: number
  to: number
}

const letters = 'bcdfghjklmnpqrstvwxz2456789'

function suffix(hash: number, length: number): string {
  let text = ''
  for (let i = 0; i < length; i++, hash = Math.floor(hash / letters.length)) text += letters[hash % letters.length]
  return text
}

/** A UUID in version 4 form that depends on the key only. */
export function uidOf(seed: number, key: string): string {
  const hex = [0, 1, 2, 3].map(part => hashOf(seed, key, part).toString(16).padStart(8, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
}

/** Who lives when. A pure function of seed and anchor: any moment of the past can be asked for again. */
export class Lives {
  readonly #seed: number
  readonly #anchor: number
  readonly #known = new Map<string, Pod>()

  constructor(seed: number, anchor: number) {
    this.#seed = seed
    this.#anchor = anchor
  }

  /** All pods that are alive at some time in [from, to). */
  between(from: number, to: number): Pod[] {
    const lives = [...this.#steady(), ...this.#swapped(from, to), ...this.#checkout(from, to), ...this.#jobs(from, to)]
    return lives.filter(life => life.from < to && life.to > from).map(life => this.#pod(life))
  }

  /** The same life is the same object each time, so that what is encoded for it can be kept. */
  #pod(life: Life): Pod {
    const known = this.#known.get(life.key)
    if (known) return known
    if (this.#known.size > 2_000) this.#known.clear()
    const { workload, key, node, host, from, to, version = 'v1' } = life
    const pod: Pod = {
      uid: uidOf(this.#seed, key),
      name: life.name(suffix(hashOf(this.#seed, key), 5)),
      workload,
      version,
      node,
      address: workload.hostNetwork ? node.address : `10.244.${node.index + 1}.${host}`,
      endpoint: workload.hostNetwork ? 0 : 100 + (hashOf(this.#seed, key, 1) % 3900),
      from,
      to,
    }
    this.#known.set(key, pod)
    return pod
  }

  /** Name of the ReplicaSet of a Deployment: another template, another hash. */
  #replicaSet({ name }: Workload, template: string): string {
    return `${name}-${suffix(hashOf(this.#seed, `${name}/${template}`), 9)}`
  }

  /** Replicas that were there before the story and stay. */
  *#steady(): Generator<Life> {
    for (const each of workloads) {
      if (each.kind === 'CronJob' || each.name === 'checkout') continue
      const swapped = swaps.flat().includes(each.name) ? 1 : 0
      for (let replica = 0; replica < each.replicas - swapped; replica++) yield this.#steadyLife(each, replica)
    }
  }

  #steadyLife(each: Workload, replica: number): Life {
    const key = `${each.name}/${replica}`
    const days = 2 + (hashOf(this.#seed, key, 2) % 12)
    const names = { StatefulSet: () => `${each.name}-${replica}`, DaemonSet: (random: string) => `${each.name}-${random}` }
    return {
      workload: each,
      key,
      name: names[each.kind as 'StatefulSet'] ?? (random => `${this.#replicaSet(each, 'v1')}-${random}`),
      node: nodes[each.kind === 'DaemonSet' ? replica : (each.index + replica * 2) % nodes.length],
      host: 10 + each.index * 5 + replica,
      from: this.#anchor - days * 24 * 60 * minute - (hashOf(this.#seed, key, 3) % minute),
      to: never,
    }
  }

  /** When a pair changes addresses for the `number`th time; may be negative, as before the anchor. */
  #swapTime(pair: number, number: number): number {
    const inChapter = ((number % swapsPerChapter) + swapsPerChapter) % swapsPerChapter
    const start = chapter(this.#anchor, Math.floor(number / swapsPerChapter)).deploy
    const every = chapterLength / swapsPerChapter
    return start + inChapter * every + pair * 2 * minute + (hashOf(this.#seed, 'swap', pair, number + 4294967296) % (90 * second))
  }

  *#swapped(from: number, to: number): Generator<Life> {
    const first = (chapterOf(this.#anchor, from) - 1) * swapsPerChapter
    const last = (chapterOf(this.#anchor, to) + 1) * swapsPerChapter
    for (let pair = 0; pair < swaps.length; pair++)
      for (let number = first; number < last; number++) for (const side of [0, 1]) yield this.#swapLife(pair, number, side)
  }

  /** The old pods end within 80 ms of the swap; the new ones have the addresses 200 to 900 ms after it. */
  #swapLife(pair: number, number: number, side: number): Life {
    const each = workload(swaps[pair][side])
    const key = `${each.name}/swap/${number}`
    const ready = 200_000 + (hashOf(this.#seed, key, 4) % 700_000)
    return {
      workload: each,
      key,
      name: random => `${this.#replicaSet(each, 'v1')}-${random}`,
      node: nodes[pair],
      host: 100 + pair * 2 + (Math.abs(number + side) % 2),
      from: this.#swapTime(pair, number) + ready,
      to: this.#swapTime(pair, number + 1) + side * 80_000,
    }
  }

  /** Each chapter rolls checkout to v2 and back; a new pod is there 3 s before the old one goes. */
  *#checkout(from: number, to: number): Generator<Life> {
    const each = workload('checkout')
    for (let number = chapterOf(this.#anchor, from) - 1; number <= chapterOf(this.#anchor, to) + 1; number++) {
      const { deploy, rollback } = chapter(this.#anchor, number)
      const before = chapter(this.#anchor, number - 1).rollback
      for (let replica = 0; replica < each.replicas; replica++) {
        yield this.#checkoutLife(`v1/${number}`, 'v1', replica, before, deploy)
        yield this.#checkoutLife(`v2/${number}`, 'v2', replica, deploy, rollback)
      }
    }
  }

  #checkoutLife(template: string, version: string, replica: number, start: number, end: number): Life {
    const each = workload('checkout')
    const key = `checkout/${template}/${replica}`
    return {
      workload: each,
      key,
      name: random => `${this.#replicaSet(each, version === 'v1' ? 'v1' : template)}-${random}`,
      version,
      node: nodes[(1 + replica * 2) % nodes.length],
      host: 120 + replica * 2 + (version === 'v2' ? 1 : 0),
      from: start + replica * replicaEvery + (hashOf(this.#seed, key, 5) % second),
      to: end + replica * replicaEvery + 3 * second + (hashOf(this.#seed, key, 6) % second),
    }
  }

  /** A job each two minutes, for about one. */
  *#jobs(from: number, to: number): Generator<Life> {
    const each = workload('report')
    for (let number = Math.floor((from - this.#anchor) / jobEvery) - 1; number <= Math.floor((to - this.#anchor) / jobEvery); number++) {
      const key = `report/${number}`
      const start = this.#anchor + number * jobEvery
      const minutes = Math.floor(start / minute)
      yield {
        workload: each,
        key,
        name: random => `report-${minutes}-${random}`,
        node: nodes[((number % nodes.length) + nodes.length) % nodes.length],
        host: 140,
        from: start + 2 * second + (hashOf(this.#seed, key, 7) % second),
        to: start + 58 * second + (hashOf(this.#seed, key, 8) % (6 * second)),
      }
    }
  }
}
