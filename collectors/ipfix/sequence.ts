/** What the sequence number of a datagram counts up by: the records in it, one, or the records of the one that has the number. */
export type SequenceUnit = 'records' | 'datagrams' | 'records_included'
const units: readonly SequenceUnit[] = ['records', 'datagrams', 'records_included']

/** Numbers that were passed over and may still come. */
interface Hole {
  from: number
  count: number
  since: number
  until: number
  /** Datagrams that came since. */
  age: number
}

interface Datagram {
  sequence: number
  /** NaN when nobody knows. */
  records: number
  /** Milliseconds. */
  at: number
}

export interface Gap {
  count: number
  /** Milliseconds. */
  since: number
  until: number
}

const maxHoles = 64
/** After so many datagrams, or milliseconds, what has not come is lost. */
const lateDatagrams = 32
const lateMs = 2000

/** So many datagrams in a row that only another way of counting explains are no chance. */
const enoughContradictions = 3

/** a - b of numbers that begin again at 0 after 2^32 - 1. */
const difference = (a: number, b: number) => (Number.isNaN(b) ? NaN : (a - b) | 0)

/**
 * Finds gaps in the sequence numbers of one stream of datagrams. What comes late within two seconds and 32 datagrams is no gap, a
 * datagram that comes twice is none, and neither is an exporter that begins anew. Exporters that count something else than their
 * protocol says are recognised by the numbers.
 */
export class Sequence {
  /** What the numbers count, as far as is known. */
  unit: SequenceUnit
  #holes: Hole[] = []
  #last: Datagram | undefined
  /** The number expected if the last surprising one was a restart. */
  #restart: number | undefined
  /** Whether there was a datagram that only this unit explains, and how many since then that only another one does. */
  #confirmed = false
  #contradictions = 0

  constructor(unit: SequenceUnit) {
    this.unit = unit
  }

  /** Forgets what was expected: the exporter began anew. */
  restart(): void {
    this.#last = undefined
    this.#restart = undefined
    this.#holes = []
  }

  /** Takes note of a datagram; `records` is undefined when nobody knows how many it has, `now` in milliseconds. */
  take(sequence: number, records: number | undefined, now: number): void {
    for (const hole of this.#holes) hole.age++
    const next = { sequence, records: records ?? NaN, at: now }
    if (!this.#last || this.#isNewest(this.#last, next)) {
      this.#last = next
      this.#restart = undefined
    }
  }

  /** Whether what comes next is to be counted from this datagram; holes are made and filled on the way. */
  #isNewest(last: Datagram, next: Datagram): boolean {
    const expected = this.#expected(this.unit, last, next)
    // Nobody can tell whether something is missing beside a datagram that could not be read.
    if (Number.isNaN(expected)) return true
    const ahead = difference(next.sequence, expected)
    const other = units.find(unit => unit !== this.unit && difference(next.sequence, this.#expected(unit, last, next)) === 0)
    if (ahead === 0) return this.#confirm(other === undefined)
    if (other !== undefined && this.#isCountedIn(other)) return true
    if (this.#goesOnFromRestart(next)) return true
    if (ahead < 0) {
      if (!this.#fill(next)) this.#suspectRestart(next)
      return false
    }
    this.#addHole({ from: (next.sequence - ahead) >>> 0, count: ahead, since: last.at, until: next.at, age: 0 })
    return true
  }

  #confirm(isEvidence: boolean): true {
    if (isEvidence) this.#confirmed = true
    this.#contradictions = 0
    return true
  }

  /** Whether the numbers count in this unit: at once as long as nothing spoke for the other one, else at the third time in a row. */
  #isCountedIn(unit: SequenceUnit): boolean {
    if (this.#confirmed && ++this.#contradictions < enoughContradictions) return false
    this.unit = unit
    this.#holes = []
    this.#confirmed = false
    return this.#confirm(false)
  }

  #expected(unit: SequenceUnit, last: Datagram, next: Datagram): number {
    return last.sequence + (unit === 'datagrams' ? 1 : unit === 'records' ? last.records : next.records)
  }

  #addHole(hole: Hole): void {
    if (this.#holes.length >= maxHoles) this.#holes[maxHoles - 1].count += hole.count
    else this.#holes.push(hole)
  }

  /** Takes a late datagram out of the hole it was missed in. */
  #fill({ sequence, records }: Datagram): boolean {
    const size = this.unit === 'datagrams' ? 1 : records
    const first = this.unit === 'records_included' ? sequence - records : sequence
    const index = this.#holes.findIndex(({ from, count }) => {
      const into = difference(first, from)
      return into >= 0 && into < count
    })
    if (index < 0) return false
    const hole = this.#holes[index]
    const before = { ...hole, count: difference(first, hole.from) }
    const rest = hole.count - before.count - size
    const after = { ...hole, from: (first + size) >>> 0, count: rest }
    this.#holes.splice(index, 1, ...[before, after].filter(({ count }) => count > 0))
    return true
  }

  /** A number that was already there is a repetition, unless the next one goes on from it. */
  #suspectRestart({ sequence, records }: Datagram): void {
    this.#restart = sequence + (this.unit === 'datagrams' ? 1 : this.unit === 'records' ? records : 0)
  }

  /** So do exporters that leave records of options out of account: what is after them is no gap. */
  #goesOnFromRestart({ sequence }: Datagram): boolean {
    if (this.#restart === undefined || difference(sequence, this.#restart) !== 0) return false
    this.#holes = []
    return true
  }

  /** Gaps that will not be filled any more; all of them at the end. */
  gaps(now: number, all = false): Gap[] {
    if (!this.#holes.length) return []
    const isLost = ({ age, until }: Hole) => all || age > lateDatagrams || now - until > lateMs
    const lost = this.#holes.filter(isLost)
    this.#holes = this.#holes.filter(hole => !isLost(hole))
    return lost.map(({ count, since, until }) => ({ count, since, until }))
  }
}
