import { describe } from '../../runtime/log.ts'
import type { SourceContext } from '../source.ts'
import type { Reading } from './reading.ts'
import type { ScrapeTarget } from './scrape-target.ts'

interface TargetState {
  up: boolean
  /** ISO 8601. */
  last_scrape: string
  series: number
  format?: string
  error?: string
}

const tellWithinMs = 500
/** Targets whose state is shown. */
const mostShown = 1000

/** How each target is doing. A target that begins to fail, and one that is well again, is logged once. */
export class ScrapeReport {
  readonly #context: Pick<SourceContext, 'log' | 'status' | 'outbox' | 'instruments'>
  readonly #source: string
  readonly #states = new Map<ScrapeTarget, TargetState>()
  /** Of the ways targets are found, those that fail, and why. */
  readonly #finding = new Map<string, string>()
  #timer: NodeJS.Timeout | undefined

  constructor(source: string, context: Pick<SourceContext, 'log' | 'status' | 'outbox' | 'instruments'>) {
    this.#source = source
    this.#context = context
    this.#tellSoon()
  }

  took(target: ScrapeTarget, reading: Reading & { format: string }): void {
    const { instruments, log } = this.#context
    const { series, broken, discarded, format } = reading
    instruments.received(series, { kind: 'sample' })
    for (const [reason, count] of discarded) instruments.discarded(count, reason, { kind: 'sample' })
    const [first] = broken
    const error = first && `${first.where}: ${first.message}`
    const before = this.#states.get(target)
    if (before && !before.up) log.info({ target: target.name }, 'target answers again')
    if (error && !(before?.up && before.error)) this.#keepLetters(target, reading)
    this.#set(target, { up: true, last_scrape: new Date().toISOString(), series, format, ...(error && { error }) })
  }

  failed(target: ScrapeTarget, error: unknown): void {
    const before = this.#states.get(target)
    const reason = describe(error)
    if (!before || before.up) this.#context.log.warn({ target: target.name, error }, 'cannot scrape target')
    this.#set(target, { up: false, last_scrape: new Date().toISOString(), series: 0, error: reason })
  }

  forget(target: ScrapeTarget): void {
    this.#states.delete(target)
    this.#tellSoon()
  }

  /** Says of a way targets are found why it fails, or that it does not. */
  finding(way: string, error: unknown): void {
    if (error === undefined ? !this.#finding.delete(way) : this.#finding.has(way)) return
    if (error !== undefined) {
      this.#finding.set(way, describe(error))
      this.#context.log.warn({ way, error }, 'cannot find targets')
    } else this.#context.log.info({ way }, 'finds targets again')
    this.#tellSoon()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #keepLetters({ name, target }: ScrapeTarget, { broken }: Reading): void {
    const [{ where, message }] = broken
    this.#context.log.warn({ target: name, where, reason: message }, 'target says what cannot be read')
    for (const { where, message, body } of broken)
      if (body.length)
        this.#context.outbox.deadLetter({ source: this.#source, reporter: target.reporter, reason: `${where}: ${message}`, body })
  }

  #set(target: ScrapeTarget, state: TargetState): void {
    this.#states.set(target, state)
    this.#tellSoon()
  }

  #tellSoon(): void {
    this.#timer ??= setTimeout(() => this.#tell(), tellWithinMs).unref()
  }

  #tell(): void {
    this.#timer = undefined
    const states = [...this.#states]
    const failing = states.filter(([, { up }]) => !up)
    const [found] = this.#finding
    const reasons = [
      ...(found ? [`cannot find targets by ${found[0]}: ${found[1]}`] : []),
      ...(failing.length ? [`${failing.length} of ${states.length} targets fail: ${failing[0][0].name}: ${failing[0][1].error}`] : []),
    ]
    this.#context.status({
      ready: states.length ? failing.length < states.length : !found,
      reason: reasons.join('; ') || undefined,
      detail: {
        targets: states.length,
        up: states.length - failing.length,
        scraped: states.slice(0, mostShown).map(([{ name }, state]) => ({ target: name, ...state })),
      },
    })
  }
}
