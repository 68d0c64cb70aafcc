import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { type Kept, dueOf } from '../../../enricher/history/due.ts'
import { horizonOf } from '../../../enricher/history/horizon.ts'
import { keepHistory, keeperOf } from '../../../enricher/history/keep.ts'
import { survey } from '../../../enricher/history/survey.ts'
import { ObjectTable } from '../../../enricher/tables/objects.ts'
import { loadObjects } from '../../../enricher/load.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { type ObjectVersion, objectKey, openEnd } from '../../../schema/object.ts'
import { kinds, topicOf } from '../../../schema/record.ts'
import { messageOf } from '../../helpers/blocks.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { quietLog } from '../../helpers/clickhouse.ts'
import { until } from '../../helpers/wait.ts'
import { churned, horizon, lastHour, left } from './churned.ts'

const topic = topicOf(kinds.object)
const hour = 3600e6
const now = () => Date.now() * 1000
const options = { topic, log: quietLog, goneMs: 0, watchMs: 0 }
const forever = new AbortController().signal

const pod = (uid: string, more: Partial<ObjectVersion> = {}): ObjectVersion => ({
  source: 'kubernetes',
  cluster: 'east',
  kind: 'pod',
  namespace: 'shop',
  name: uid,
  uid,
  addresses: ['10.0.0.1'],
  valid_from: now() - 40 * hour,
  valid_to: openEnd,
  ...more,
})

async function tell(bus: Pick<Bus, 'publish'>, versions: readonly ObjectVersion[]) {
  const messages = await Promise.all(
    versions.map(async version => ({ ...(await messageOf('object', [version])), key: objectKey(version) })),
  )
  for (let at = 0; at < messages.length; at += 500) await bus.publish(topic, messages.slice(at, at + 500))
}

async function keysOn(bus: Bus): Promise<string[]> {
  const { objects } = await survey(bus, topic, AbortSignal.timeout(20_000))
  return [...objects.values()].flatMap(versions => versions.map(({ key }) => key)).sort()
}

async function newestOn(bus: Bus): Promise<number> {
  for await (const { offset } of bus.recent(topic, () => true)) return offset
  return -1
}

async function tableOf(bus: Bus): Promise<ObjectTable> {
  const table = new ObjectTable()
  const stop = new AbortController()
  const { followed } = await loadObjects(bus, [table], stop.signal, quietLog)
  stop.abort()
  await followed
  return table
}

const kept = (key: string, from: number, to: number, told = 0): Kept => ({ key, object: 'o', from, to, told })
for (const [what, versions, due] of [
  ['what ended before', [kept('a', 0, 10)], ['a']],
  ['not what ended after', [kept('a', 0, 101)], []],
  ['not what is open', [kept('a', 0, openEnd)], []],
  ['not what was told of after, though it ended before', [kept('a', 0, 10, 101)], []],
  ['what is open, where the next began before', [kept('a', 0, openEnd), kept('b', 50, openEnd)], ['a']],
  ['not what is open, where the next began after', [kept('a', 0, openEnd), kept('b', 101, openEnd)], []],
  ['the older one first', [kept('b', 50, 60), kept('a', 0, openEnd)], ['a', 'b']],
  ['no later one without the one before', [kept('a', 0, openEnd, 101), kept('b', 50, 60)], []],
] as const)
  test(`of the versions of an object go: ${what}`, t => t.deepEqual(dueOf(versions, 100), [...due]))

