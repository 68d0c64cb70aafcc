import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { isControl } from '../../../enricher/tag.ts'
import { truth } from '../../../collectors/demo/index.ts'
import type { GroupLag } from '../../../runtime/bus/bus.ts'
import { untilCaughtUp } from '../../../runtime/bus/until-caught-up.ts'
import { deadLetterTopic, kinds, topicOf } from '../../../schema/record.ts'
import { until } from '../wait.ts'
import type { World } from './world.ts'

type Counts = Record<string, number>

/** What the demo sent in a window, and what is stored of it. */
interface Account {
  verdicts: Counts
  types: Counts
  dropReasons: Counts
  /** By direction and phase. */
  requests: Counts
}

/** How long what is behind may take to be stored, when nothing is wrong any more. */
const catchUpMs = 180_000

/**
 * Waits until all that was sent until now is stored, and holds it against what was sent: no record is missing or there twice, rollups
 * are the records added up, nothing is among the dead letters, and nothing was said to be lost.
 */
export async function balance(t: ExecutionContext, world: World): Promise<void> {
  const to = Math.floor(Date.now() / 1000) * 1000
  const { from, weir } = world
  const sent = await truth({ dataDir: weir.dataDir, from, to })
  const wanted = { flow: sent.flows, request: sum(sent.requests) }
  // Flows and requests travel apart: either may come last.
  for (const kind of ['flow', 'request'] as const)
    await until(`every ${kind} that was sent to be stored`, async () => (await stored(world, kind, to)) >= wanted[kind], {
      timeoutMs: catchUpMs,
      everyMs: 250,
    }).catch(async error => t.log(`${(error as Error).message}: ${await stored(world, kind, to)} of ${wanted[kind]}`))
  weir.kill('demo', 'SIGSTOP')
  try {
    await untilQuiet(world)
    const lag = ((Date.now() - to) / 1000).toFixed(1)
    t.log(`${sent.flows} flows, ${sum(sent.requests)} requests in ${(to - from) / 1000} s; caught up in ${lag} s`)
    t.deepEqual(await unevenSeconds(world, to), [], 'seconds with more or fewer flows than were sent')
    t.deepEqual(await accountOf(world, to), expected(sent))
    for (const kind of ['flow', 'request']) {
      t.deepEqual(await rollup(world, kind, '1m'), await raw(world, kind), `${kind}_1m is what ${kind} adds up to`)
      t.deepEqual(
        await rollup(world, kind, '1h'),
        await rollup(world, kind, '1m', 'toStartOfHour(bucket)'),
        `${kind}_1h is ${kind}_1m added up`,
      )
    }
    t.deepEqual(await world.clickhouse.query('SELECT reason, count() AS n FROM loss GROUP BY reason').then(({ rows }) => rows), [])
    t.deepEqual(await objectsStored(world), await objectsSent(world), 'the newest of each version of an object')
    t.deepEqual(await deadLetters(world), [])
  } catch (error) {
    t.log(weir.output().slice(-8_000))
    throw error
  } finally {
    weir.kill('demo', 'SIGCONT')
  }
}

const sum = (counts: Counts) => Object.values(counts).reduce((a, b) => a + b, 0)

function expected({ verdicts, types, drop_reasons: dropReasons, requests }: Awaited<ReturnType<typeof truth>>): Account {
  const byPhase: Counts = {}
  for (const [key, count] of Object.entries(requests)) {
    const [, phase] = / ((?:ingress|egress) (?:request|response))( \d+)?$/.exec(key)!
    byPhase[phase] = (byPhase[phase] ?? 0) + count
  }
  return { verdicts, types, dropReasons, requests: byPhase }
}

const between = ({ from }: World, to: number) => `time >= fromUnixTimestamp64Milli(${from}) AND time < fromUnixTimestamp64Milli(${to})`

async function countsOf({ clickhouse }: World, key: string, rest: string): Promise<Counts> {
  const { rows } = await clickhouse.query<{ key: string; n: number }>(`SELECT ${key} AS key, count() AS n FROM ${rest} GROUP BY key`)
  return Object.fromEntries(rows.map(({ key, n }) => [key, n]))
}

