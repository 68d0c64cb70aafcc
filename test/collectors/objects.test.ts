import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { ForgottenError, openObjectLog } from '../../collectors/objects.ts'
import { survey } from '../../enricher/history/survey.ts'
import { type Bus, tombstoneOf } from '../../runtime/bus/bus.ts'
import { type ObjectVersion, objectKey, openEnd } from '../../schema/object.ts'
import { openTestBus } from '../helpers/bus.ts'
import { quietLog } from '../helpers/clickhouse.ts'
import { until } from '../helpers/wait.ts'
import { kinds, topicOf } from '../../schema/record.ts'

const pod = (name: string, more: ObjectVersion = {}): ObjectVersion => ({
  time: 1,
  source: 'kubernetes',
  cluster: 'a',
  kind: 'pod',
  namespace: 'shop',
  name,
  uid: name,
  valid_from: 1,
  valid_to: openEnd,
  ...more,
})

test('who starts again finds what it left open, of its own cluster alone', async t => {
  await using opened = await openTestBus()
  const open = () => openObjectLog({ bus: opened.bus, collector: 'c', log: quietLog, signal: new AbortController().signal })
  t.deepEqual(await open().standing('kubernetes', 'a'), [], 'nothing was told yet')

  await open().publish([pod('cart'), pod('pay'), pod('far', { cluster: 'b' }), pod('made-up', { source: 'demo' })])
  await open().publish([pod('pay', { valid_to: 5, time: 5 })])
  const standing = await open().standing('kubernetes', 'a')
  t.deepEqual(
    standing.map(({ name, valid_from, valid_to }) => ({ name, valid_from, valid_to })),
    [{ name: 'cart', valid_from: 1, valid_to: openEnd }],
  )
  const recent = await open().standing('kubernetes', 'a', 4)
  t.deepEqual(recent.map(({ name }) => name).sort(), ['cart', 'pay'], 'and what ended since, where that is asked for')
})

test('what was removed from the bus is not found again', async t => {
  await using opened = await openTestBus()
  const open = () => openObjectLog({ bus: opened.bus, collector: 'c', log: quietLog, signal: new AbortController().signal })
  await open().publish([pod('cart'), pod('pay')])
  await opened.bus.publish(topicOf(kinds.object), [tombstoneOf(objectKey(pod('cart')))])
  t.deepEqual(
    (await open().standing('kubernetes', 'a')).map(({ name }) => name),
    ['pay'],
  )
})

test('what several clusters tell at once is stored as each told it, however large', async t => {
  await using opened = await openTestBus()
  const open = () => openObjectLog({ bus: opened.bus, collector: 'c', log: quietLog, signal: new AbortController().signal })
  const log = open()
  const specOf = (cluster: string, number: number) => JSON.stringify(Array.from({ length: 1000 }, (_, i) => `${cluster}${number}/${i}`))
  const told = (cluster: string) => Array.from({ length: 50 }, (_, i) => pod(`${cluster}${i}`, { cluster, spec: specOf(cluster, i) }))
  await Promise.all(['a', 'b', 'c'].map(cluster => log.publish(told(cluster))))
  for (const cluster of ['a', 'b', 'c']) {
    const standing = await open().standing('kubernetes', cluster)
    t.deepEqual(new Map(standing.map(({ name, spec }) => [name, spec])), new Map(told(cluster).map(({ name, spec }) => [name, spec])))
  }
})

test('who has nothing to tell says that it is there', async t => {
  await using opened = await openTestBus()
  const stop = new AbortController()
  const log = openObjectLog({ bus: opened.bus, collector: 'c', log: quietLog, signal: stop.signal, signEveryMs: 30 })
  await log.standing('spire', 'a')
  await log.publish([pod('cart')])
  const look = () => survey(opened.bus, topicOf(kinds.object), AbortSignal.timeout(5_000))
  const tellers = await until('both signs', async () => {
    const { tellers } = await look()
    return tellers.filter(({ signs }) => signs.length).length === 2 && tellers
  })
  t.deepEqual(tellers.map(({ source }) => source).sort(), ['kubernetes', 'spire'])
  const { heard } = tellers[0]
  await until('another', async () => (await look()).tellers.every(teller => teller.heard > heard))
  t.deepEqual((await log.standing('spire', 'a')).length, 0, 'a sign is no object')
  stop.abort()
})

test('who could tell nothing for too long is told so, and starts over', async t => {
  await using opened = await openTestBus()
  let waitMs = 1100
  const publish: Bus['publish'] = async (...given) => {
    await sleep(waitMs)
    await opened.bus.publish(...given)
  }
  const bus = { ...opened.bus, publish }
  const log = openObjectLog({ bus, collector: 'c', log: quietLog, signal: new AbortController().signal, mostBlockedMs: 1000 })
  await t.throwsAsync(log.publish([pod('cart')]), { instanceOf: ForgottenError })
  waitMs = 0
  await t.throwsAsync(log.publish([pod('pay')]), { instanceOf: ForgottenError })
  await t.notThrowsAsync(log.publish([pod('far', { cluster: 'b' })]), 'of another cluster nothing was told')
  t.is((await log.standing('kubernetes', 'a')).length, 1)
  await t.notThrowsAsync(log.publish([pod('pay')]))
})
