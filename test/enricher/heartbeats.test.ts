import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { Reachable } from '../../enricher/ends/clusters.ts'
import { runEnricher } from '../../enricher/main.ts'
import { settling } from '../../enricher/settle.ts'
import { Draft } from '../../enricher/step.ts'
import { Heartbeats } from '../../enricher/tables/heartbeats.ts'
import { openBlock } from '../../runtime/block/message.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import type { ClickHouse } from '../../runtime/clickhouse/client.ts'
import { type ObjectVersion, objectKey, openEnd } from '../../schema/object.ts'
import { kinds, topicOf } from '../../schema/record.ts'
import { deliveredOf, messageOf } from '../helpers/blocks.ts'
import { openTestBus } from '../helpers/bus.ts'
import { hasClickHouse, openTestDatabase } from '../helpers/clickhouse.ts'
import { testService } from '../helpers/service.ts'
import { until } from '../helpers/wait.ts'

const { signal } = new AbortController()

test('what is known already is not waited for, nor a cluster nobody speaks of', async t => {
  const heartbeats = new Heartbeats()
  heartbeats.beat('east', 100)
  const wanted = new Map([
    ['east', 100],
    ['west', 5000],
  ])
  t.true(await heartbeats.reach(wanted, { ms: 0, signal }))
})

test('a block waits until every one of its clusters is known up to its time, and no longer', async t => {
  const heartbeats = new Heartbeats()
  for (const cluster of ['east', 'west']) heartbeats.beat(cluster, 100)
  let reached: boolean | undefined
  const wanted = new Map([
    ['east', 200],
    ['west', 300],
  ])
  const waiting = heartbeats.reach(wanted, { ms: 10_000, signal }).then(answer => (reached = answer))
  heartbeats.beat('east', 250)
  heartbeats.beat('west', 299)
  await sleep(20)
  t.is(reached, undefined)
  heartbeats.beat('west', 300)
  t.true(await waiting)
})

test('it does not wait for longer than it may', async t => {
  const heartbeats = new Heartbeats()
  heartbeats.beat('east', 100)
  const began = performance.now()
  t.false(await heartbeats.reach(new Map([['east', 200]]), { ms: 100, signal }))
  t.true(performance.now() - began < 2_000)
})

test('an older heartbeat takes nothing back', t => {
  const heartbeats = new Heartbeats()
  heartbeats.beat('east', 100)
  heartbeats.beat('east', 50)
  t.is(heartbeats.upTo('east'), 100)
})

test('told to stop, it stops waiting', async t => {
  const heartbeats = new Heartbeats()
  heartbeats.beat('east', 100)
  const stop = new AbortController()
  const waiting = heartbeats.reach(new Map([['east', 200]]), { ms: 60_000, signal: stop.signal })
  stop.abort(new Error('stopped'))
  await t.throwsAsync(waiting, { message: 'stopped' })
})

const base = { cluster: 'east', source: 'kubernetes', valid_from: 0, valid_to: openEnd }
const cart: ObjectVersion = { ...base, kind: 'pod', namespace: 'shop', name: 'cart-1', uid: 'cart', addresses: ['10.0.0.1'] }
const beatAt = (time: number, cluster = 'east'): ObjectVersion => ({
  ...base,
  cluster,
  kind: 'cluster',
  name: cluster,
  uid: cluster,
  time,
})

async function tell(bus: Bus, ...versions: ObjectVersion[]) {
  for (const version of versions)
    await bus.publish(topicOf(kinds.object), [{ ...(await messageOf('object', [version])), key: objectKey(version) }])
}

const flowAt = (time: number) => ({ time, received: time + 1000, source: 'test', reporter: 'n', cluster: 'east', src_address: '10.0.0.1' })

async function ends(clickhouse: ClickHouse) {
  const { rows } = await clickhouse.query(
    'SELECT src_pod, src_attribution AS attribution, src_attribution_reason AS reason, provisional FROM flow ORDER BY time',
  )
  return rows
}

async function running(
  objectsWaitMs: number,
  use: (bus: Bus, clickhouse: ClickHouse) => Promise<void>,
  { reachable, beats = [] }: { reachable?: Reachable; beats?: ObjectVersion[] } = {},
) {
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  const { clickhouse } = database
  await tell(bus.bus, beatAt((Date.now() - 60_000) * 1000), ...beats)
  const { context, stop } = testService()
  const enricher = runEnricher({ bus: bus.bus, clickhouse, options: { batch: { maxWaitMs: 50 }, objectsWaitMs, reachable } }, context)
  await use(bus.bus, clickhouse)
  stop()
  await enricher.catch(() => {})
}

test('a pod that is told of after its flow came is known to it', async t => {
  if (!(await hasClickHouse(t))) return
  await running(20_000, async (bus, clickhouse) => {
    const now = Date.now() * 1000
    await bus.publish(topicOf(kinds.flow), [await messageOf('flow', [flowAt(now)])])
    await sleep(500)
    t.deepEqual(await ends(clickhouse), [])
    await tell(bus, cart, beatAt(now + 1_000_000))
    await until('the row', async () => (await ends(clickhouse)).length)
    t.deepEqual(await ends(clickhouse), [{ src_pod: 'cart-1', attribution: 'exact', reason: 'object', provisional: false }])
  })
})

