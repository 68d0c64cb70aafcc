import type { Assignment, Bus, Delivered } from '../../runtime/bus/bus.ts'
import { type Logger, describe } from '../../runtime/log.ts'
import { component } from '../../runtime/telemetry.ts'
import { reattributionTopic } from '../../schema/reattribution.ts'
import { type Automatic, type Looking, openAutomatic } from './automatic.ts'
import { type Asked, type Told, isLook, lookMessage, progressMessage, requestIn } from './request.ts'
import { wouldChange } from './dry-run.ts'
import { reattribute } from './run.ts'
import type { Report, Running } from './running.ts'
import { SupersededError } from './store.ts'

export interface Worker extends Omit<Looking, 'onProgress' | 'bus'> {
  bus: Bus
  log: Logger
  /** How often to look for records that were stored provisionally and are known better now; never when absent. */
  everyMs?: number
}

const idleMs = 1_000
const tellEveryMs = 1_000
const attempts = 3
const lateMs = 60_000

/**
 * Does what is asked for on the bus, one request after the other, and by itself what has become known later. The bus gives the work to one
 * enricher at a time, and to another when that one is gone.
 */
export function followRequests(worker: Worker): Promise<AsyncDisposable> {
  // It keeps to what tables know.
  const automatic = worker.everyMs ? openAutomatic({ ...worker, prepare: undefined }, worker.everyMs) : undefined
  return worker.bus.subscribe(reattributionTopic, worker.group, assignment => consume(assignment, worker, automatic))
}

async function consume(assignment: Assignment, worker: Worker, automatic: Automatic | undefined): Promise<void> {
  const { signal } = assignment
  let lookAt = automatic && assignment.partition === 0 ? Date.now() + worker.everyMs! : Infinity
  while (!signal.aborted) {
    for (const message of await assignment.read({ waitMs: idleMs })) {
      if (isLook(message)) await look(message, automatic, worker, signal)
      else await answer(message, worker, signal)
      await assignment.commit({ offset: message.offset + 1, metadata: '' })
    }
    if (Date.now() < lookAt) continue
    // Where requests go, which may be another partition: one thing is done at a time.
    await worker.bus.publish(reattributionTopic, [lookMessage()], signal)
    lookAt = Date.now() + worker.everyMs!
  }
}

/** What cannot be looked for now is looked for the next time; so is what others kept us from for long. */
async function look(
  { time }: Delivered,
  automatic: Automatic | undefined,
  { log, everyMs = 0 }: Worker,
  signal: AbortSignal,
): Promise<void> {
  if (Date.now() - time > Math.max(everyMs, lateMs)) return
  try {
    await automatic?.look(signal)
  } catch (error) {
    if (signal.aborted) throw error
    log.warn({ error: describe(error) }, 'cannot attribute again what is known better now, trying again')
  }
}

async function answer(message: Delivered, worker: Worker, signal: AbortSignal): Promise<void> {
  const id = message.headers.request
  if (id === undefined) return
  const tell = (told: Told) => worker.bus.publish(reattributionTopic, [progressMessage(id, told)], signal)
  for (let attempt = 1; ; attempt++)
    try {
      const asked = requestIn(message)!
      const report = await run(asked, { ...worker, onProgress: atMost(tellEveryMs, told => void tell(told).catch(() => {})) }, signal)
      return await tell({ ...report, phase: 'done', hours: 0, of: 0 })
    } catch (error) {
      if (signal.aborted || error instanceof SupersededError) throw error
      worker.log.warn({ id, error: describe(error), attempt }, 'cannot attribute records again')
      if (attempt === attempts) return tell({ phase: 'failed', reason: describe(error) })
    }
}

async function run(asked: Asked, running: Running, signal: AbortSignal): Promise<Report> {
  if (asked.dryRun) return wouldChange(asked, running, signal)
  const report = await reattribute(asked, running, signal)
  const { rows, changes, skipped } = report
  running.log.info(
    { kind: asked.kind, from: text(asked.from), to: text(asked.to), rows, changes, skipped: skipped.length },
    'attributed again',
  )
  component('enricher', 'reattribution').sent(rows, { kind: asked.kind })
  return report
}

const text = (seconds: number) => new Date(seconds * 1000).toISOString()

/** Calls that come too soon after one are left out. */
function atMost<T>(everyMs: number, call: (value: T) => void): (value: T) => void {
  let last = -Infinity
  return value => {
    if (Date.now() - last < everyMs) return
    last = Date.now()
    call(value)
  }
}
