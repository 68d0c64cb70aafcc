import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { openAutomatic } from '../../enricher/reattribution/automatic.ts'
import { requestMessage, toldIn } from '../../enricher/reattribution/request.ts'
import { reattributionTopic } from '../../schema/reattribution.ts'
import { openTestBus } from '../helpers/bus.ts'
import { hasClickHouse } from '../helpers/clickhouse.ts'
import { until } from '../helpers/wait.ts'
import { store } from '../query-api/records.ts'
import { contents, flows, hour, openWorld, requests } from './reattributing.ts'

const weir = fileURLToPath(new URL('../../deploy/weir.js', import.meta.url))
const at = (seconds: number) => new Date(seconds * 1000).toISOString()

/** `weir reattribute` beside the enricher of the bus. */
function command(busPath: string, ...options: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, WEIR_BUS_PATH: busPath }
  return new Promise(resolve =>
    execFile(process.execPath, [weir, 'reattribute', ...options], { env }, (error, out, err) =>
      resolve({ code: Number(error?.code ?? 0), out, err }),
    ),
  )
}

test('the command has the enricher do it, says what changed, and what a dry run would', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openWorld({ options: { reattribute: { settleMs: 0 } } })
  await using fresh = await openWorld({ knows: true })
  for (const one of [world, fresh]) {
    await one.send('flow', flows(600))
    await one.send('request', requests(200))
  }
  await world.tell()
  const window = ['--from', at(hour + 600), '--to', at(hour + 700)]
  const before = await contents(world.clickhouse, 'flow')
  const dry = await command(world.busPath, ...window, '--kind', 'flow', '--dry-run')
  t.like(dry, { code: 0 }, dry.err)
  t.regex(dry.out, /^flow: 600 records looked at, \d+ ends would be known otherwise\n {2}no_object → object: \d+\n/)
  t.deepEqual(await contents(world.clickhouse, 'flow'), before)
  const done = await command(world.busPath, ...window)
  t.like(done, { code: 0 }, done.err)
  t.regex(done.err, new RegExp(`1 hour from ${at(hour).replace('.000', '')}`))
  t.regex(done.out, /^flow: 600 records attributed again, \d+ ends are known otherwise\n/)
  t.regex(done.out, /\nrequest: 200 records attributed again/)
  t.regex(done.out, /\nspan: 0 records/)
  t.is(/(\d+) ends/.exec(done.out)![1], /(\d+) ends/.exec(dry.out)![1])
  for (const kind of ['flow', 'request'] as const)
    t.deepEqual(await contents(world.clickhouse, kind), await contents(fresh.clickhouse, kind))
})

for (const [what, options, error] of [
  ['a window that ends before it begins', ['--from', at(hour), '--to', at(hour - 7200)], /--from: expected a time before --to/],
  ['no time', ['--from', 'yesterday', '--to', 'now'], /expected a time such as 2026/],
  ['another kind', ['--from', 'now-1h', '--to', 'now', '--kind', 'loss'], /flow, request, span/],
] as const)
  test(`wrong use is told: ${what}`, async t => {
    await using bus = await openTestBus()
    const { code, err } = await command(bus.path, ...options)
    t.is(code, 2)
    t.regex(err, error)
  })

test('wrong use is told: a directory without a bus', async t => {
  const { code, err } = await command('/nonexistent/bus.sqlite', '--from', 'now-1h', '--to', 'now')
  t.is(code, 2)
  t.regex(err, /there is none at "\/nonexistent\/bus.sqlite"/)
})

test('a request for what there is not is answered, and the next one done', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openWorld({ options: { reattribute: { settleMs: 0 } } })
  const request = { id: randomUUID(), kind: 'flow' as const, from: hour, to: hour + 3600, provisional: false, dryRun: false }
  const wrong = { ...request, id: 'wrong', from: 17 }
  for (const one of [wrong, request]) await world.bus.publish(reattributionTopic, [requestMessage(one)])
  const told = async (id: string, phase: string) =>
    (await Array.fromAsync(world.bus.recent(reattributionTopic, () => true))).some(message => toldIn(message, id)?.phase === phase)
  await until('a failure', () => told('wrong', 'failed'))
  await until('an answer', () => told(request.id, 'done'))
  t.pass()
})

test('what was stored provisionally is attributed again by itself once it is known better, and only that', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openWorld()
  const from = Math.floor(Date.now() / 3_600_000) * 3600
  const rows = flows(300, { from }).filter(({ time }) => time < Date.now() * 1000)
  const earlier = flows(60, { from: from - 7200 })
  const stored = (row: object, provisional: boolean) => ({
    ...row,
    src_attribution_reason: 'no_object',
    dst_attribution_reason: 'no_object',
    provisional,
  })
  await store(world.clickhouse, 'flow', [...rows.map((row, i) => stored(row, i % 3 === 0)), ...earlier.map(row => stored(row, true))])
  // Nothing marks records here unless one came.
  await world.send('flow', flows(1, { from: from - 3 * 3600 }))
  const automatic = openAutomatic(world.running, 1_000)
  const counts = async () =>
    (
      await world.clickhouse.query<Record<string, number>>(
        `SELECT count() AS rows, countIf(provisional) AS open, countIf(src_attribution_reason = 'object' OR dst_attribution_reason = 'object') AS known, (SELECT sum(records) FROM flow_1h) AS rolled FROM flow`,
      )
    ).rows[0]
  const before = await counts()
  t.is(before.open, Math.ceil(rows.length / 3) + 60)
  await openAutomatic({ ...world.running, knownSince: () => Date.now() * 1000 }, 1_000).look(AbortSignal.timeout(60_000))
  t.deepEqual(await counts(), before, 'hours of which not all is known any more are left alone')
  await automatic.look(AbortSignal.timeout(60_000))
  const after = await counts()
  t.is(after.open, 0)
  t.is(after.rows, before.rows)
  t.is(after.rolled, before.rolled)
  t.true(after.known > 20 && after.known <= before.open)
  const steps = (await world.clickhouse.query<{ step: number }>('SELECT max(step) AS step FROM reattribution')).rows[0].step
  await automatic.look(AbortSignal.timeout(60_000))
  t.is((await world.clickhouse.query<{ step: number }>('SELECT max(step) AS step FROM reattribution')).rows[0].step, steps)
})
