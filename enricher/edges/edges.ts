import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '../../runtime/bus/bus.ts'
import type { ClickHouse, Inserter } from '../../runtime/clickhouse/client.ts'
import { type Logger, describe } from '../../runtime/log.ts'
import { rollupTable } from '../../schema/clickhouse.ts'
import { kinds, topicsOf } from '../../schema/record.ts'
import { spanEdge } from '../../schema/span-edge.ts'
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
const minutes = rollupTable(kinds.span, { suffix: '1m' })
/** An error in the midst of an answer is an error, not an answer cut short. */
const statementSettings = { max_execution_time: 300, wait_end_of_query: 1 } as const

/** Makes the edges of each minute out of its spans once these have come, until the signal is aborted. */
export async function followSpanEdges(options: SpanEdges, signal: AbortSignal): Promise<void> {
  let failed = false
  while (!signal.aborted) {
    try {
      await makeSpanEdges(options, signal)
      failed = false
    } catch (error) {
      if (!signal.aborted && !failed) options.log.warn({ error: describe(error) }, 'cannot make the edges of spans, trying again')
      failed = true
    }
    await sleep(everyMs, undefined, { signal }).catch(() => {})
  }
}

/**
 * Makes the edges of all windows that are due, in order; resolves to how many. A window's edges are one INSERT under a token made of its
 * beginning: whoever makes them again, after a crash or beside another enricher, changes nothing.
 */
export async function makeSpanEdges(options: SpanEdges, signal?: AbortSignal): Promise<number> {
  const end = await dueUntil(options)
  let made = 0
  for (let after = await lastMade(options, signal); ; made++) {
    const start = await nextWindow(options, after, end, signal)
    if (start === undefined) return made
    await makeWindow(options, start, signal)
    after = start
  }
}

/** In seconds: windows that end by then are due. Spans that wait on the bus hold them back. */
async function dueUntil({ bus, group, now = Date.now }: SpanEdges): Promise<number> {
  const asked = now()
  const waiting = (await bus.lag()).filter(lag => lag.group === group && topicsOf(kinds.span).includes(lag.topic))
  const behindMs = Math.max(0, ...waiting.map(({ ageMs }) => ageMs))
  return Math.floor((asked - behindMs) / 1000) - settleSeconds - reachSeconds
}

async function lastMade(options: SpanEdges, signal?: AbortSignal): Promise<number> {
  const { now = Date.now } = options
  const oldest = Math.floor((now() / 1000 - oldestSeconds) / windowSeconds) * windowSeconds
  const { last } = await ask<{ last: number }>(options, `SELECT toUnixTimestamp(max(bucket)) AS last FROM ${spanEdge.name}`, {}, signal)
  return Math.max(last, oldest - windowSeconds)
}

/** The beginning of the next minute that has spans, if it is due. */
async function nextWindow(options: SpanEdges, after: number, end: number, signal?: AbortSignal): Promise<number | undefined> {
  const { start } = await ask<{ start: number }>(
    options,
    `SELECT toUnixTimestamp(min(bucket)) AS start FROM ${minutes}
WHERE bucket > toDateTime({after:UInt32}, 'UTC') AND bucket <= toDateTime({last:UInt32}, 'UTC')`,
    { after, last: Math.max(0, end - windowSeconds) },
    signal,
  )
  return start || undefined
}

async function makeWindow({ reader, inserter, log }: SpanEdges, start: number, signal?: AbortSignal): Promise<void> {
  const answer = await reader.stream(`${edgesSql} FORMAT Native`, { params: { from: start }, settings: statementSettings, signal })
  const block = await buffer(answer)
  if (!block.length) return
  // Edges are few, and always in one shard: a repeat goes where the first went, had shards been added since.
  await inserter.insertNative(spanEdge.name, [block], { token: `${spanEdge.name}:${start}`, shard: 0, signal })
  log.debug({ start: new Date(start * 1000).toISOString(), bytes: block.length }, 'edges of spans made')
}

async function ask<T>({ reader }: SpanEdges, sql: string, params: Record<string, unknown>, signal?: AbortSignal): Promise<T> {
  return (await reader.query<T>(sql, { params, settings: statementSettings, signal })).rows[0]
}
