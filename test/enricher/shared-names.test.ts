import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { runEnricher } from '../../enricher/main.ts'
import { shareNames } from '../../enricher/shared-names.ts'
import { NameTable, nameAt } from '../../enricher/tables/names.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { type ToldName, nameTopic, namesBody, namesIn } from '../../schema/name.ts'
import { type KindName, kinds, topicOf } from '../../schema/record.ts'
import { messageOf } from '../helpers/blocks.ts'
import { openTestBus } from '../helpers/bus.ts'
import { hasClickHouse, openTestDatabase, quietLog } from '../helpers/clickhouse.ts'
import { testService } from '../helpers/service.ts'
import { until } from '../helpers/wait.ts'

const now = Date.now() * 1000
const second = 1e6
const told: ToldName = { client: 'east|10.0.0.1', address: '203.0.113.1', name: 'api.example.org', from: now, to: now + 300 * second }

/** The bus as one enricher of several has it: with the partitions of some topics. */
const withPartitions = (bus: Bus, kind: KindName): Bus => ({
  ...bus,
  subscribe: async (topic, ...rest) =>
    topic === topicOf(kinds[kind]) ? bus.subscribe(topic, ...rest) : { [Symbol.asyncDispose]: async () => {} },
})

const answer = {
  time: now,
  source: 'hubble',
  cluster: 'east',
  protocol: 'dns',
  phase: 'response',
  src_address: '10.0.0.1',
  dst_address: '10.0.0.53',
  dns_query: 'api.example.org.',
  dns_answers: ['203.0.113.1'],
  dns_ttl: 600,
}
const flow = { time: now + second, source: 'hubble', cluster: 'east', src_address: '10.0.0.1', dst_address: '203.0.113.1' }

test('what one enricher reads of DNS another knows, and so does one that starts later', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  const { clickhouse } = database
  const run = (kind: KindName) => {
    const { context, stop } = testService()
    const running = runEnricher({ bus: withPartitions(bus.bus, kind), clickhouse, options: { batch: { maxWaitMs: 20 } } }, context)
    return async () => {
      stop()
      await running.catch(() => {})
    }
  }
  const count = async (kind: KindName) => (await clickhouse.query<{ n: number }>(`SELECT count() AS n FROM ${kind}`)).rows[0].n
  const names = async () => (await clickhouse.query('SELECT dst_dns_name AS name FROM flow ORDER BY src_port')).rows
  const stopReader = run('request')
  const stopOther = run('flow')
  await bus.bus.publish(topicOf(kinds.request), [await messageOf('request', [answer])])
  await until('the answer', async () => (await count('request')) === 1)
  await sleep(500)
  await bus.bus.publish(topicOf(kinds.flow), [await messageOf('flow', [{ ...flow, src_port: 1 }])])
  await until('the flow', async () => (await count('flow')) === 1)
  await Promise.all([stopReader(), stopOther()])
  const stopLater = run('flow')
  await bus.bus.publish(topicOf(kinds.flow), [await messageOf('flow', [{ ...flow, src_port: 2 }])])
  await until('the second flow', async () => (await count('flow')) === 2)
  await stopLater()
  t.deepEqual(await names(), [{ name: 'api.example.org' }, { name: 'api.example.org' }])
})

async function sharing(bus: Bus, names: NameTable) {
  const stopping = new AbortController()
  await shareNames(names, { bus, log: quietLog, signal: stopping.signal })
  return { [Symbol.dispose]: () => stopping.abort() }
}

const messagesOn = async (bus: Bus) => (await Array.fromAsync(bus.recent(nameTopic, () => true))).flatMap(({ body }) => namesIn(body))

test('an answer that comes again and again is told now and then, and what is long past never', async t => {
  await using bus = await openTestBus()
  const names = new NameTable()
  using _ = await sharing(bus.bus, names)
  for (let at = 0; at < 300; at++) names.learn(told.client, told.address, { name: told.name, time: now + at * second, ttl: 1 })
  names.learn('old', told.address, { name: told.name, time: now - 2 * 3600 * second, ttl: 1 })
  const all = await until('messages', async () => {
    const all = await messagesOn(bus.bus)
    return all.length >= 4 && all
  })
  await sleep(500)
  t.is((await messagesOn(bus.bus)).length, all.length)
  t.true(all.length <= 5, `${all.length}`)
  t.true(all.every(({ client }) => client === told.client))
})

test('what was heard of is not told again', async t => {
  await using bus = await openTestBus()
  const [one, other] = [new NameTable(), new NameTable()]
  using _one = await sharing(bus.bus, one)
  using _other = await sharing(bus.bus, other)
  one.learn(told.client, told.address, { name: told.name, time: now, ttl: 300 })
  await until('the name', () => other.size === 1)
  t.is(nameAt(other.answers(told.client, told.address), now + second), told.name)
  other.learn(told.client, told.address, { name: told.name, time: now + second, ttl: 300 })
  await sleep(500)
  t.is((await messagesOn(bus.bus)).length, 1)
})

test('more names than can be told are known where they were read, and soon enough tell the others of the rest', async t => {
  await using bus = await openTestBus()
  const [one, other] = [new NameTable({ max: 200_000 }), new NameTable({ max: 200_000 })]
  using _one = await sharing(bus.bus, one)
  using _other = await sharing(bus.bus, other)
  const began = performance.now()
  for (let at = 0; at < 50_000; at++) one.learn(told.client, `address-${at}`, { name: told.name, time: now, ttl: 300 })
  one.learn(told.client, told.address, { name: 'x'.repeat(2_000), time: now, ttl: 300 })
  t.true(performance.now() - began < 5_000)
  t.is(one.size, 50_001)
  await until('some', () => other.size >= 3_000)
  t.true(other.size <= 20_000)
})

test('garbage among the names is passed over, and a bus without the topic leaves all else as it was', async t => {
  await using bus = await openTestBus()
  for (const body of ['', '[[1]]', '{}', '[["a","b","c",1]]', '[["a","b","c",1,null]]'])
    await bus.bus.publish(nameTopic, [{ headers: {}, body: Buffer.from(body) }])
  await bus.bus.publish(nameTopic, [{ headers: {}, body: namesBody([told]) }])
  const names = new NameTable()
  using _ = await sharing(bus.bus, names)
  t.is(names.size, 1)
  const away = {
    ...bus.bus,
    publish: () => Promise.reject(new Error('away')),
    follow: () => bus.bus.follow('unknown', AbortSignal.abort()),
  }
  const alone = new NameTable()
  using _alone = await sharing(away, alone)
  alone.learn(told.client, told.address, { name: told.name, time: now, ttl: 300 })
  await sleep(50)
  t.is(nameAt(alone.answers(told.client, told.address), now + second), told.name)
})

test('a body of names reads as it was written, and whatever else is refused', t => {
  const integer = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
  const name = fc.record({ client: fc.string(), address: fc.string(), name: fc.string(), from: integer, to: integer })
  fc.assert(fc.property(fc.array(name), names => t.deepEqual(namesIn(namesBody(names)), names)))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), body => {
      try {
        t.true(Array.isArray(namesIn(body)))
      } catch (error) {
        t.true(error instanceof Error)
      }
    }),
  )
})
