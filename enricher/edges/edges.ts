import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '../../runtime/bus/bus.ts'
import type { ClickHouse, Inserter } from '../../runtime/clickhouse/client.ts'
import { type Logger, describe } from '../../runtime/log.ts'
import { meter } from '../../runtime/telemetry.ts'
import { rollupTable } from '../../schema/clickhouse.ts'
import { seenSql } from '../../schema/reattribution.ts'
import { kinds, topicsOf } from '../../schema/record.ts'
import { spanEdge } from '../../schema/span-edge.ts'
import { readState } from '../reattribution/store.ts'
import { edgesSql, reachSeconds, windowSeconds } from './sql.ts'

export interface SpanEdges {
  /** Whom to ask for spans. */
  reader: ClickHouse
  inserter: Inserter
  bus: Pick<Bus, 'lag'>
  group: string
  log: Logger
  /** Milliseconds since 1970. */
  now?: () => number
}

/** Seconds after its end at which a window's edges are made: what comes later has no part in them. */
export const settleSeconds = 300
/** Windows further back are not made any more. */
const oldestSeconds = 86_400
const everyMs = 10_000
const lookEveryMs = 1_000
const minutes = rollupTable(kinds.span, { suffix: '1m' })
/** An error in the midst of an answer is an error, not an answer cut short. */
export const statementSettings = { max_execution_time: 300, wait_end_of_query: 1 } as const

/** Makes the edges of each window out of its spans once these have come, until the signal is aborted. */
export async function followSpanEdges(options: SpanEdges, signal: AbortSignal): Promise<void> {
  const progress: Progress = {}
  let failed = false
  while (!signal.aborted) {
    try {
      await makeSpanEdges(options, signal, progress)
      failed = false
    } catch (error) {
      if (!signal.aborted && !failed) options.log.warn({ error: describe(error) }, 'cannot make the edges of spans, trying again')
      failed = true
    }
    await sleep(everyMs, undefined, { signal }).catch(() => {})
  }
}

/** How far one process came: not every window leaves edges by which others could see it. */
export interface Progress {
  /** Beginning of the newest window it made, in seconds. */
  last?: number
}

/** Counts spans that came after the edges of their window were made. */
export function countLate(count: number): void {
  const about = 'Spans that came after the edges of their window were made, and have no part in them.'
  meter().createCounter('weir.enricher.spans.late', { description: about, unit: '{span}' }).add(count)
}

/**
 * Makes the edges of all windows that are due, in order; resolves to how many. A window's edges are one INSERT under a token made of its
 * beginning: whoever makes them again, after a crash or beside another enricher, changes nothing.
 */
export async function makeSpanEdges(options: SpanEdges, signal?: AbortSignal, progress: Progress = {}): Promise<number> {
  return makeUntil(await dueUntil(options), options, signal, progress)
}

/**
 * Resolves when the edges of all windows that end by then, in seconds, have been made, by whomever: what others that are at them still come
 * to is a repeat. Calls `onWait` now and then until they are due.
 */
export async function untilMade(options: SpanEdges, end: number, signal: AbortSignal, onWait: () => void): Promise<void> {
  for (const progress: Progress = {}; ;) {
    const due = await dueUntil(options)
    await makeUntil(due, options, signal, progress)
    if (due >= end) return
    onWait()
    await sleep(lookEveryMs, undefined, { signal })
  }
}

async function makeUntil(end: number, options: SpanEdges, signal: AbortSignal | undefined, progress: Progress): Promise<number> {
  progress.last = Math.max(progress.last ?? 0, await lastMade(options, signal))
  for (let made = 0; ; made++) {
    const start = await nextWindow(options, progress.last, end, signal)
    if (start === undefined) return made
    await makeWindow(options, start, signal)
    progress.last = start
  }
}

/** In seconds: windows that end by then are due. Spans that wait on the bus hold them back. */
async function dueUntil({ bus, group, now = Date.now }: SpanEdges): Promise<number> {
  const asked = now()
  const waiting = (await bus.lag()).filter(lag => lag.group === group && topicsOf(kinds.span).includes(lag.topic))
  const behindMs = Math.max(0, ...waiting.map(({ ageMs }) => ageMs))
  return dueAt((asked - behindMs) / 1000)
}

/** Windows that have ended by then are due at a time, both in seconds. */
export const dueAt = (seconds: number) => Math.floor(seconds) - settleSeconds - reachSeconds

async function lastMade(options: SpanEdges, signal?: AbortSignal): Promise<number> {
  const { now = Date.now } = options
  const oldest = startOf(now() / 1000 - oldestSeconds)
  const { last } = await ask<{ last: number }>(options, `SELECT toUnixTimestamp(max(bucket)) AS last FROM ${spanEdge.name}`, {}, signal)
  return Math.max(startOf(last), oldest - windowSeconds)
}

/** The beginning of the next window that has spans, if it is due. */
async function nextWindow(options: SpanEdges, after: number, end: number, signal?: AbortSignal): Promise<number | undefined> {
  const { first } = await ask<{ first: number }>(
    options,
    `SELECT toUnixTimestamp(min(bucket)) AS first FROM ${minutes}
WHERE bucket >= toDateTime({next:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')`,
    { next: after + windowSeconds, end: startOf(end) },
    signal,
  )
  return first ? startOf(first) : undefined
}

const startOf = (seconds: number) => Math.max(0, Math.floor(seconds / windowSeconds) * windowSeconds)

async function makeWindow(options: SpanEdges, start: number, signal?: AbortSignal): Promise<void> {
  const { reader, inserter, log } = options
  const state = await readState({ reader }, 'span', signal)
  const seen = state && seenSql(state, 'time')
  const answer = await reader.stream(`${edgesSql({ seen })} FORMAT Native`, {
    params: { from: start },
    settings: statementSettings,
    signal,
  })
  const block = await buffer(answer)
  // Edges are few, and always in one shard: a repeat goes where the first went, had shards been added since.
  await inserter.insertNative(spanEdge.name, [block], { token: `${spanEdge.name}:${start}`, shard: 0, signal })
  const { late } = await ask<{ late: number }>(options, lateSql, { from: start }, signal)
  countLate(late)
  log.debug({ start: new Date(start * 1000).toISOString(), bytes: block.length, late }, 'edges of spans made')
}

/** Spans of the hour before a window that came while it waited for its last ones, when theirs had been made: each is late for one window only. */
const waits = settleSeconds + reachSeconds
const lateSql = `SELECT count() AS late FROM span
WHERE time >= toDateTime({from:UInt32}, 'UTC') - 3600 AND time < toDateTime({from:UInt32}, 'UTC')
  AND received >= toDateTime({from:UInt32}, 'UTC') + ${waits} AND received < toDateTime({from:UInt32}, 'UTC') + ${waits + windowSeconds}`

async function ask<T>({ reader }: SpanEdges, sql: string, params: Record<string, unknown>, signal?: AbortSignal): Promise<T> {
  return (await reader.query<T>(sql, { params, settings: statementSettings, signal })).rows[0]
}
