import type { Labels, Point, Target } from '../samples/point.ts'
import { Gathering, type Outcome, newOutcome } from './gathering.ts'
import { LabelMessages } from './label.ts'
import { ExpositionError, type Limits, defaultLimits } from './reading.ts'
import { classify } from './role.ts'
import { SeriesTable } from './series-table.ts'
import { type Family, type FamilyType, type Group, Groups, type Series, hasTwice, sorted } from './series.ts'
import { targetOf } from './taker.ts'

/** A series as a sender names it. */
export interface RemoteSeries extends Series {
  target: Target
  gathering: Gathering | undefined
  /** What was known of families when it was looked at last. */
  version: number
}

/** Samples of one request, before any of them is taken. */
export class Samples {
  readonly series: RemoteSeries[] = []
  readonly values: number[] = []
  /** Microseconds. */
  readonly times: number[] = []
  readonly began: (number | undefined)[] = []
  readonly histograms: { series: RemoteSeries; point: Point }[] = []
  /** Series that are none, and why. */
  readonly refused: ExpositionError[] = []
  exemplars = 0

  add(series: RemoteSeries, value: number, timeMs: number, beganMs: number): void {
    this.series.push(series)
    this.values.push(value)
    this.times.push(timeMs * 1000)
    this.began.push(beganMs > 0 ? beganMs * 1000 : undefined)
  }
}

const mostFamilies = 1 << 16
const turnEveryMs = 5 * 60_000
const suffix = /_(?:total|bucket|sum|count|created|info)$/

/**
 * The series senders write, and the histograms that become whole. All senders share it, as one that is restarted, or another that takes
 * its place, goes on with the same series.
 */
export class RemoteStore {
  readonly table = new SeriesTable<RemoteSeries>()
  readonly labelMessages = new LabelMessages()
  readonly #groups = new Groups()
  readonly #gatherings = new Map<Group, Gathering>()
  readonly #waiting = new Set<Gathering>()
  readonly #families = new Map<string, Family>()
  #version = 1
  #turned = 0
  readonly #options: { cluster: string; maxSeries: number; waitMs: number }
  readonly limits: Limits

  constructor(options: { cluster: string; maxSeries: number; waitMs: number }) {
    this.#options = options
    this.limits = { ...defaultLimits, series: options.maxSeries }
  }

  /** A series that was not known. Its name is the label __name__. Throws ExpositionError for what is none. */
  define(pairs: Labels): RemoteSeries {
    const name = pairs.find(([label]) => label === '__name__')?.[1]
    const labels: Labels = sorted(pairs.filter(([label, value]) => label !== '__name__' && value !== ''))
    if (!name) throw new ExpositionError('a series without a name')
    if (hasTwice(labels) || labels.some(([label]) => !label)) throw new ExpositionError(`a label twice or without a name in ${name}`)
    if (labels.length > this.limits.labels) throw new ExpositionError(`more than ${this.limits.labels} labels in ${name}`, 'over_limit')
    if (this.table.size >= this.limits.series) throw new ExpositionError(`more than ${this.limits.series} series`, 'over_limit')
    return {
      name,
      labels,
      target: targetOf(labels, this.#options.cluster),
      role: 'gauge',
      bound: 0,
      group: undefined,
      family: undefined,
      gathering: undefined,
      version: 0,
    }
  }

  /** What a sender says of a family, for all series of it. */
  describe(name: string, type: FamilyType, unit: string): void {
    const known = this.#families.get(name)
    if (known?.type === type && (known.unit ?? '') === unit) return
    if (!known && this.#families.size >= mostFamilies) return
    this.#families.set(name, { name, type, ...(unit && { unit }) })
    this.#version++
  }

  /** Looks up what was told of the series' family, if that may be something new. */
  settle(series: RemoteSeries): void {
    if (series.version === this.#version) return
    const isNew = series.version === 0
    series.version = this.#version
    const family = this.#families.get(series.name) ?? this.#families.get(series.name.replace(suffix, ''))
    if (isNew || family !== series.family) this.#classify(series, family)
  }

  /** As `settle`, by what the sender says beside the series itself. */
  settleAs(series: RemoteSeries, type: FamilyType, unit: string): void {
    const { family, version } = series
    if (version !== 0 && (family?.type ?? 'unknown') === type && (family?.unit ?? '') === unit) return
    series.version = this.#version
    const name = type === 'histogram' || type === 'summary' ? series.name.replace(suffix, '') : series.name
    this.#classify(series, type === 'unknown' && !unit ? undefined : { name, type, ...(unit && { unit }) })
  }

  #classify(series: RemoteSeries, family: Family | undefined): void {
    classify(series, family, { groups: this.#groups, hasCreated: false })
    const { group } = series
    series.gathering = undefined
    if (!group) return
    series.gathering = this.#gatherings.get(group) ?? new Gathering(group, series.target)
    this.#gatherings.set(group, series.gathering)
  }

  take({ series, values, times, began, histograms }: Samples, now: number): Outcome {
    const outcome = newOutcome()
    for (let i = 0; i < series.length; i++)
      this.#take({ series: series[i], value: values[i], time: times[i], began: began[i] }, now, outcome)
    for (const { series, point } of histograms)
      if (Number.isNaN(point.histogram?.sum)) outcome.noValue++
      else outcome.points.push({ point, target: series.target })
    return outcome
  }

  #take(sample: { series: RemoteSeries; value: number; time: number; began: number | undefined }, now: number, outcome: Outcome): void {
    const { series, value, time, began } = sample
    const { gathering, family, role } = series
    const isEnd = Number.isNaN(value)
    if (isEnd) outcome.noValue++
    if (gathering) {
      if (isEnd) return gathering.leave(series, outcome)
      this.#waiting.add(gathering)
      return gathering.take(sample, now, outcome)
    }
    if (isEnd) return
    const type = role === 'counter' ? 'counter' : 'gauge'
    const point: Point = { metric: series.name, type, labels: series.labels, time, value }
    if (began !== undefined) point.began = began
    if (family?.unit) point.unit = family.unit
    outcome.points.push({ point, target: series.target })
  }

  /** What waited long enough, whole or not. */
  sweep(now: number, waitMs = this.#options.waitMs): Outcome {
    const outcome = newOutcome()
    for (const gathering of this.#waiting) {
      gathering.closeBefore(now - waitMs, outcome)
      if (!gathering.isWaiting) this.#waiting.delete(gathering)
    }
    if (now - this.#turned >= turnEveryMs) this.#turn(now)
    return outcome
  }

  #turn(now: number): void {
    this.#turned = now
    this.labelMessages.turn()
    if (!this.table.turn()) return
    this.#groups.keep(this.table.values())
    const used = new Set([...this.table.values()].map(({ group }) => group))
    for (const group of this.#gatherings.keys()) if (!used.has(group)) this.#gatherings.delete(group)
  }
}
