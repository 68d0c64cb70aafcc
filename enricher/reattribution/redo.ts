import { setTimeout as sleep } from 'node:timers/promises'
import { type Copy, type Reattribution, hourSeconds, settleMs } from '../../schema/reattribution.ts'
import { addTo } from './changes.ts'
import { removeHidden } from './clean.ts'
import { IncompleteHourError } from './copy.ts'
import type { Progress, Report, Request, Running } from './running.ts'
import { persist, readState, writeState } from './store.ts'
import type { Subject } from './subject.ts'

/** What was asked for, of records or of what is made of them. */
export type Asked = Omit<Request, 'kind'>

/**
 * Makes the rows of a window again, hour by hour. Who is killed goes on when it is called again with the same request, or somebody else does.
 * An hour is seen as it was until all of it is done, and then as it is now.
 */
export async function redo<R extends Asked>(
  request: R,
  subjectOf: (request: R) => Subject,
  running: Running,
  signal: AbortSignal,
): Promise<Report> {
  const subject = subjectOf(request)
  for (;;) {
    const known = await persist(() => readState(running.stores, subject.kind, signal), signal)
    if (known?.id === request.id && known.done) return JSON.parse(known.report) as Report
    if (!known || known.done || known.id === request.id) return new Run(request, subject, running, signal).whole(known)
    // Whoever began and was killed is gone on for, before anything else is begun.
    const { id, from, to, provisional } = known
    await redo({ ...request, id, from, to, provisional }, subjectOf, { ...running, onProgress: undefined }, signal)
  }
}

/** Flips that questions may not have seen yet. */
interface Flip {
  shown: number
  at: number
}

class Run {
  readonly #request: Asked
  readonly #subject: Subject
  readonly #running: Running
  readonly #signal: AbortSignal
  readonly #report: Report = { rows: 0, changes: {}, skipped: [] }
  readonly #settleMs: number
  readonly #flips: Flip[] = []
  #state!: Reattribution
  #copying = 0

  constructor(request: Asked, subject: Subject, running: Running, signal: AbortSignal) {
    this.#request = request
    this.#subject = subject
    this.#running = running
    this.#signal = signal
    this.#settleMs = running.settleMs ?? settleMs
  }

  /** From where the last state of the kind says it is: this request's own, or the last one's that is done. */
  async whole(known: Reattribution | undefined): Promise<Report> {
    if (known && !known.done) this.#goOn(known)
    else if (!(await this.#begin(known))) return this.#report
    await using _known = await this.#subject.open(this.#state)
    await this.#announce()
    await this.#copyAll()
    await this.#cleanAll()
    await this.#subject.finish(this.#state, what => this.#tell('waiting', what))
    await this.#write({ done: true })
    this.#tell('done')
    return this.#report
  }

  #tell(phase: Progress['phase'], detail?: string) {
    const { onProgress } = this.#running
    if (!onProgress) return
    const { from, to, shown, cleaned } = this.#state
    const hours = ((phase === 'cleaning' ? cleaned : shown) - from) / hourSeconds
    onProgress({ ...this.#report, rows: this.#report.rows + this.#copying, phase, hours, of: (to - from) / hourSeconds, detail })
  }

  async #write(change: Partial<Reattribution>) {
    const next = { ...this.#state, ...change, report: JSON.stringify(this.#report) }
    this.#state = await writeState(this.#running.stores, next, this.#signal)
  }

  #goOn(known: Reattribution) {
    this.#state = known
    Object.assign(this.#report, JSON.parse(known.report))
    // Somebody may have begun with this hour.
    if (known.shown > known.cleaned) this.#flips.push({ shown: known.shown, at: Date.now() })
  }

  /** False when there is nothing in the window. */
  async #begin(last: Reattribution | undefined): Promise<boolean> {
    const { id, provisional } = this.#request
    const { from, to, highest } = await this.#subject.extent(this.#request)
    const tag = Math.max(last?.highest ?? 0, highest) + 1
    const begun = { copies: [], shown: from, cleaned: from, step: last?.step ?? 0, done: false, report: '' }
    this.#state = { kind: this.#subject.kind, id, provisional, from, to, tag, highest: tag, ...begun }
    if (from === to) return false
    await this.#write({})
    return true
  }

  /** Rows that come from now on are told apart from those that are replaced, and questions know which revisions they do not see. */
  async #announce() {
    const settled = this.#state.copies.length > 0 ? undefined : sleep(this.#settleMs, undefined, { signal: this.#signal })
    settled?.catch(() => {})
    await this.#subject.prepare(this.#state, what => this.#tell('waiting', what))
    if (settled) this.#tell('waiting', 'for questions that do not know of it yet')
    await settled
  }

  /** The revision of copies from an hour on; 0 for hours that stay as they were. */
  #from(hour: number, revision: number): Copy[] {
    return [...this.#state.copies.filter(copy => copy.from < hour), { revision, from: hour }]
  }

  /** What is written from here on is told apart from what a process left behind that was killed. */
  async #newCopy(): Promise<number> {
    const revision = this.#state.highest + 1
    await this.#write({ copies: this.#from(this.#state.shown, revision), highest: revision })
    return revision
  }

  async #copyAll() {
    for (let copy = 0; this.#state.shown < this.#state.to;) {
      const { shown: from, to: end } = this.#state
      const to = Math.min(end, nextHour(from))
      copy ||= await this.#newCopy()
      const done = await this.#copy({ from, to }, copy)
      if (!done) copy = 0
      await this.#write({ shown: to, ...(!done && { copies: this.#from(from, 0) }) })
      this.#flips.push({ shown: to, at: Date.now() })
      this.#tell('copying')
      await this.#clean()
    }
  }

  /** False when the hour stays as it was. */
  async #copy(hour: { from: number; to: number }, copy: number): Promise<boolean> {
    const onRows = (rows: number) => {
      this.#copying += rows
      this.#tell('copying')
    }
    try {
      const { rows, changes } = await this.#subject.copy(this.#state, hour, copy, onRows)
      this.#report.rows += rows
      addTo(this.#report.changes, changes)
      return true
    } catch (error) {
      if (!(error instanceof IncompleteHourError)) throw error
      this.#report.skipped.push({ hour: hour.from, reason: error.message })
      const context = { kind: this.#subject.kind, hour: new Date(hour.from * 1000).toISOString(), error }
      this.#running.log.warn(context, 'an hour cannot be attributed again')
      return false
    } finally {
      this.#copying = 0
    }
  }

  /** Removes what no question sees any more. */
  async #clean() {
    const settled = this.#flips.findLast(({ at }) => at + this.#settleMs <= Date.now())
    if (!settled) return
    this.#flips.splice(0, this.#flips.indexOf(settled) + 1)
    await removeHidden({ tables: this.#subject.tables, stores: this.#running.stores, signal: this.#signal }, this.#state, settled.shown)
    await this.#write({ cleaned: settled.shown })
  }

  async #cleanAll() {
    const last = this.#flips.at(-1)
    if (!last) return
    this.#tell('cleaning')
    await sleep(Math.max(0, last.at + this.#settleMs - Date.now()), undefined, { signal: this.#signal })
    await this.#clean()
  }
}

const nextHour = (seconds: number) => (Math.floor(seconds / hourSeconds) + 1) * hourSeconds