test('whatever is removed of an object, and however much of that, who has the rest knows the same since the horizon', t => {
  const version = fc.record({ from: fc.nat(90), lasts: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }), told: fc.nat(130) })
  const versions = fc.uniqueArray(version, { selector: ({ from }) => from, maxLength: 6 })
  fc.assert(
    fc.property(versions, fc.nat(120), fc.nat(6), (all, horizon, count) => {
      // Versions of an object are told in their order.
      const inOrder = all.toSorted((a, b) => a.from - b.from)
      const of = inOrder.map(({ from, lasts, told }) => ({ ...kept(`${from}`, from, lasts === undefined ? openEnd : from + lasts, told) }))
      const gone = new Set(dueOf(of, horizon).slice(0, count))
      const tables = [of, of.filter(({ key }) => !gone.has(key))].map(some => {
        const table = new ObjectTable()
        for (const { from, to } of some) table.add(pod('a', { valid_from: from, valid_to: to, workload: `w${from}` }))
        return table
      })
      const words = new Int32Array([0, 0, -65536, 0x0100000a])
      for (let time = horizon; time < 200; time++) {
        const [one, other] = tables.map(table => {
          const found = table.addresses('east').look(words, 0, time, time)
          return found < 0 ? 'nobody' : table.text('workload', found)
        })
        t.is(one, other)
      }
    }),
    { numRuns: 500 },
  )
})

test('the horizon is so long before the oldest record that is not stored, of whatever kind', t => {
  const of = (topic: string, ageMs: number, group = 'enricher') => ({ topic, group, messages: 1, bytes: 1, ageMs })
  const at = (...lags: ReturnType<typeof of>[]) => horizonOf(lags, { group: 'enricher', historyMs: 100, now: 1_000 })
  t.is(at(), 900_000)
  t.is(at(of('weir-flow-v1', 50), of('weir-span-v1', 300), of('weir-object-v1', 10)), 600_000)
  t.is(at(of('weir-flow-v1', 500, 'other'), of('weir-reattribution-v1', 700)), 900_000)
})

test('tombstones come for what ended before the horizon and for nothing else, and the horizon stands on the topic before', async t => {
  await using opened = await openTestBus()
  const { bus } = opened
  await tell(bus, churned())
  const { tellHorizon, sweep } = keeperOf({ ...options, bus }, forever)
  await tellHorizon(horizon)
  await sweep(horizon, 0)
  t.deepEqual(await keysOn(bus), left())
  t.is((await tableOf(bus)).knownSince, horizon)
  const before = await newestOn(bus)
  await sweep(horizon, 0)
  t.is(await newestOn(bus), before, 'the second time there is nothing to do')
})

test('who dies at any of its calls leaves what is right, and the next one goes on', async t => {
  await using opened = await openTestBus()
  const { bus } = opened
  await tell(bus, churned())
  const whole = await tableOf(bus)
  let calls = 0
  for (let call = 1; ; call++) {
    calls = 0
    const publish: Bus['publish'] = async (...given) => {
      if (++calls === call) throw new Error('died')
      await bus.publish(given[0], given[1].slice(0, 40))
      if (given[1].length > 40) throw new Error('died')
    }
    const { tellHorizon, sweep } = keeperOf({ ...options, bus: { ...bus, publish } }, forever)
    const done = await tellHorizon(horizon)
      .then(() => sweep(horizon, 0))
      .then(
        () => true,
        () => false,
      )
    if (call % 4 === 0 || done) same(t, await tableOf(bus), whole)
    if (done) break
  }
  t.deepEqual(await keysOn(bus), left())
})

function same(t: { deepEqual(one: unknown, other: unknown): void }, one: ObjectTable, other: ObjectTable) {
  const words = new Int32Array([0, 0, -65536, 0])
  const bytes = new Uint8Array(words.buffer)
  bytes[12] = 10
  for (let address = 0; address < 200; address++)
    for (let time = horizon; time < lastHour; time += hour / 4) {
      bytes[15] = address
      const [a, b] = [one, other].map(table => {
        const found = table.addresses('east').look(words, 0, time, time)
        return found < 0 ? 'nobody' : table.text('pod', found)
      })
      if (a !== b) t.deepEqual([address, time, a], [address, time, b])
    }
}

test('killed by SIGKILL again and again it comes to the same', async t => {
  await using opened = await openTestBus()
  const { bus, path } = opened
  await tell(bus, churned())
  const whole = await tableOf(bus)
  const script = new URL('sweep-process.ts', import.meta.url).pathname
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    const closed = once(child, 'close')
    await Promise.race([once(child.stdout, 'data'), closed])
    await sleep(round * 15)
    child.kill('SIGKILL')
    await closed
    const table = await tableOf(bus)
    if (table.knownSince < horizon)
      t.is((await keysOn(bus)).length, new Set(churned().map(objectKey)).size, 'nothing goes before it is said')
    same(t, table, whole)
  }
  await keeperOf({ ...options, bus }, forever).sweep(horizon, 0)
  t.deepEqual(await keysOn(bus), left())
})

