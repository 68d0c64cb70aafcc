import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { Stores } from '../../enricher/reattribution/store.ts'
import { hasClickHouse } from '../helpers/clickhouse.ts'
import { ask } from '../../query-api/query.ts'
import type { ClickHouse } from '../../runtime/clickhouse/client.ts'
import { stepsOf } from '../../enricher/known.ts'
import { openHistory } from '../../enricher/reattribution/history.ts'
import { quietLog } from '../helpers/clickhouse.ts'
import { objectKey } from '../../schema/object.ts'
import { kinds, topicOf } from '../../schema/record.ts'
import { messageOf } from '../helpers/blocks.ts'
import { store } from '../query-api/records.ts'
import { contents, digests, flows, hour, objects, openWorld, requests, steps } from './reattributing.ts'

const kindsHere = ['flow', 'request'] as const
const at = (seconds: number) => new Date(seconds * 1000).toISOString()
const count = async (clickhouse: ClickHouse, sql: string) => (await clickhouse.query<{ n: number }>(`SELECT ${sql}`)).rows[0].n

test('an hour that is attributed again is what it had been, had all been known', async t => {
  if (!(await hasClickHouse(t))) return
  await using late = await openWorld()
  await using fresh = await openWorld({ knows: true })
  for (const world of [late, fresh]) {
    await world.send('flow', flows(4_000))
    await world.send('request', requests(2_000))
    await world.send('flow', flows(100, { from: hour - 3600 }))
  }
  const before = await contents(late.clickhouse, 'flow', hour - 3600, hour)
  for (const kind of kindsHere) {
    t.notDeepEqual(await contents(late.clickhouse, kind), await contents(fresh.clickhouse, kind))
    const report = await late.reattribute({ kind })
    t.is(report.rows, kind === 'flow' ? 4_000 : 2_000)
    t.true(report.changes['no_object → object'] > 100)
    t.deepEqual(report.skipped, [])
    t.deepEqual(await contents(late.clickhouse, kind), await contents(fresh.clickhouse, kind))
    t.is(await count(late.clickhouse, `uniqExact(revision) AS n FROM ${kind}_1h WHERE bucket = toDateTime(${hour}, 'UTC')`), 1)
  }
  t.deepEqual(await contents(late.clickhouse, 'flow', hour - 3600, hour), before, 'other hours are left alone')
})

test('what only ClickHouse knows of objects is known as well, and of what nobody told the end not for sure', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openWorld()
  const time = (hour - 600) * 1e6
  await store(
    world.clickhouse,
    'object',
    objects.map(object => ({ time, ...object, ...(object.uid === 'web' && { valid_to: (hour + 7200) * 1e6 }) })),
  )
  await world.bus.publish(topicOf(kinds.object), [{ ...(await messageOf('object', [objects[1]])), key: objectKey(objects[1]) }])
  await using history = await openHistory(
    { bus: world.bus, reader: world.clickhouse, log: quietLog },
    { from: hour, to: hour + 3600 },
    AbortSignal.timeout(20_000),
  )
  t.is(history.tables.objects.versions, objects.length)
  await world.send('flow', flows(60))
  await world.reattribute({}, { steps: () => stepsOf(history.tables, {}) })
  const { rows } = await world.clickhouse.query<{ workload: string; attribution: string }>(
    "SELECT DISTINCT src_workload AS workload, src_attribution AS attribution FROM flow WHERE src_pod != '' AND src_claimed = 0 ORDER BY workload",
  )
  t.deepEqual(rows.find(({ workload }) => workload === 'web')?.attribution, 'exact')
  t.deepEqual(rows.find(({ workload }) => workload === 'cart')?.attribution, 'exact')
  t.deepEqual(rows.find(({ workload }) => workload === 'payment')?.attribution, 'ambiguous')
})

test('a window with nothing in it is done at once', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openWorld()
  t.deepEqual(await world.reattribute({ from: hour - 48 * 3600 }), { rows: 0, changes: {}, skipped: [] })
  t.is(await count(world.clickhouse, 'count() AS n FROM reattribution'), 0)
})

/** The stores of a process that dies after one of its calls. */
function dying(stores: Stores, call: number): Stores {
  let calls = 0
  async function until<T>(work: () => Promise<T>): Promise<T> {
    const dies = ++calls === call
    const result = await work()
    if (dies) throw new Error('died')
    return result
  }
  const inserter = {
    insertNative: (...given: Parameters<ClickHouse['insertNative']>) => until(() => stores.inserter.insertNative(...given)),
  }
  const server = (clickhouse: ClickHouse): ClickHouse => ({
    ...clickhouse,
    command: (...given) => until(() => clickhouse.command(...given)),
  })
  return { ...stores, inserter, shards: async () => (await stores.shards()).map(replicas => replicas.map(server)) }
}

