import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../runtime/log.ts'
import {
  type AttributedKind,
  type Copy,
  type Reattribution,
  attributedKind,
  hourSeconds,
  seenSql,
  settleMs,
} from '../../schema/reattribution.ts'
import { rollupTable, rollups } from '../../schema/clickhouse.ts'
import type { Step } from '../step.ts'
import type { Changes } from './changes.ts'
import { removeHidden } from './clean.ts'
import { IncompleteHourError, type Work, copyHour, countChanged } from './copy.ts'
import { type Fence, untilTagged } from './fence.ts'
import { type Stores, persist, readState, writeState } from './store.ts'

/** What is to be attributed again. */
export interface Request {
  /** The same for the same request, also when it comes again. */
  id: string
  kind: AttributedKind
  /** Whole hours, seconds since 1970. */
  from: number
  to: number
  /** Only records that were stored provisionally. */
  provisional: boolean
}

/** What became of it. */
export interface Report {
  /** Records that were attributed again. */
  rows: number
  /** Ends that are known otherwise now. */
  changes: Changes
  /** Hours that stay as they were, with why. */
  skipped: { hour: number; reason: string }[]
}

export interface Progress extends Report {
  phase: 'waiting' | 'copying' | 'cleaning' | 'done'
  /** Hours done, of how many. */
  hours: number
  of: number
  /** For people. */
  detail?: string
}

/** Steps for as long as they are needed. */
export interface Prepared extends AsyncDisposable {
  steps: readonly Step[]
}

export interface Running {
  stores: Stores
  bus: Fence['bus']
  /** Who reads the topics of records. */
  group: string
  /** Makes the steps anew for each run: what they have learnt of clocks is of another time. */
  steps: () => readonly Step[]
  log: Logger
  /** Steps that know what was true in a window, in place of the others; asked for before anything is read of it. */
  prepare?(window: { from: number; to: number }, signal: AbortSignal): Promise<Prepared>
  onProgress?(progress: Progress): void
  /** Other waits than what questions need; for tests. */
  settleMs?: number
  maxRows?: number
}

const hourOf = (seconds: number) => Math.floor(seconds / hourSeconds) * hourSeconds

/**
 * Attributes the records of a window again, hour by hour, while questions are answered and records come. Who is killed goes on when it is
 * called again with the same request, or somebody else does. An hour is seen as it was until all of it is done, and then as it is now.
 */
export async function reattribute(request: Request, running: Running, signal: AbortSignal): Promise<Report> {
  const run = new Run(request, running, signal)
  return run.whole()
}

/** The ends that would be known otherwise: of all records of the window, or of those that were stored provisionally. */
export async function wouldChange(
  { kind: name, from, to, provisional }: Omit<Request, 'id'>,
  { stores, steps, prepare, onProgress }: Pick<Running, 'stores' | 'steps' | 'prepare' | 'onProgress'>,
  signal: AbortSignal,
): Promise<Report> {
  const report: Report = { rows: 0, changes: {}, skipped: [] }
  const state = await persist(() => readState(stores, name, signal), signal)
  const seen = (state && seenSql(state, 'time')) ?? '1'
  await using prepared = await prepare?.({ from, to }, signal)
  const work = { kind: attributedKind(name), stores, steps: prepared?.steps ?? steps(), signal }
  const wanted = (first: number, last: number) =>
    `time >= toDateTime(${first}, 'UTC') AND time < toDateTime(${last}, 'UTC')${provisional ? ' AND provisional' : ''} AND ${seen}`
  const hours = `SELECT DISTINCT toUnixTimestamp(toStartOfHour(time)) AS hour FROM ${name} WHERE ${wanted(from, to)} ORDER BY hour`
  const found = (await persist(() => stores.reader.query<{ hour: number }>(hours, { signal }), signal)).rows
  for (const [i, { hour }] of found.entries()) {
    const { rows, changes } = await countChanged(work, wanted(hour, hour + hourSeconds))
    report.rows += rows
    addTo(report.changes, changes)
    onProgress?.({ ...report, phase: 'copying', hours: i + 1, of: found.length })
  }
  return report
}

function addTo(all: Changes, more: Changes) {
  for (const [change, count] of Object.entries(more)) all[change] = (all[change] ?? 0) + count
}

/** Flips that questions may not have seen yet. */
interface Flip {
  shown: number
  at: number
}

class Run {
  readonly #request: Request
  readonly #running: Running
  readonly #signal: AbortSignal
  #work: Work
  readonly #report: Report = { rows: 0, changes: {}, skipped: [] }
  readonly #settleMs: number
  readonly #flips: Flip[] = []
  #state!: Reattribution
  #copying = 0

  constructor(request: Request, running: Running, signal: AbortSignal) {
    const { stores, steps, maxRows } = running
    this.#request = request
    this.#running = running
    this.#signal = signal
    this.#settleMs = running.settleMs ?? settleMs
    const onRows = (rows: number) => {
      this.#copying += rows
      this.#tell('copying')
    }
    this.#work = { kind: attributedKind(request.kind), stores, steps: steps(), signal, maxRows, onRows }
  }

