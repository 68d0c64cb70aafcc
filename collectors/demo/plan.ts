import { randomInt } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import path from 'node:path'
import { second } from './story.ts'

/** From that second on, so many flows a second. */
export interface Segment {
  from: number
  rate: number
}

/** All that decides what happens, and so all that is kept. Times are whole seconds since 1970. */
export interface Plan {
  version: 1
  seed: number
  /** When the demo was first started: the story's chapters are counted from here. */
  anchor: number
  segments: Segment[]
  /** No flow of this second or a later one was ever served. */
  servedBefore: number
}

const file = 'demo.json'
const hourSeconds = 3600
/** The hour before the first start holds at most so many flows. */
const backfillFlows = 750_000
/** The most flows a second. */
export const maxRate = 20_000
const backfillRate = (rate: number) => Math.min(rate, 200, backfillFlows / hourSeconds)

/** How many flows a second has: exactly what the rate adds up to. */
export function flowsIn({ segments }: Pick<Plan, 'segments'>, tick: number): number {
  const rate = segments.findLast(segment => segment.from <= tick)?.rate ?? 0
  return Math.floor(rate * (tick + 1)) - Math.floor(rate * tick)
}

/** How many flows there are in the seconds [from, to). */
export function flowsBetween({ segments }: Pick<Plan, 'segments'>, from: number, to: number): number {
  const parts = segments.map((segment, i) => {
    const start = Math.max(from, segment.from)
    const end = Math.min(to, segments[i + 1]?.from ?? Infinity)
    return end > start ? Math.floor(segment.rate * end) - Math.floor(segment.rate * start) : 0
  })
  return parts.reduce((sum, part) => sum + part, 0)
}

/** The first moment there is anything to tell of, in microseconds. */
export const beginningOf = ({ segments }: Plan) => segments[0].from * second

/** A plan for a first start now: an hour of backfill, then the rate that is asked for. */
export function firstPlan({ seed, rate, now }: { seed: number; rate: number; now: number }): Plan {
  const segments = [
    { from: now - hourSeconds, rate: backfillRate(rate) },
    { from: now, rate },
  ]
  return { version: 1, seed, anchor: now, segments, servedBefore: now - hourSeconds }
}

/**
 * The plan of a restart now. What was may not change: only seconds that were never served do. After less than an hour it goes on
 * where it was; after more, the time in between is silent, up to an hour ago.
 */
export function resumedPlan(plan: Plan, { rate, now }: { rate: number; now: number }): Plan {
  const awake = now - hourSeconds
  const silent = plan.servedBefore < awake
  const change = Math.max(now, plan.servedBefore)
  const segments = silent
    ? [
        ...plan.segments.filter(segment => segment.from < plan.servedBefore),
        { from: plan.servedBefore, rate: 0 },
        { from: awake, rate: backfillRate(rate) },
        { from: now, rate },
      ]
    : plan.segments.at(-1)?.rate === rate
      ? plan.segments
      : [...plan.segments.filter(segment => segment.from < change), { from: change, rate }]
  return { ...plan, segments }
}

export async function readPlan(dataDir: string): Promise<Plan | undefined> {
  const place = path.join(dataDir, file)
  const text = await readFile(place, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const plan = parse(text, place)
  if (plan?.version !== 1 || !plan.segments?.length) throw new Error(`${place}: expected the plan of a demo, version 1`)
  return plan
}

function parse(text: string, place: string): Plan {
  try {
    return JSON.parse(text) as Plan
  } catch (error) {
    throw new Error(`${place}: expected JSON`, { cause: error })
  }
}

/** Durable and whole when it resolves: written beside the old one, then put in its place. */
export async function writePlan(dataDir: string, plan: Plan): Promise<void> {
  const place = path.join(dataDir, file)
  const beside = `${place}.new`
  await mkdir(dataDir, { recursive: true })
  const handle = await open(beside, 'w')
  try {
    await handle.writeFile(JSON.stringify(plan, undefined, 2))
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(beside, place)
}

export interface PlanOptions {
  dataDir: string
  rate: number
  /** Of the first start; later ones keep what the plan has. */
  seed?: number
  /** Whole seconds since 1970. */
  now: number
}

/** The plan kept in the directory, brought up to now; a new one at the first start. `before` is the one that was found. */
export async function openPlan({ dataDir, rate, seed, now }: PlanOptions): Promise<{ plan: Plan; before: Plan | undefined }> {
  if (!(rate >= 0 && rate <= maxRate)) throw new RangeError(`the rate of the demo is ${rate}, expected 0 to ${maxRate} flows a second`)
  const before = await readPlan(dataDir)
  const plan = before ? resumedPlan(before, { rate, now }) : firstPlan({ seed: seed ?? randomInt(2 ** 31), rate, now })
  await writePlan(dataDir, plan)
  return { plan, before }
}