/** How many flows are stored; none while the server does not answer. */
async function stored(world: World, kind: 'flow' | 'request', to: number): Promise<number> {
  const counted = await countsOf(world, "''", `${kind} WHERE ${between(world, to)}`).catch(() => ({}))
  return sum(counted)
}

async function accountOf(world: World, to: number): Promise<Account> {
  const flows = `flow WHERE ${between(world, to)}`
  return {
    verdicts: await countsOf(world, 'verdict', flows),
    types: await countsOf(world, 'type', flows),
    dropReasons: await countsOf(world, 'drop_reason', `${flows} AND drop_reason != ''`),
    requests: await countsOf(world, "concat(direction, ' ', phase)", `request WHERE ${between(world, to)}`),
  }
}

/** Every second of the demo has as many flows as the next one: this would find one lost here and one doubled there. */
async function unevenSeconds(world: World, to: number): Promise<unknown[]> {
  const { rows } = await world.clickhouse.query(
    `SELECT toDateTime(time) AS second, count() AS n FROM flow WHERE ${between(world, to)} GROUP BY second HAVING n != ${world.rate}`,
  )
  return rows
}

async function rollup(world: World, kind: string, suffix: string, bucket = 'bucket') {
  return sortedRows(world, `SELECT toString(${bucket}) AS start, verdict, sum(records) AS n FROM ${kind}_${suffix} GROUP BY start, verdict`)
}

const raw = (world: World, kind: string) =>
  sortedRows(
    world,
    `SELECT toString(toDateTime(toStartOfMinute(time), 'UTC')) AS start, verdict, count() AS n FROM ${kind} GROUP BY start, verdict`,
  )

const sortedRows = async ({ clickhouse }: World, sql: string) => (await clickhouse.query(`${sql} ORDER BY start, verdict`)).rows

/** Until nothing waits on the bus and no row comes any more. */
async function untilQuiet(world: World): Promise<void> {
  let before = -1
  let lags: unknown
  const rows = () => countsOf(world, "''", '(SELECT records FROM flow_1m UNION ALL SELECT records FROM request_1m)').then(sum)
  await until(
    'nothing to be unread',
    async () => {
      lags = await unread(world)
      const read = Array.isArray(lags) && lags.length > 0 && lags.every(({ messages }) => messages === 0)
      const now = await rows()
      const quiet = read && now === before
      before = now
      if (!quiet) await sleep(700)
      return quiet
    },
    { timeoutMs: 150_000, everyMs: 50 },
  ).catch(error => {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(lags)}, ${before} rows`)
  })
}

/** How far the enricher is behind, by topic; why the bus does not say, which is not nothing unread. */
const unread = ({ bus }: World): Promise<GroupLag[] | string> =>
  bus.lag().then(lags => lags.filter(({ group }) => group === 'enricher'), String)

async function deadLetters({ bus }: World): Promise<unknown[]> {
  const letters: unknown[] = []
  for await (const { headers } of bus.recent(deadLetterTopic, () => true)) letters.push(headers)
  return letters
}

/** Each version of an object that was told of, and when it was last; what is of the bus alone is not stored. */
async function objectsSent({ bus }: World): Promise<string[]> {
  const times = new Map<string, string>()
  for await (const message of untilCaughtUp(bus, topicOf(kinds.object), new AbortController().signal))
    if (!isControl(message)) times.set(message.key!, message.headers.max_time)
  return [...times].map(([key, time]) => `${key} ${time}`).sort()
}

async function objectsStored({ clickhouse }: World): Promise<string[]> {
  const { rows } = await clickhouse.query<{ key: string }>(
    `SELECT concat(cluster, '/', kind, '/', uid, '/', toUnixTimestamp64Micro(valid_from), ' ', toUnixTimestamp64Micro(time)) AS key FROM object FINAL`,
  )
  return rows.map(({ key }) => key).sort()
}
