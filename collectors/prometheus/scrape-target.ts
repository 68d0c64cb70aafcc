import type { TlsOptions } from '../address.ts'
import { type Labels, type Target } from '../samples/point.ts'
import { type ExpositionFormat, type FetchOptions, fetchMetrics } from './fetch-metrics.ts'
import { FamilyFormat } from './metric-family.ts'
import { type Limits, type Reading, defaultLimits } from './reading.ts'
import { targetOf } from './taker.ts'
import { TextFormat } from './text.ts'

/** Something to scrape. */
export interface TargetSpec {
  url: string
  /** What all its series get, `instance` and `job` among them. */
  labels: Labels
  tls?: TlsOptions
  tokenFile?: string
  intervalMs: number
}

/** The same for specs that mean the same. */
export const keyOf = (spec: TargetSpec) => JSON.stringify(spec)

/** A target with what is remembered of its series. */
export class ScrapeTarget {
  readonly spec: TargetSpec
  /** Its URL without a password. */
  readonly name: string
  /** As records name it. */
  readonly target: Target
  readonly #limits: Limits
  #text: TextFormat | undefined
  #families: FamilyFormat | undefined

  constructor(spec: TargetSpec, { cluster, maxSeries }: { cluster: string; maxSeries: number }) {
    this.spec = spec
    const url = new URL(spec.url)
    url.username = url.password = ''
    this.name = url.href
    this.target = targetOf(spec.labels, cluster)
    this.#limits = { ...defaultLimits, series: maxSeries }
  }

  /** All that it says now. Rejects when it cannot be had. */
  async scrape(options: Omit<FetchOptions, 'tls' | 'tokenFile'>): Promise<Reading & { format: ExpositionFormat; bytes: number }> {
    const { url, tls, tokenFile } = this.spec
    const time = Date.now() * 1000
    const { format, body } = await fetchMetrics(url, { ...options, tls, tokenFile })
    return { ...this.#read(format, body, time), format, bytes: body.length }
  }

  #read(format: ExpositionFormat, body: Buffer, time: number): Reading {
    if (format === 'protobuf') return (this.#families ??= new FamilyFormat(this.spec.labels, this.#limits)).readDelimited(body, time)
    this.#text ??= new TextFormat(this.spec.labels, this.#limits)
    return this.#text.read(body, { openMetrics: format === 'openmetrics', time })
  }
}
