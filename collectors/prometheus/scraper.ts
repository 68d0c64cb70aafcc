import { setTimeout as sleep } from 'node:timers/promises'
import type { PointTaker } from '../samples/point.ts'
import type { ScrapeReport } from './scrape-report.ts'
import { ScrapeTarget, type TargetSpec, keyOf } from './scrape-target.ts'
import { handOn } from './taker.ts'

const scrapesAtOnce = 16

export interface ScraperOptions {
  taker: PointTaker
  report: ScrapeReport
  signal: AbortSignal
  cluster: string
  timeoutMs: number
  maxBytes: number
  maxSeries: number
}

/**
 * Scrapes targets, each at its interval, beginning at a random point of it, so that they are spread. What one way of finding targets finds
 * is set at once; a target that stays goes on.
 */
export class Scraper {
  readonly #options: ScraperOptions
  readonly #running = new Map<string, { ways: Set<string>; stop: AbortController; done: Promise<void> }>()
  #underWay = 0
  readonly #waiting: (() => void)[] = []

  constructor(options: ScraperOptions) {
    this.#options = options
  }

  /** The targets of one way to find them. Those it found before and not now are given up, unless another way finds them too. */
  set(way: string, specs: readonly TargetSpec[]): void {
    const wanted = new Map(specs.map(spec => [keyOf(spec), spec]))
    for (const [key, { ways, stop }] of this.#running) {
      if (wanted.has(key)) ways.add(way)
      else if (ways.delete(way) && !ways.size) {
        stop.abort()
        this.#running.delete(key)
      }
    }
    for (const [key, spec] of wanted) if (!this.#running.has(key)) this.#start(key, spec, way)
  }

  /** Resolves when no target is scraped any more; the signal must be aborted. */
  async finished(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ done }) => done))
  }

  #start(key: string, spec: TargetSpec, way: string): void {
    const stop = new AbortController()
    const { cluster, maxSeries, signal } = this.#options
    const target = new ScrapeTarget(spec, { cluster, maxSeries })
    const done = this.#follow(target, AbortSignal.any([signal, stop.signal]))
    this.#running.set(key, { ways: new Set([way]), stop, done })
  }

  async #follow(target: ScrapeTarget, signal: AbortSignal): Promise<void> {
    const { intervalMs } = target.spec
    const { report } = this.#options
    const until = (time: number) => sleep(Math.max(0, time - Date.now()), undefined, { signal }).catch(() => {})
    let next = Date.now() + Math.random() * intervalMs
    await until(next)
    while (!signal.aborted) {
      await this.#take(target, signal)
      // What a slow target misses is not made up for.
      next += intervalMs * Math.max(1, Math.ceil((Date.now() - next) / intervalMs))
      await until(next)
    }
    report.forget(target)
  }

  async #take(target: ScrapeTarget, signal: AbortSignal): Promise<void> {
    const { taker, report, timeoutMs, maxBytes } = this.#options
    await this.#turn()
    try {
      const reading = await target.scrape({ timeoutMs, maxBytes, signal })
      await handOn(taker, reading.points, point => ({ point, target: target.target }))
      report.took(target, reading)
    } catch (error) {
      if (!signal.aborted) report.failed(target, error)
    } finally {
      this.#underWay--
      this.#waiting.shift()?.()
    }
  }

  async #turn(): Promise<void> {
    if (this.#underWay >= scrapesAtOnce) await new Promise<void>(resolve => void this.#waiting.push(resolve))
    this.#underWay++
  }
}
