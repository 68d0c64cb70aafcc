import { hash } from 'node:crypto'
import type { Last } from './growth.ts'
import type { Meaning } from './meaning.ts'
import type { Labels, Point, Target } from './point.ts'
import type { Recalled } from './recall.ts'

/** A target as long as some series of it is remembered. */
export interface Watched extends Target {
  /** Time of its first point, in microseconds. */
  since: number
  isZtunnel: boolean
}

export interface Series {
  metric: string
  type: Point['type']
  labels: Labels
  target: Watched
  /** Its number, the same after a restart: two 32-bit words, the low first. */
  words: readonly [number, number]
  meaning: Meaning
  unit?: string
  last?: Last
  /** What its samples told and no request or flow did yet. */
  owed: number
  /** When its last point came, in milliseconds. */
  heard: number
  isForgotten: boolean
}

export const targetKey = ({ cluster, reporter }: Target) => `${cluster}\0${reporter}`
export const numberKey = (low: number, high: number) => `${low}:${high}`

export interface SeriesOptions {
  source: string
  max: number
  idleMs: number
  describe: (point: Point, target: Watched) => Meaning
  recalled: Recalled
}

/** The series that are remembered, found by their labels: the array itself first, then its content. */
export class SeriesTable {
  readonly #options: SeriesOptions
  readonly #byLabels = new WeakMap<Labels, Map<string, Series>>()
  readonly #byContent = new Map<string, Series>()
  readonly #targets = new Map<string, Watched>()
  #swept = 0
  #opened = 0

  constructor(options: SeriesOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#byContent.size
  }

  /** Nothing when there is no room for another. `now` is in milliseconds. */
  find(point: Point, target: Target, now: number): Series | undefined {
    let series = this.#byLabels.get(point.labels)?.get(point.metric)
    if (!series || series.isForgotten || !isOf(series, point, target)) series = this.#findByContent(point, target, now)
    if (series) series.heard = now
    return series
  }

  #findByContent(point: Point, target: Target, now: number): Series | undefined {
    const words = numberOf(this.#options.source, point, target)
    const key = numberKey(...words)
    const series = this.#byContent.get(key) ?? this.#learn(key, words, point, target, now)
    if (!series) return undefined
    let known = this.#byLabels.get(point.labels)
    if (!known) this.#byLabels.set(point.labels, (known = new Map()))
    known.set(point.metric, series)
    return series
  }

  #learn(key: string, words: Series['words'], point: Point, target: Target, now: number): Series | undefined {
    const { max, describe, recalled } = this.#options
    if (this.size >= max && this.sweep(now) && this.size >= max) return undefined
    if (this.size >= max) return undefined
    const watched = this.#watch(point, target)
    const { metric, type, labels, unit } = point
    const last = recalled.series.get(key)
    const owed = recalled.owed.get(key) ?? 0
    for (const known of [recalled.series, recalled.owed]) known.delete(key)
    const meaning = describe(point, watched)
    const series = { metric, type, labels, unit, target: watched, words, meaning, last, owed, heard: now, isForgotten: false }
    this.#byContent.set(key, series)
    return series
  }

  #watch(point: Point, target: Target): Watched {
    const key = targetKey(target)
    let watched = this.#targets.get(key)
    if (!watched) {
      watched = { ...target, since: this.#options.recalled.targets.get(key) ?? point.time, isZtunnel: false }
      this.#targets.set(key, watched)
    }
    return watched
  }

  /** Forgets what was idle too long, now and then; says whether it looked. */
  sweep(now: number): boolean {
    const { idleMs, recalled } = this.#options
    if (now - this.#swept < idleMs / 8) return false
    this.#swept = now
    this.#opened ||= now
    if (now - this.#opened > idleMs) for (const known of [recalled.series, recalled.owed]) known.clear()
    const alive = new Set<Watched>()
    for (const [key, series] of this.#byContent) {
      series.isForgotten = now - series.heard > idleMs
      if (series.isForgotten) this.#byContent.delete(key)
      else alive.add(series.target)
    }
    for (const [key, target] of this.#targets) if (!alive.has(target)) this.#targets.delete(key)
    return true
  }
}

const isOf = ({ type, target }: Series, point: Point, { reporter, cluster }: Target) =>
  type === point.type && target.reporter === reporter && target.cluster === cluster

/** The first 64 bits of MD5 over all that tells series apart, in whatever order the labels came. */
function numberOf(source: string, { metric, type, labels }: Point, target: Target): [number, number] {
  const pairs = labels.map(([name, value]) => `${name}\0${value}`).sort()
  const digest = hash('md5', [source, targetKey(target), metric, type, ...pairs].join('\x01'), 'buffer')
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)]
}
