import { type Block, type Labels, wideAt } from '../../runtime/block/block.ts'
import { Combinations } from './combinations.ts'

/** The least delay is that of the last half to whole window, microseconds. */
const halfWindow = 30e6
/** How far behind a clock may be, hidden by delay. What takes longer to come takes longer for other reasons. */
export const mostBehind = 5e6
/** How much farther ahead a clock may be than was seen, as its records take some time as well. */
const hiddenAhead = 250e3
const mostReporters = 20_000

/** When the records of a block were made: each within [from, to] microseconds by the clock of who received them. */
export interface Moments {
  /** From here on, should the clock be ahead by what delay hides: nobody else should have been there. */
  before: Float64Array
  from: Float64Array
  to: Float64Array
  /** The latest of each cluster in the block. */
  latest: ReadonlyMap<string, number>
}

/** The least `received − time` of a reporter, in a window that slides by halves. */
interface Estimate {
  began: number
  least: number
  leastBefore: number
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
  readonly #seen = new Combinations()

  /** When the records were made, after they themselves have told of the clocks of their reporters. */
  moments(block: Block): Moments {
    const clusters = block.labels('cluster')
    const { numbers, names } = reportersOf(block, this.#seen)
    const times = block.words('time')
    const received = block.words('received')
    const least = new Float64Array(names.length).fill(Infinity)
    let newest = 0
    for (let row = 0; row < block.rows; row++) {
      const came = wideAt(received, row)
      if (came === 0) continue
      if (came > newest) newest = came
      const delay = came - wideAt(times, row)
      if (delay < least[numbers[row]]) least[numbers[row]] = delay
    }
    least.forEach((delay, number) => {
      if (delay !== Infinity) least[number] = this.#learn(names[number], delay, newest)
    })
    return momentsOf(block, { clusters, times, numbers, least })
  }

  /** The reporters whose clocks are farthest ahead. */
  ahead(most: number): ClockAhead[] {
    return [...this.#estimates]
      .map(([name, { least, leastBefore }]) => ({ name, ahead: -Math.min(least, leastBefore) }))
      .filter(({ ahead }) => ahead > 0)
      .sort((one, other) => other.ahead - one.ahead)
      .slice(0, most)
      .map(({ name, ahead }) => {
        const [source, cluster, reporter] = name.split('\0')
        return { source, cluster, reporter, ahead }
      })
  }

  /** The least delay of the window, with what a block tells that was received at `now`. */
  #learn(name: string, delay: number, now: number): number {
    const known = this.#estimates.get(name)
    if (!known) {
      this.#estimates.set(name, { began: now, least: delay, leastBefore: Infinity })
      if (this.#estimates.size > mostReporters) this.#estimates.delete(this.#estimates.keys().next().value!)
      return delay
    }
    if (now >= known.began + halfWindow) {
      known.leastBefore = now < known.began + 2 * halfWindow ? known.least : Infinity
      known.least = Infinity
      known.began = now
      this.#estimates.delete(name)
      this.#estimates.set(name, known)
    }
    known.least = Math.min(known.least, delay)
    return Math.min(known.least, known.leastBefore)
  }
}

interface Reading {
  clusters: Labels
  times: Uint32Array
  numbers: Uint32Array
  least: Float64Array
}

function momentsOf(block: Block, { clusters, times, numbers, least }: Reading): Moments {
  const before = new Float64Array(block.rows)
  const from = new Float64Array(block.rows)
  const to = new Float64Array(block.rows)
  const latest = new Float64Array(clusters.keys.length).fill(-Infinity)
  const shift = least.map(delay => Math.min(0, delay))
  const reach = least.map(delay => (delay === Infinity ? 0 : Math.min(mostBehind, Math.max(0, delay))))
  const hidden = least.map(delay => (delay === Infinity ? 0 : hiddenAhead))
  for (let row = 0; row < block.rows; row++) {
    const number = numbers[row]
    const time = wideAt(times, row) + shift[number]
    const end = time + reach[number]
    before[row] = time - hidden[number]
    from[row] = time
    to[row] = end
    const cluster = clusters.codes[row]
    if (end > latest[cluster]) latest[cluster] = end
  }
  const known = clusters.keys.map((cluster, code) => [cluster, latest[code]] as const).filter(([, time]) => time !== -Infinity)
  return { before, from, to, latest: new Map(known) }
}

/** A number for each row's source, cluster and reporter, and their names, joined. */
function reportersOf(block: Block, seen: Combinations): { numbers: Uint32Array; names: string[] } {
  const parts = ['source', 'cluster', 'reporter'].map(name => block.labels(name))
  const [sources, clusters, reporters] = parts.map(({ codes }) => codes)
  const numbers = new Uint32Array(block.rows)
  const names: string[] = []
  seen.clear()
  for (let row = 0; row < numbers.length; row++) {
    const number = seen.number(sources[row], clusters[row], reporters[row], 0)
    if (number === names.length) names.push(parts.map(({ keys, codes }) => keys[codes[row]]).join('\0'))
    numbers[row] = number
  }
  return { numbers, names }
}
