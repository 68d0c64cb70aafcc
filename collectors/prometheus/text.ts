import { remembered } from '../../runtime/shared.ts'
import type { Labels } from '../samples/point.ts'
import { viewOf } from '../protobuf/bytes.ts'
import { pointsOf } from './assemble.ts'
import { type Broken, ExpositionError, type Limits, type Reading, defaultLimits, discard, mostBrokenKept, newReading } from './reading.ts'
import { classify } from './role.ts'
import { SeriesTable } from './series-table.ts'
import { SeriesText, seriesEnd } from './series-text.ts'
import { type Family, type FamilyType, type Group, Groups, type Series, familyTypes, withTarget } from './series.ts'
import { ValueReader } from './value.ts'

const [newline, hash, brace] = [10, 35, 123]
const mostFamilies = 1 << 16
const comment = /^#[ \t]+(TYPE|UNIT|EOF)(?:[ \t]+(?:"((?:[^"\\]|\\.)+)"|(\S+))[ \t]+(\S+))?[ \t\r]*$/
const typeNames = new Map<string, FamilyType>([...familyTypes.map(type => [type, type] as const), ['untyped', 'unknown']])

export interface TextOptions {
  /** OpenMetrics 1.0; the text format 0.0.4 otherwise. */
  openMetrics: boolean
  /** Of points whose line has none, in microseconds. */
  time: number
}

/**
 * Reads Prometheus' text format 0.0.4 and OpenMetrics 1.0, of one target: it remembers its series from one scrape to the next. A line
 * that is broken is counted, and the others are read. Exemplars are left out.
 */
export class TextFormat {
  readonly #target: Labels
  readonly #limits: Limits
  readonly #table = new SeriesTable<Series>()
  #groups = new Groups()
  #families = new Map<string, Family>()
  #family: Family | undefined
  /** Groups that have a value in this scrape. */
  #touched: Group[] = []
  readonly #text = new SeriesText()
  readonly #value = new ValueReader()
  #bytes: Buffer = Buffer.alloc(0)
  #view = viewOf(this.#bytes)
  #options: TextOptions = { openMetrics: false, time: 0 }
  #reading = newReading()
  /** Where an error is, if neither the series nor the value was being read. */
  #at = 0
  #isEnded = false

  /** `target` are the labels every series gets. */
  constructor(target: Labels = [], limits: Limits = defaultLimits) {
    this.#target = target
    this.#limits = limits
  }

  read(bytes: Buffer, options: TextOptions): Reading {
    // What was learned of a series under one format is another role under the other.
    if (options.openMetrics !== this.#options.openMetrics) this.#families.clear()
    this.#options = options
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.#reading = newReading()
    this.#family = undefined
    this.#isEnded = false
    this.#table.begin()
    this.#lines()
    this.#finishGroups()
    this.#text.turn()
    if (this.#table.turn()) this.#groups.keep(this.#table.values())
    this.#bytes = Buffer.alloc(0)
    this.#view = viewOf(this.#bytes)
    return this.#reading
  }

  #lines(): void {
    const { length } = this.#bytes
    let line = 1
    for (let start = 0; start < length && !this.#isEnded; line++) {
      let end: number
      try {
        end = this.#line(start)
      } catch (error) {
        if (!(error instanceof ExpositionError)) throw error
        end = this.#lineEnd(start)
        this.#keepBroken(error, { where: `line ${line}, column ${this.#at - start + 1}`, body: this.#bytes.subarray(start, end) })
      }
      start = end + 1
    }
    if (this.#options.openMetrics && !this.#isEnded)
      this.#keepBroken(new ExpositionError('expected # EOF'), { where: `line ${line}, column 1`, body: Buffer.alloc(0) })
  }

  #keepBroken(error: ExpositionError, { where, body }: Omit<Broken, 'message'>): void {
    const { broken } = this.#reading
    discard(this.#reading, error.reason)
    if (broken.length < mostBrokenKept) broken.push({ where, message: error.message, body: Buffer.from(body) })
  }

  #lineEnd(start: number): number {
    const end = this.#bytes.indexOf(newline, start)
    return end < 0 ? this.#bytes.length : end
  }

  /** Reads a line and says where it ends. */
  #line(start: number): number {
    const bytes = this.#bytes
    const at = bytes[start] > 32 ? start : this.#skipBlanks(start)
    if (at >= bytes.length || bytes[at] === newline) return at
    if (bytes[at] === hash) return this.#comment(at)
    return this.#sample(at)
  }

  #skipBlanks(start: number): number {
    let at = start
    while (at < this.#bytes.length && this.#bytes[at] <= 32 && this.#bytes[at] !== newline) at++
    return at
  }

