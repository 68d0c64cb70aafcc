import { wideAt } from '../../runtime/block/block.ts'
import type { Draft } from '../step.ts'

/** The least delay is that of the last half to whole window, microseconds. */
const halfWindow = 30e6
/** How wrong a clock may be without being noticed. A delay beyond says nothing of the clock: the record came late for other reasons. */
export const mostHidden = 5e6
/** How much farther ahead a clock may be than was noticed, as its records take some time as well. */
const leastHidden = 250e3
/** For how long it is remembered how wrong a clock was, while delays are too long to tell. */
const rememberedFor = 3600e6

/**
 * When the records of a block were made, by the clock of who received them: each between its time plus `earliest` and its time plus `latest` of its
 * reporter, microseconds.
 */
export interface Moments {
  times: Uint32Array
  /** The number of each row's reporter in this block. */
  reporters: Uint16Array
  earliest: Float64Array
  latest: Float64Array
  /** Up to when there are records of each cluster. */
  until: ReadonlyMap<string, number>
}

/** The least `received − time` of a reporter, in a window that slides by halves, and the last that told something of its clock. */
interface Estimate {
  began: number
  least: number
  leastBefore: number
  telling: number
  toldAt: number
}

export interface ClockAhead {
  source: string
  cluster: string
  reporter: string
  /** By how much at least, microseconds. */
  ahead: number
}

/**
 * How wrong the clocks of reporters may be. No record comes before it was made: the least `received − time` of a reporter, when it is negative, says by
 * how much its clock is ahead at least. When it is positive, its clock may be behind by as much.
 */
export class Clocks {
  /** By source, cluster and reporter; those heard of last at the end. */
  readonly #estimates = new Map<string, Estimate>()
  readonly #mostReporters: number

  constructor({ mostReporters = 20_000 } = {}) {
    this.#mostReporters = mostReporters
  }

  /** When the records were made, after they themselves have told of the clocks of their reporters. */
  moments(draft: Draft): Moments {
    const { times, reporters, names, clusters, least, last, newest } = read(draft)
    const known = names.map((name, number) => (least[number] === Infinity ? undefined : this.#learn(name, least[number], newest)))
    const earliest = Float64Array.from(known, earliestOf)
    const latest = Float64Array.from(known, latestOf)
    const until = new Map<string, number>()
    clusters.forEach((cluster, number) => {
      until.set(cluster, Math.max(last[number] + latest[number], until.get(cluster) ?? -Infinity))
    })
    return { times, reporters, earliest, latest, until }
  }

  /** The reporters whose clocks are farthest ahead. */
  ahead(most: number): ClockAhead[] {
    return [...this.#estimates]
      .map(([name, { telling }]) => ({ name, ahead: -telling }))
      .filter(({ ahead }) => ahead > 0)
      .sort((one, other) => other.ahead - one.ahead)
      .slice(0, most)
      .map(({ name, ahead }) => {
        const [source, cluster, reporter] = name.split('\0')
        return { source, cluster, reporter, ahead }
      })
  }

  /** The least delay that tells something of the clock, or that there is, with what a block tells that was received at `now`. */
  #learn(name: string, delay: number, now: number): number {
    const known = this.#estimates.get(name) ?? { began: now, least: Infinity, leastBefore: Infinity, telling: Infinity, toldAt: now }
    if (now >= known.began + halfWindow || known.least === Infinity) this.#slide(name, known, now)
    known.least = Math.min(known.least, delay)
    const least = Math.min(known.least, known.leastBefore)
    if (least <= mostHidden) {
      known.telling = least
      known.toldAt = now
    } else if (now > known.toldAt + rememberedFor) known.telling = Infinity
    return Math.min(least, known.telling)
  }

  #slide(name: string, known: Estimate, now: number): void {
    known.leastBefore = now < known.began + 2 * halfWindow ? known.least : Infinity
    known.least = Infinity
    known.began = now
    this.#estimates.delete(name)
    this.#estimates.set(name, known)
    if (this.#estimates.size > this.#mostReporters) this.#estimates.delete(this.#estimates.keys().next().value!)
  }
}

/** Who is ahead made its records earlier by as much, and by what hides behind their delay. */
function earliestOf(delay: number | undefined): number {
  if (delay === undefined) return 0
  return delay > mostHidden ? -mostHidden : Math.min(0, delay) - leastHidden
}

/** Who is behind made its records later, by no more than they took to come. */
const latestOf = (delay = 0) => Math.min(mostHidden, delay)

interface Reading {
  times: Uint32Array
  reporters: Uint16Array
  /** By the number of a reporter: its source, cluster and name, joined; and its cluster. */
  names: string[]
  clusters: string[]
  /** The least `received − time`, infinite where nothing says when records were received; and the last time. */
  least: number[]
  last: number[]
  /** When the last of all was received. */
  newest: number
}

function read(draft: Draft): Reading {
  const { block } = draft
  const [sources, clusters, agents] = ['source', 'cluster', 'reporter'].map(name => draft.given(name))
  const times = block.words('time')
  const received = block.words('received')
  const reading: Reading = { times, reporters: new Uint16Array(block.rows), names: [], clusters: [], least: [], last: [], newest: 0 }
  const { names, least, last, reporters } = reading
  /** Of a source and a cluster, the number of each reporter and one more. */
  const tables = new Map<number, Uint16Array<ArrayBuffer>>()
  let pair = -1
  let table = new Uint16Array(0)
  for (let row = 0; row < block.rows; row++) {
    const source = sources.codes[row]
    const cluster = clusters.codes[row]
    const agent = agents.codes[row]
    if (pair !== source * clusters.keys.length + cluster) {
      pair = source * clusters.keys.length + cluster
      table = tables.get(pair) ?? new Uint16Array(agents.keys.length)
      tables.set(pair, table)
    }
    if (table[agent] === 0) {
      table[agent] = names.push([sources.keys[source], clusters.keys[cluster], agents.keys[agent]].join('\0'))
      reading.clusters.push(clusters.keys[cluster])
      least.push(Infinity)
      last.push(-Infinity)
    }
    const number = table[agent] - 1
    const time = wideAt(times, row)
    const came = wideAt(received, row)
    reporters[row] = number
    if (time > last[number]) last[number] = time
    if (came === 0) continue
    if (came > reading.newest) reading.newest = came
    if (came - time < least[number]) least[number] = came - time
  }
  return reading
}
