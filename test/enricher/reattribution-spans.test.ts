import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { makeSpanEdges } from '../../enricher/edges/edges.ts'
import { spanEdges } from '../../query-api/span-edges.ts'
import type { ClickHouse, Inserter } from '../../runtime/clickhouse/client.ts'
import { hasClickHouse, quietLog } from '../helpers/clickhouse.ts'
import { type World, contents, edges, objects, openWorld, spanHour, spans, steps } from './reattributing.ts'

const all = { from: spanHour - 3600, to: spanHour + 7200 }
const text = (seconds: number) => new Date(seconds * 1000).toISOString()
const stored = (clickhouse: ClickHouse) => contents(clickhouse, 'span', all.from, all.to)

const patient = () => AbortSignal.timeout(240_000)

/** A world in which so many spans are stored, and their edges. */
async function openEdges(count: number, options?: { knows: boolean }): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(await openWorld(options))
  await world.send('span', spans(count))
  await world.makeEdges()
  stack.move()
  return world
}

/** Side by side they would ask one server more than it answers at a time. */
const promise = test.serial

promise('spans that are attributed again are what they had been, had all been known, and so are their edges', async t => {
  if (!(await hasClickHouse(t))) return
  await using late = await openEdges(900)
  await using fresh = await openEdges(900, { knows: true })
  t.notDeepEqual(await stored(late.clickhouse), await stored(fresh.clickhouse))
  t.notDeepEqual(await edges(late.clickhouse), await edges(fresh.clickhouse))
  const report = await late.reattribute({ kind: 'span', ...all }, {}, patient())
  t.is(report.rows, spans(900).length)
  t.true(report.changes['no_object → object'] > 100)
  t.deepEqual(await stored(late.clickhouse), await stored(fresh.clickhouse))
  const known = await edges(fresh.clickhouse)
  t.true(known.length > 500)
  t.deepEqual(await edges(late.clickhouse), known)
  t.deepEqual(await edges(fresh.clickhouse, { madeNow: true }), known)
})

promise('an hour of spans has a part in edges of the hours beside it, and no others are made again', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openEdges(900)
  const before = await edges(world.clickhouse)
  await world.reattribute({ kind: 'span', from: spanHour }, {}, patient())
  const after = await edges(world.clickhouse)
  t.deepEqual(after, await edges(world.clickhouse, { madeNow: true }))
  const differs = after.filter(({ bucket }, i) => JSON.stringify(before[i]) !== JSON.stringify(after[i]) && typeof bucket === 'string')
  t.true(differs.length > 100)
  const { rows } = await world.clickhouse.query<{ n: number }>(
    `SELECT count() AS n FROM span_edge WHERE revision > 0 AND (bucket < toDateTime(${spanHour - 300}, 'UTC') OR bucket >= toDateTime(${spanHour + 3900}, 'UTC'))`,
  )
  t.is(rows[0].n, 0)
})

promise('edges whose spans are gone stay as they are', async t => {
  if (!(await hasClickHouse(t))) return
  await using late = await openEdges(900)
  await using fresh = await openEdges(900, { knows: true })
  const before = await edges(late.clickhouse)
  await late.clickhouse.command(`ALTER TABLE span DROP PARTITION ID '${spanHour - 3600}'`)
  await late.reattribute({ kind: 'span', ...all }, {}, patient())
  const known = await edges(fresh.clickhouse)
  // Spans of the minute before the hour had a part in the last window before it and in the first one within.
  const untilWhole = text(spanHour + 300)
    .slice(0, 19)
    .replace('T', ' ')
  const split = (rows: Record<string, unknown>[]) => Map.groupBy(rows, ({ bucket }) => String(bucket) < untilWhole)
  t.deepEqual(split(await edges(late.clickhouse)).get(true), split(before).get(true))
  t.deepEqual(split(await edges(late.clickhouse)).get(false), split(known).get(false))
})

promise('who is at a window still, with ends as they were, comes too late', async t => {
  if (!(await hasClickHouse(t))) return
  await using late = await openWorld()
  await using fresh = await openWorld({ knows: true })
  for (const world of [late, fresh]) await world.send('span', spans(300))
  const held = Promise.withResolvers<void>()
  const slow: Inserter = {
    insertNative: async (...insert) => {
      await held.promise
      await late.clickhouse.insertNative(...insert)
    },
  }
  const making = makeSpanEdges({ reader: late.clickhouse, inserter: slow, bus: late.bus, group: 'enricher', log: quietLog })
  await sleep(500)
  await late.reattribute({ kind: 'span', ...all }, {}, patient())
  held.resolve()
  await making
  await fresh.makeEdges()
  t.deepEqual(await edges(late.clickhouse), await edges(fresh.clickhouse))
})

promise('questions about edges are answered as before or as after, never in between', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openEdges(900)
  const hours = [spanHour - 3600, spanHour, spanHour + 3600].map(from => ({ from: text(from), to: text(from + 3600) }))
  const answer = () =>
    Promise.all(
      hours.map(async range => {
        const answered = await spanEdges(range, { clickhouse: world.clickhouse }, 10_000)
        return {
          edges: answered.edges
            .map(edge => JSON.stringify(edge))
            .sort()
            .join('\n'),
          meta: answered.meta,
        }
      }),
    )
  const before = await answer()
  const seen = hours.map(() => new Set<string>())
  let windows = 0
  const done = new AbortController()
  const asking = (async () => {
    while (!done.signal.aborted) {
      for (const [i, { edges, meta }] of (await answer()).entries()) {
        seen[i].add(edges)
        if (meta.reattribution) windows++
      }
      await sleep(20)
    }
  })()
  await world.reattribute({ kind: 'span', ...all }, { settleMs: 4_000 }, patient())
  await sleep(2_500)
  done.abort()
  await asking
  const after = await answer()
  for (const i of hours.keys()) {
    t.not(before[i].edges, after[i].edges)
    t.deepEqual([...seen[i]].sort(), [before[i].edges, after[i].edges].sort(), `hour ${i}`)
  }
  t.true(windows > 0)
})

promise('who dies at any window is gone on for, and every edge is there once', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openEdges(200)
  const unknown = await edges(world.clickhouse)
  await world.reattribute({ kind: 'span', from: spanHour }, {}, patient())
  const known = await edges(world.clickhouse)
  let died = 0
  for (let call = 2; ; call += 9) {
    const [to, has] = died % 2 ? [known, objects] : [unknown, []]
    const request = { kind: 'span' as const, from: spanHour, id: `killed-${call}` }
    let calls = 0
    const inserter: Inserter = {
      async insertNative(...insert) {
        await world.clickhouse.insertNative(...insert)
        if (++calls === call) throw new Error('died')
      },
    }
    const own = { steps: steps({}, has) }
    const finished = await world.reattribute(request, { ...own, stores: { ...world.stores, inserter } }, patient()).then(
      () => true,
      error => (error.message === 'died' ? false : Promise.reject(error)),
    )
    if (finished) break
    await world.reattribute(request, own, patient())
    t.deepEqual(await edges(world.clickhouse), to, `died at call ${call}`)
    const { rows } = await world.clickhouse.query<{ n: number }>('SELECT count() AS n FROM span_edge')
    t.is(rows[0].n, to.length)
    died++
  }
  t.true(died >= 4)
})