  /** TYPE and UNIT, which come before the series of a family. Any other comment says nothing. */
  #comment(start: number): number {
    const end = this.#lineEnd(start)
    // HELP, which are most.
    if (this.#bytes[start + 2] === 72) return end
    const [, word, quoted, plain, said] = comment.exec(this.#bytes.toString('utf8', start, Math.min(end, start + 4096))) ?? []
    const name = quoted ?? plain
    if (word === 'EOF' && name === undefined) this.#isEnded = this.#options.openMetrics
    if (name === undefined) return end
    if (word === 'TYPE') this.#family = this.#familyOf(name, typeNames.get(said) ?? 'unknown')
    else if (word === 'UNIT') this.#familyOf(name, this.#family?.name === name ? this.#family.type : 'unknown').unit = said
    return end
  }

  #familyOf(name: string, type: FamilyType): Family {
    return remembered(this.#families, `${type} ${name}`, mostFamilies, (): Family => ({ name, type }))
  }

  #sample(start: number): number {
    if (++this.#reading.series > this.#limits.series) {
      discard(this.#reading, 'over_limit')
      return this.#lineEnd(start)
    }
    const series = this.#series(start)
    if (series.family !== this.#family) classify(series, this.#family, { groups: this.#groups, hasCreated: this.#options.openMetrics })
    const at = this.#skipBlanks(this.#at)
    const value = this.#number(at)
    const end = this.#skipBlanks(this.#at)
    const hasTime = end < this.#bytes.length && this.#bytes[end] !== newline && this.#bytes[end] !== hash
    const time = hasTime ? this.#time(end) : this.#options.time
    const lineEnd = this.#lineRest()
    this.#take(series, value, time)
    return lineEnd
  }

  /** The series a line begins with; `#at` is behind it. */
  #series(start: number): Series {
    const bytes = this.#bytes
    const expected = this.#table.expected(this.#view, start)
    const behind = start + this.#table.length
    if (expected && behind < bytes.length && bytes[behind] === 32 && bytes[behind + 1] !== brace) {
      this.#table.accept()
      this.#at = behind
      return expected
    }
    const end = seriesEnd(bytes, start, bytes.length)
    this.#at = end
    return this.#table.find(this.#view, start, end) ?? this.#learn(start, end)
  }

  #learn(start: number, end: number): Series {
    try {
      const { name, labels } = this.#text.read(this.#bytes, start, end, this.#limits)
      const series: Series = {
        name,
        labels: withTarget(labels, this.#target),
        role: 'gauge',
        bound: 0,
        group: undefined,
        family: undefined,
      }
      classify(series, this.#family, { groups: this.#groups, hasCreated: this.#options.openMetrics })
      this.#table.add(this.#bytes, this.#view, start, end, series)
      return series
    } catch (error) {
      this.#at = this.#text.at
      throw error
    }
  }

  #number(start: number): number {
    try {
      return this.#value.read(this.#bytes, start, this.#bytes.length)
    } finally {
      this.#at = this.#value.at
    }
  }

  /** Milliseconds, or in OpenMetrics seconds. */
  #time(start: number): number {
    const time = this.#number(start)
    if (!Number.isFinite(time)) {
      this.#at = start
      throw new ExpositionError('expected a time')
    }
    return Math.round(this.#options.openMetrics ? time * 1e6 : time * 1e3)
  }

  /** Nothing but an exemplar may come after the numbers. */
  #lineRest(): number {
    const at = this.#skipBlanks(this.#at)
    if (at >= this.#bytes.length || this.#bytes[at] === newline) return at
    if (this.#bytes[at] === hash && this.#options.openMetrics) return this.#lineEnd(at)
    this.#at = at
    throw new ExpositionError('expected the end of the line')
  }

  #take(series: Series, value: number, time: number): void {
    const { group, role } = series
    if (Number.isNaN(value)) return discard(this.#reading, 'no_value')
    if (!group) {
      const unit = this.#family?.unit
      const type = role === 'counter' ? 'counter' : 'gauge'
      this.#reading.points.push({ metric: series.name, type, labels: series.labels, time, value, ...(unit && { unit }) })
      return
    }
    const { parts } = group
    if (!parts.series.length && parts.began === undefined) this.#touched.push(group)
    if (role === 'created') return void (parts.began = Math.round(value * 1e6))
    parts.series.push(series)
    parts.values.push(value)
    parts.time = time
  }

  #finishGroups(): void {
    const isCut = this.#reading.series > this.#limits.series
    for (const group of this.#touched) {
      const { parts } = group
      group.unit = parts.series[0]?.family?.unit
      const isPart = isCut && group === this.#touched.at(-1) && !parts.series.some(({ role }) => role === 'sum')
      const points = isPart ? undefined : parts.series.length ? pointsOf(group, parts) : []
      if (points) this.#reading.points.push(...points)
      else this.#discardParts(group)
      group.parts.series = []
      group.parts.values = []
      group.parts.began = undefined
    }
    this.#touched = []
  }

  #discardParts({ family, parts }: Group): void {
    const isCut = this.#reading.series > this.#limits.series
    discard(this.#reading, isCut ? 'over_limit' : 'incomplete', parts.series.length)
    if (isCut || this.#reading.broken.length >= mostBrokenKept) return
    this.#reading.broken.push({ where: `histogram ${family}`, message: 'expected a count or a bucket +Inf', body: Buffer.alloc(0) })
  }
}