test('objects of a source that is gone end then, and go; those of one that is quiet stay', async t => {
  await using opened = await openTestBus()
  const { bus } = opened
  const sign = (source: string, cluster: string): ObjectVersion => ({
    source,
    cluster,
    kind: 'source',
    uid: source,
    name: source,
    valid_from: 0,
    valid_to: openEnd,
    time: now(),
  })
  const beat: ObjectVersion = {
    source: 'kubernetes',
    cluster: 'old',
    kind: 'cluster',
    uid: 'old',
    name: 'old',
    valid_from: 0,
    valid_to: openEnd,
    time: now(),
  }
  const gone = [pod('a', { cluster: 'old' }), { ...pod('b', { cluster: 'old', source: 'spire', kind: 'identity' as const }) }]
  const quiet = [pod('c'), pod('d', { source: 'never-signed', cluster: 'old' })]
  await tell(bus, [...gone, ...quiet, beat, sign('spire', 'old')])
  const signing = setInterval(() => void tell(bus, [sign('kubernetes', 'east')]), 200)
  t.teardown(() => clearInterval(signing))
  const keeper = keeperOf({ ...options, bus, goneMs: 4_000, watchMs: 60_000 }, forever)
  await sleep(4_500)
  await keeper.sweep(0, Date.now())
  t.is((await survey(bus, topic, forever)).tellers.length, 4, 'who has not been there for long believes nobody gone')
  const began = now()
  await keeper.sweep(0, 0)
  const { objects, tellers } = await survey(bus, topic, forever)
  const ends = Object.fromEntries([...objects].map(([name, [{ to }]]) => [name, to < openEnd]))
  t.deepEqual(ends, { 'old/pod/a': true, 'old/identity/b': true, 'east/pod/c': false, 'old/pod/d': false })
  t.deepEqual(tellers.map(({ source, cluster }) => `${source} ${cluster}`).sort(), ['kubernetes east', 'never-signed old'])
  const found = (await tableOf(bus)).addresses('old').look(new Int32Array([0, 0, -65536, 0x0100000a]), 0, began - 1000, began - 1000)
  t.true(found !== -2, 'until then it perhaps was there')
  clearInterval(signing)
  await keeper.sweep(now() + hour, Date.now())
  t.deepEqual(await keysOn(bus), [objectKey(quiet[1]), objectKey(quiet[0])].sort())
})

test('it goes on by itself, and stands still while records are unread', async t => {
  await using opened = await openTestBus()
  const { bus } = opened
  const flows = topicOf(kinds.flow)
  await bus.publish(flows, [{ headers: {}, body: new Uint8Array(1) }])
  const published = Date.now()
  const reading = Promise.withResolvers<void>()
  await using _ = await bus.subscribe(flows, 'enricher', async assignment => {
    await reading.promise
    await assignment.commit({ offset: 1, metadata: '' })
    await sleep(60_000, undefined, { signal: assignment.signal }).catch(() => {})
  })
  await tell(bus, [pod('ended', { valid_to: now() - 3 * hour }), pod('open')])
  const stop = new AbortController()
  const table = new ObjectTable()
  const { followed } = await loadObjects(bus, [table], stop.signal, quietLog)
  const often = { everyMs: 20, surveyEveryMs: 60, historyMs: 1_000 }
  const keeping = keepHistory({ ...options, ...often, bus, group: 'enricher', knownSince: () => table.knownSince }, stop.signal)
  await sleep(1_500)
  t.true(table.knownSince <= (published - 900) * 1000, 'a record is not stored that is as old')
  t.is((await keysOn(bus)).length, 2)
  reading.resolve()
  await until('it is gone', async () => (await keysOn(bus)).length === 1)
  await until('it is forgotten', async () => table.versions === 1)
  stop.abort()
  await Promise.all([keeping, followed])
})
