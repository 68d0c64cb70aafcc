import { setImmediate as pause, setTimeout as sleep } from 'node:timers/promises'
import { type Bus, type Message, tombstoneOf } from '../../runtime/bus/bus.ts'
import { type Logger, describe } from '../../runtime/log.ts'
import { objectMessages } from '../../runtime/object-message.ts'
import { meter } from '../../runtime/telemetry.ts'
import { openEnd } from '../../schema/object.ts'
import { type Kept, dueOf } from './due.ts'
import { horizonOf } from './horizon.ts'
import { type Teller, insteadHeader, leftOpen, survey } from './survey.ts'

export interface HistoryOptions {
  /** How long before the oldest record that is not stored yet. */
  historyMs?: number
  /** A source of which nothing was heard for so long is gone, and so are its objects; 0 for never. */
  goneMs?: number
  /** How often the horizon is moved, and how often the topic is looked through for what is beyond. */
  everyMs?: number
  surveyEveryMs?: number
  /** For how long the bus must have been there before it is believed that it is the source that is not. */
  watchMs?: number
}

interface Keeping extends HistoryOptions {
  bus: Pick<Bus, 'follow' | 'publish' | 'lag'>
  /** Of objects. */
  topic: string
  /** Who stores records. */
  group: string
  /** How far the horizon is, as the topic says; microseconds. */
  knownSince(): number
  log: Logger
}

const atOnce = 500
const pauseEvery = 5_000
/** It is of the bus alone. */
const notStored = { control: 'history' }
const usual = { historyMs: 86_400_000, goneMs: 7 * 86_400_000, everyMs: 60_000, surveyEveryMs: 3_600_000, watchMs: 3_600_000 }

/**
 * Keeps the topic of objects from growing with all that ever was, until the signal is aborted. The horizon is told on the topic first, so that
 * nobody takes for complete what is not; then come tombstones of what ended before it. Who is killed anywhere leaves a topic that is right, and the
 * next one goes on. For who has the topic's partition, so that it is one at a time; more do no harm.
 */
export async function keepHistory(keeping: Keeping, signal: AbortSignal): Promise<void> {
  const options = { ...usual, ...keeping }
  const { bus, log, group, historyMs, everyMs, surveyEveryMs } = options
  const keeper = keeperOf(options, signal)
  let watchedSince = Date.now()
  let isFailing = false
  let told = -Infinity
  // After a start others have more to do.
  let surveyAt = Date.now() + surveyEveryMs / 12
  while (!signal.aborted) {
    try {
      const horizon = horizonOf(await bus.lag(), { group, historyMs, now: Date.now() })
      told = Math.max(told, options.knownSince())
      if (horizon > told) {
        await keeper.tellHorizon(horizon)
        told = horizon
      }
      if (Date.now() >= surveyAt) {
        await keeper.sweep(horizon, watchedSince)
        surveyAt = Date.now() + surveyEveryMs
      }
      isFailing = false
    } catch (error) {
      if (signal.aborted) return
      watchedSince = Date.now()
      if (!isFailing) log.warn({ error: describe(error) }, 'cannot look for objects that are not needed any more, trying again')
      isFailing = true
    }
    await sleep(everyMs, undefined, { signal }).catch(() => {})
  }
}

/** Records are enriched meanwhile. */
async function allDue(objects: Iterable<readonly Kept[]>, horizon: number): Promise<string[]> {
  const keys: string[] = []
  let looked = 0
  for (const versions of objects) {
    keys.push(...dueOf(versions, horizon))
    if (++looked % pauseEvery === 0) await pause()
  }
  return keys
}

/** Counts versions that leave the bus. */
export function countRemoved(): (versions: number) => void {
  const removed = meter().createCounter('weir.enricher.objects.removed', {
    description: 'Versions of objects that were removed from the bus because they ended long ago.',
    unit: '{object}',
  })
  return versions => removed.add(versions)
}

/** What it does, one by one. */
export function keeperOf(
  { bus, topic, log, goneMs, watchMs }: Pick<Keeping, 'bus' | 'topic' | 'log'> & Required<Pick<HistoryOptions, 'goneMs' | 'watchMs'>>,
  signal: AbortSignal,
) {
  const messageOf = objectMessages()
  const removed = countRemoved()

  async function publish(messages: readonly Message[]): Promise<void> {
    for (let at = 0; at < messages.length; at += atOnce) await bus.publish(topic, messages.slice(at, at + atOnce), signal)
  }

  const tellHorizon = async (time: number) =>
    publish([await messageOf({ time, source: 'weir', kind: 'history', uid: '', valid_from: 0, valid_to: openEnd }, notStored)])

  /** Ends what a source left open that is gone: it was there when it was last told of, and is not from now on. */
  async function endAll(silent: readonly Teller[]): Promise<void> {
    const { gone, open } = await leftOpen(bus, topic, silent, signal)
    const toldOf = new Map(gone.map(({ source, cluster, told }) => [`${source}\0${cluster}`, told]))
    const now = Date.now() * 1000
    for (const version of open) {
      const told = toldOf.get(`${version.source ?? ''}\0${version.cluster ?? ''}`)!
      const ended = { ...version, time: now, valid_to: now, ended_after: Math.max(told, version.valid_from ?? 0) }
      await publish([await messageOf(ended, { [insteadHeader]: 'yes' })])
    }
    await publish(gone.flatMap(({ signs }) => signs.map(tombstoneOf)))
    for (const { source, cluster } of gone) log.info({ source, cluster }, 'nothing is heard of a source any more: its objects have ended')
  }

  /** Removes what ended before the horizon; ends what is left of sources that are gone, of which nothing was heard though the bus was there. */
  async function sweep(horizon: number, watchedSince: number): Promise<void> {
    const { objects, tellers } = await survey(bus, topic, signal)
    const keys = await allDue(objects.values(), horizon)
    await publish(keys.map(tombstoneOf))
    removed(keys.length)
    if (keys.length)
      log.info({ versions: keys.length, until: new Date(horizon / 1000).toISOString() }, 'objects that ended long ago are forgotten')
    if (!goneMs || Date.now() < watchedSince + watchMs) return
    const gone = tellers.filter(({ heard, signs }) => signs.length && heard < (Date.now() - goneMs) * 1000)
    if (gone.length) await endAll(gone)
  }

  return { tellHorizon, sweep }
}