test('who dies after any of its calls is gone on for, and all is exact', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openWorld()
  await world.send('flow', flows(300))
  await world.send('flow', flows(200, { from: hour + 3600 }))
  const window = { from: hour, to: hour + 7200 }
  const all = () => digests(world.clickhouse, 'flow', window.from, window.to)
  const unknown = await all()
  await world.reattribute(window)
  const known = await all()
  t.is(Object.keys(known).length, 6)
  let completed = false
  let call = 1
  for (; !completed; call++) {
    const [from, to, has] = call % 2 ? [known, unknown, []] : [unknown, known, objects]
    const request = { ...window, id: `killed-${call}` }
    const own = { steps: steps({}, has), maxRows: 200 }
    const stores = dying(world.stores, call)
    completed = await world.reattribute(request, { ...own, stores }).then(
      () => true,
      error => {
        t.is(error.message, 'died')
        return false
      },
    )
    // Of each hour what was or what is, in records and rollups alike.
    const names = Object.entries(await all())
    const hours = Map.groupBy(names, ([name]) => name.slice(-19))
    for (const one of hours.values())
      t.true(
        [from, to].some(of => one.every(([name, digest]) => of[name] === digest)),
        `died at call ${call}`,
      )
    if (!completed) await world.reattribute(request, own)
    t.deepEqual(await all(), to, `died at call ${call}`)
    t.is(
      await count(
        world.clickhouse,
        '(SELECT count() FROM flow) + (SELECT sum(records) FROM flow_1m) + (SELECT sum(records) FROM flow_1h) AS n',
      ),
      1_500,
    )
  }
  t.true(call > 15)
})

test('records that come meanwhile are neither lost nor doubled', async t => {
  if (!(await hasClickHouse(t))) return
  await using late = await openWorld()
  await using fresh = await openWorld({ knows: true })
  await late.send('flow', flows(2_000))
  const done = new AbortController()
  // On a slow machine more would come than can be compared.
  const most = 200
  let sent = 0
  const sending = (async () => {
    for (; !done.signal.aborted && sent < most; sent++) {
      await late.publish('flow', flows(100, { seed: sent }))
      await sleep(50)
    }
  })()
  const report = await late.reattribute({}, { maxRows: 500 })
  done.abort()
  await sending
  await late.settled()
  t.true(report.rows >= 2_000 && sent > 5)
  // What came meanwhile is attributed by what its enricher knew: nothing here, so once more.
  await late.reattribute()
  await fresh.send('flow', flows(2_000))
  for (let block = 0; block < sent; block++) await fresh.publish('flow', flows(100, { seed: block }))
  await fresh.settled()
  t.deepEqual(await contents(late.clickhouse, 'flow'), await contents(fresh.clickhouse, 'flow'))
})

test('questions are answered as before or as after, never in between', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openWorld()
  await world.send('flow', flows(3_000))
  const questions = [
    { metrics: ['flows', 'records', 'bytes'], by: ['src_workload', 'dst_workload'], from: at(hour), to: at(hour + 3600), every: 3600 },
    { metrics: ['flows', 'records', 'drops'], by: ['src_workload'], from: at(hour), to: at(hour + 3600), every: 60 },
    { metrics: ['records', 'flows'], by: ['src_workload', 'src_pod'], from: at(hour), to: at(hour + 3600) },
  ]
  const answer = async () =>
    Promise.all(questions.map(async question => JSON.stringify((await ask(question, { clickhouse: world.clickhouse })).rows)))
  const before = await answer()
  const seen = questions.map(() => new Set<string>())
  let windows = 0
  const done = new AbortController()
  const asking = (async () => {
    while (!done.signal.aborted) {
      for (const [i, rows] of (await answer()).entries()) seen[i].add(rows)
      const { meta } = await ask(questions[0], { clickhouse: world.clickhouse })
      if (meta.reattribution) windows++
      await sleep(20)
    }
  })()
  await world.reattribute({}, { settleMs: 4_000, maxRows: 300 })
  await sleep(2_500)
  done.abort()
  await asking
  const after = await answer()
  for (const i of questions.keys()) {
    t.not(before[i], after[i])
    t.deepEqual([...seen[i]].sort(), [before[i], after[i]].sort(), `question ${i}`)
  }
  t.true(windows > 0)
  t.is((await ask(questions[0], { clickhouse: world.clickhouse })).meta.reattribution, undefined)
})

test('an hour of which records are gone stays as it is, and the hours around it are done', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openWorld()
  for (const from of [hour - 7200, hour - 3600, hour]) await world.send('flow', flows(500, { from }))
  await world.clickhouse.command(`ALTER TABLE flow DROP PARTITION ID '${hour - 3600}'`)
  const rollup = async () => (await contents(world.clickhouse, 'flow', hour - 3600, hour))['1h']
  const before = await rollup()
  const report = await world.reattribute({ from: hour - 7200 })
  t.is(report.rows, 1_000)
  t.deepEqual(report.skipped, [{ hour: hour - 3600, reason: '500 of its records are gone, of which the rollups still tell' }])
  t.deepEqual(await rollup(), before)
  t.is((await count(world.clickhouse, `countIf(src_workload != '') AS n FROM flow`)) > 500, true)
  t.is(await count(world.clickhouse, 'sum(records) AS n FROM flow_1h'), 1_500)
})

test('an hour that is removed while it is read stays as it was in the rollups', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openWorld()
  await world.send('flow', flows(2_000))
  const before = await contents(world.clickhouse, 'flow')
  let inserts = 0
  const inserter = {
    insertNative: async (...given: Parameters<ClickHouse['insertNative']>) => {
      await world.clickhouse.insertNative(...given)
      if (given[0] === 'flow' && ++inserts === 1) await world.clickhouse.command(`ALTER TABLE flow DROP PARTITION ID '${hour}'`)
    },
  }
  const report = await world.reattribute({}, { maxRows: 100, stores: { ...world.stores, inserter } })
  const after = await contents(world.clickhouse, 'flow')
  t.is(await count(world.clickhouse, 'sum(records) AS n FROM flow_1h'), 2_000)
  // All had been read already, or the hour is left alone.
  t.true(report.skipped.length === 1 ? JSON.stringify(after['1h']) === JSON.stringify(before['1h']) : report.rows === 2_000)
})