  async whole(): Promise<Report> {
    const { kind, id } = this.#request
    const known = await persist(() => readState(this.#running.stores, kind, this.#signal), this.#signal)
    if (known?.id === id && known.done) return JSON.parse(known.report) as Report
    // Whoever began and was killed is gone on for, before anything else is begun.
    if (known && !known.done && known.id !== id) {
      const { from, to, provisional } = known
      await reattribute({ id: known.id, kind, from, to, provisional }, { ...this.#running, onProgress: undefined }, this.#signal)
      return this.whole()
    }
    if (known && !known.done) this.#goOn(known)
    else if (!(await this.#begin(known))) return this.#report
    await using prepared = await this.#running.prepare?.(this.#state, this.#signal)
    if (prepared) this.#work = { ...this.#work, steps: prepared.steps }
    await this.#announce()
    await this.#copyAll()
    await this.#cleanAll()
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
    const { id, kind, provisional } = this.#request
    const window = await this.#extent()
    const tag = Math.max(last?.highest ?? 0, window.highest) + 1
    const { from, to } = window
    const step = last?.step ?? 0
    this.#state = {
      kind,
      id,
      provisional,
      from,
      to,
      tag,
      highest: tag,
      copies: [],
      shown: from,
      cleaned: from,
      step,
      done: false,
      report: '',
    }
    if (from === to) return false
    await this.#write({})
    return true
  }

  /** The hours of the window that have records to replace, and the highest revision of any in it. */
  async #extent(): Promise<{ from: number; to: number; highest: number }> {
    const { from, to, provisional, kind } = this.#request
    const { reader } = this.#running.stores
    const within = (time: string) => `${time} >= toDateTime(${from}, 'UTC') AND ${time} < toDateTime(${to}, 'UTC')`
    const wanted = provisional ? 'provisional' : '1'
    const highest = rollups.map(
      rollup => `SELECT max(revision) FROM ${rollupTable(attributedKind(kind), rollup)} WHERE ${within('bucket')}`,
    )
    const sql = `SELECT countIf(${wanted}) AS count, toUnixTimestamp(minIf(time, ${wanted})) AS first, toUnixTimestamp(maxIf(time, ${wanted})) AS last,
  greatest(max(revision), ${highest.map(one => `(${one})`).join(', ')}) AS highest
FROM ${kind} WHERE ${within('time')}`
    type Extent = { count: number; first: number; last: number; highest: number }
    const { rows } = await persist(() => reader.query<Extent>(sql, { signal: this.#signal }), this.#signal)
    const [{ count, first, last, highest: revision }] = rows
    if (count === 0) return { from, to: from, highest: revision }
    return { from: hourOf(first), to: hourOf(last) + hourSeconds, highest: revision }
  }

  /** Records that come from now on are told apart from those that are replaced, and questions know which revisions they do not see. */
  async #announce() {
    const { bus, group } = this.#running
    const { tag, from, to, copies } = this.#state
    const settled = copies.length > 0 ? undefined : sleep(this.#settleMs, undefined, { signal: this.#signal })
    settled?.catch(() => {})
    const onWait = (partitions: readonly string[]) =>
      this.#tell('waiting', `for the records that come before it in ${partitions.join(', ')}`)
    await untilTagged({ bus, group, kind: this.#work.kind, onWait }, { revision: tag, from, to }, this.#signal)
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
      const hour = this.#state.shown
      copy ||= await this.#newCopy()
      const done = await this.#copy(hour, copy)
      if (!done) copy = 0
      await this.#write({ shown: hour + hourSeconds, ...(!done && { copies: this.#from(hour, 0) }) })
      this.#flips.push({ shown: this.#state.shown, at: Date.now() })
      this.#tell('copying')
      await this.#clean()
    }
  }

  /** False when the hour stays as it was. */
  async #copy(hour: number, copy: number): Promise<boolean> {
    try {
      const { rows, changes } = await copyHour(this.#work, this.#state, hour, copy)
      this.#report.rows += rows
      addTo(this.#report.changes, changes)
      return true
    } catch (error) {
      if (!(error instanceof IncompleteHourError)) throw error
      const { kind } = this.#request
      this.#report.skipped.push({ hour, reason: error.message })
      this.#running.log.warn({ kind, hour: new Date(hour * 1000).toISOString(), error }, 'an hour cannot be attributed again')
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
    await removeHidden(this.#work, this.#state, settled.shown)
    await this.#write({ cleaned: settled.shown })
  }

  async #cleanAll() {
    const last = this.#flips.at(-1)
    if (last) {
      this.#tell('cleaning')
      await sleep(Math.max(0, last.at + this.#settleMs - Date.now()), undefined, { signal: this.#signal })
      await this.#clean()
    }
    await this.#write({ done: true })
  }
}