test('what was waited for in vain is stored, and says that it may become known', async t => {
  if (!(await hasClickHouse(t))) return
  await running(300, async (bus, clickhouse) => {
    await tell(bus, cart)
    await bus.publish(topicOf(kinds.flow), [await messageOf('flow', [flowAt(Date.now() * 1000)])])
    await until('the row', async () => (await ends(clickhouse)).length)
    t.deepEqual(await ends(clickhouse), [{ src_pod: 'cart-1', attribution: 'ambiguous', reason: 'stale_objects', provisional: true }])
    const { rows } = await clickhouse.query('SELECT provisional, sum(records) AS n FROM flow_1m GROUP BY provisional')
    t.deepEqual(rows, [{ provisional: true, n: 1 }])
  })
})

const meshes = { meshes: [['east', 'west']] }
const ofNeighbour = 'SELECT dst_cluster, dst_pod, dst_attribution AS attribution, dst_attribution_reason AS reason FROM flow'

test('a pod of a neighbour that is told of after the flow came is known to it', async t => {
  if (!(await hasClickHouse(t))) return
  const now = Date.now() * 1000
  const use = async (bus: Bus, clickhouse: ClickHouse) => {
    await tell(bus, beatAt(now + 60e6))
    await bus.publish(topicOf(kinds.flow), [await messageOf('flow', [{ ...flowAt(now), dst_address: '10.9.0.1' }])])
    await sleep(500)
    t.deepEqual(await ends(clickhouse), [])
    await tell(bus, { ...cart, cluster: 'west', uid: 'west/cart', addresses: ['10.9.0.1'] }, beatAt(now + 60e6, 'west'))
    await until('the row', async () => (await ends(clickhouse)).length)
    t.deepEqual((await clickhouse.query(ofNeighbour)).rows, [
      { dst_cluster: 'west', dst_pod: 'cart-1', attribution: 'exact', reason: 'other_cluster' },
    ])
  }
  await running(20_000, use, { reachable: meshes, beats: [beatAt(now - 60e6, 'west')] })
})

test('a cluster that a source names for an end is waited for as well', async t => {
  if (!(await hasClickHouse(t))) return
  const now = Date.now() * 1000
  const use = async (bus: Bus, clickhouse: ClickHouse) => {
    await tell(bus, beatAt(now + 60e6))
    const flow = { ...flowAt(now), dst_address: '10.9.0.1', dst_cluster: 'west' }
    await bus.publish(topicOf(kinds.flow), [await messageOf('flow', [flow])])
    await sleep(500)
    t.deepEqual(await ends(clickhouse), [])
    await tell(bus, { ...cart, cluster: 'west', uid: 'west/cart', addresses: ['10.9.0.1'] }, beatAt(now + 60e6, 'west'))
    await until('the row', async () => (await ends(clickhouse)).length)
    t.like((await clickhouse.query(ofNeighbour)).rows[0], { dst_cluster: 'west', dst_pod: 'cart-1', attribution: 'exact' })
  }
  await running(20_000, use, { beats: [beatAt(now - 60e6, 'west')] })
})

test('a neighbour that has fallen silent holds up nobody, and one that never spoke neither', async t => {
  let now = 0
  const heartbeats = new Heartbeats(() => now)
  const draft = new Draft(kinds.flow, openBlock(await deliveredOf('flow', [flowAt(200)])))
  const steps = [{ name: 'test', until: () => new Map([['east', 200]]), enrich: () => {} }]
  const reachable = { meshes: [['east', 'west', 'north']] }
  let vain = 0
  const settled = settling({ heartbeats, steps, waitMs: 60_000, reachable, waited: (_, reached) => void (reached || vain++) })
  const arrive = () => settled(draft, { read: Date.now(), published: Date.now(), signal })
  heartbeats.beat('east', 200)
  await arrive()
  heartbeats.beat('west', 100)
  now = 11_000
  await arrive()
  heartbeats.beat('east', 300)
  await arrive()
  t.is(vain, 2, 'west is behind and silent')
  heartbeats.beat('west', 300)
  await arrive()
  t.is(vain, 2)
})

test('who is behind does not wait: what was published long ago is stored at once', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  await tell(bus.bus, cart, beatAt((Date.now() - 60_000) * 1000))
  const now = Date.now() * 1000
  for (let block = 0; block < 20; block++) await bus.bus.publish(topicOf(kinds.flow), [await messageOf('flow', [flowAt(now + block)])])
  await sleep(1_500)
  const { context, stop } = testService()
  const began = performance.now()
  const options = { batch: { maxWaitMs: 50 }, objectsWaitMs: 1_500 }
  const enricher = runEnricher({ bus: bus.bus, clickhouse: database.clickhouse, options }, context)
  await until('the rows', async () => (await ends(database.clickhouse)).length === 20)
  t.true(performance.now() - began < 15_000)
  stop()
  await enricher.catch(() => {})
})
