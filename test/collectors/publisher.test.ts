import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { type PublisherOptions, openPublisher } from '../../collectors/publisher.ts'
import { openBlock } from '../../runtime/block/message.ts'
import type { Bus, Delivered } from '../../runtime/bus/bus.ts'
import { openEmbeddedBus } from '../../runtime/bus/embedded.ts'
import { untilCaughtUp } from '../../runtime/bus/until-caught-up.ts'
import { openLog } from '../../runtime/log.ts'
import { component } from '../../runtime/telemetry.ts'
import { type KindName, deadLetterTopic, kinds, topicOf } from '../../schema/record.ts'
import { openTestBus } from '../helpers/bus.ts'
import { until } from '../helpers/wait.ts'

const silent = openLog({ write: () => {} })
const instruments = component('source', 'test')

const open = (bus: Bus, options: Partial<PublisherOptions> = {}) =>
  openPublisher({ bus, collector: 'test', log: silent, instruments, maxBlockAgeMs: 20, retryMs: 5, ...options })

/** Everything in the topic, oldest first. */
const read = (bus: Bus, topic: string) => Array.fromAsync(untilCaughtUp(bus, topic, new AbortController().signal))

const blocks = (bus: Bus, kind: KindName = 'flow') => read(bus, topicOf(kinds[kind]))

/** The ports of the records, which the tests number them by. */
const numbers = (messages: readonly Delivered[]) => messages.flatMap(message => [...openBlock(message).numbers('src_port')])

const add = (outbox: ReturnType<typeof open>, number: number, kind: KindName = 'flow') =>
  outbox.block(kind).add({ time: number, src_port: number }, Buffer.from(`id${String(number).padStart(6, '0')}`))

const range = (length: number) => Array.from({ length }, (_, number) => number)

test('durable resolves when what was put in is on the bus, without forcing it there', async t => {
  await using own = await openTestBus()
  await using outbox = open(own.bus, { rowsPerBlock: 10, maxBlockAgeMs: 50 })
  await outbox.durable()
  add(outbox, 0)
  const first = outbox.durable()
  add(outbox, 1)
  await Promise.all([first, outbox.durable()])
  t.deepEqual(numbers(await blocks(own.bus)), [0, 1])
  t.is((await blocks(own.bus)).length, 1)
})

test('records come in the order they were added, in numbered blocks, at the latest when it closes', async t => {
  await using own = await openTestBus()
  await using outbox = open(own.bus, { rowsPerBlock: 10, maxBlockAgeMs: 60_000 })
  for (const number of range(25)) {
    await outbox.ready()
    add(outbox, number)
  }
  await outbox[Symbol.asyncDispose]()
  const sent = await blocks(own.bus)
  t.deepEqual(numbers(sent), range(25))
  t.deepEqual(
    sent.map(({ headers }) => [headers.sequence, headers.rows, headers.min_time, headers.max_time, headers.collector]),
    [
      ['0', '10', '0', '9', 'test'],
      ['1', '10', '10', '19', 'test'],
      ['2', '5', '20', '24', 'test'],
    ],
  )
  t.is(new Set(sent.map(({ headers }) => headers.run)).size, 1)
})

test('an old block is published although it is not full, and a kind does not wait for another', async t => {
  await using own = await openTestBus()
  await using outbox = open(own.bus)
  add(outbox, 1)
  add(outbox, 2, 'request')
  await until('the flow', async () => (await blocks(own.bus)).length === 1)
  await until('the request', async () => (await blocks(own.bus, 'request')).length === 1)
  t.deepEqual(numbers(await blocks(own.bus)), [1])
})

test('whatever the pace, nothing is lost, doubled or out of order', async t => {
  await using own = await openTestBus()
  let first = 0
  const steps = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ step: fc.constant('add' as const), count: fc.integer({ min: 1, max: 12 }) }) },
      { weight: 2, arbitrary: fc.record({ step: fc.constant('wait' as const), count: fc.integer({ min: 0, max: 6 }) }) },
      { weight: 1, arbitrary: fc.record({ step: fc.constant('flush' as const), count: fc.constant(0) }) },
    ),
    { maxLength: 20 },
  )
  let seen = 0
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 5 }), async (plan, rowsPerBlock, maxBlockAgeMs) => {
      let next = first
      {
        await using outbox = open(own.bus, { rowsPerBlock, maxBlockAgeMs })
        for (const { step, count } of plan)
          if (step === 'wait') await sleep(count)
          else if (step === 'flush') void outbox.flush()
          else
            for (let i = 0; i < count; i++) {
              await outbox.ready()
              add(outbox, next++ % 60_000)
            }
      }
      const sent = (await blocks(own.bus)).slice(seen)
      seen += sent.length
      t.deepEqual(
        numbers(sent),
        range(next - first).map(n => (first + n) % 60_000),
      )
      first = next
    }),
    { numRuns: 40 },
  )
})

/** The bus, failing as often as it is told. */
function failing(bus: Bus, times: number): Bus {
  return { ...bus, publish: (...call) => (times-- > 0 ? Promise.reject(new Error('no route')) : bus.publish(...call)) }
}

test('what cannot be published is tried again until it can, and why is told once', async t => {
  await using own = await openTestBus()
  const told: (string | undefined)[] = []
  await using outbox = open(failing(own.bus, 5), { rowsPerBlock: 2, onBlocked: reason => void told.push(reason) })
  for (const number of range(6)) {
    await outbox.ready()
    add(outbox, number)
  }
  await outbox.flush()
  t.deepEqual(numbers(await blocks(own.bus)), range(6))
  t.deepEqual(told, ['no route', undefined])
})

test('a full disk makes it wait and say so; with space again everything is there', async t => {
  await using own = await openTestBus()
  const log = openLog({ write: () => {} })
  await using small = await openEmbeddedBus({
    path: own.path + '-small',
    log,
    maxFileBytes: 1 << 20,
    reserveBytes: 100_000,
    retentionEveryMs: 100,
  })
  const topic = topicOf(kinds.flow)
  await small.ensureTopic(topic, { maxBytes: 100 << 20 })
  await small.ensureTopic('filler', { maxBytes: 100 << 20, awaitReaders: false })
  // A topic has a page of its own; with this it has no room.
  await small.publish(topic, [{ headers: {}, body: Buffer.alloc(15_500) }])
  for (const size of [50_000, 5_000, 500]) {
    const fill = async () => {
      for (;;) await small.publish('filler', [{ headers: {}, body: Buffer.alloc(size) }], AbortSignal.timeout(500))
    }
    await t.throwsAsync(fill())
  }
  t.is(small.trouble(), 'the disk is full')
  const told: (string | undefined)[] = []
  await using outbox = open(small, { rowsPerBlock: 10, slowMs: 50, onBlocked: reason => void told.push(reason) })
  // More than what is left of a page.
  for (const number of range(8)) outbox.block('flow').add({ time: number, src_port: number, trace_id: randomBytes(1000).toString('hex') })
  const flushed = outbox.flush()
  await until('the reason', () => told.length > 0)
  t.deepEqual(told, ['the disk is full'])
  await small.ensureTopic('filler', { maxBytes: 1, maxAgeMs: 1, awaitReaders: false })
  await flushed
  t.deepEqual(numbers((await blocks(small)).slice(1)), range(8))
  t.is(told.at(-1), undefined)
})

test('readers that are behind make it wait and say so', async t => {
  await using own = await openTestBus()
  const topic = topicOf(kinds.flow)
  await own.bus.ensureTopic(topic, { maxBytes: 1 })
  await using reader = await own.bus.subscribe(
    topic,
    'slow',
    assignment => new Promise(resolve => assignment.signal.addEventListener('abort', () => resolve())),
  )
  const told: (string | undefined)[] = []
  const stop = new AbortController()
  await using outbox = open(own.bus, {
    rowsPerBlock: 1,
    slowMs: 20,
    flushWithinMs: 50,
    signal: stop.signal,
    onBlocked: reason => void told.push(reason),
  })
  for (const number of range(2)) {
    await outbox.ready()
    add(outbox, number)
  }
  await until('the reason', () => told.length > 0)
  t.deepEqual(told, ['the readers are behind'])
  stop.abort()
  await reader[Symbol.asyncDispose]()
})

test('closing waits for the bus, but not for ever, and says how much is left', async t => {
  await using own = await openTestBus()
  const lines: string[] = []
  const log = openLog({ pretty: false, write: line => void lines.push(line) })
  const never = (_: string, __: unknown, signal?: AbortSignal) =>
    new Promise<void>((_, reject) => {
      signal?.throwIfAborted()
      signal?.addEventListener('abort', () => reject(signal.reason as Error))
    })
  const outbox = open({ ...own.bus, publish: never }, { log, flushWithinMs: 100, rowsPerBlock: 3 })
  for (const number of range(3)) add(outbox, number)
  await outbox.ready()
  for (const number of range(2)) add(outbox, number)
  const start = Date.now()
  await outbox[Symbol.asyncDispose]()
  t.true(Date.now() - start < 2000)
  t.like(JSON.parse(lines.at(-1)!), { level: 'warn', message: 'stopped before everything was published', records: 5 })
})

test('after the stop signal a source that waits for the bus is let go', async t => {
  await using own = await openTestBus()
  const stop = new AbortController()
  const never = (_: string, __: unknown, signal?: AbortSignal) =>
    new Promise<void>((_, reject) => {
      signal?.throwIfAborted()
      signal?.addEventListener('abort', () => reject(signal.reason as Error))
    })
  await using outbox = open({ ...own.bus, publish: never }, { signal: stop.signal, flushWithinMs: 50, rowsPerBlock: 1 })
  add(outbox, 1)
  await outbox.ready()
  add(outbox, 2)
  stop.abort()
  await t.throwsAsync(outbox.ready(), { name: 'AbortError' })
})

test('dead letters are kept with where they come from, at most a hundred a second, also when it closes at once', async t => {
  await using own = await openTestBus()
  {
    await using outbox = open(own.bus)
    await sleep(1000 - (Date.now() % 1000))
    for (const number of range(150))
      outbox.deadLetter({ source: 'hubble', reporter: 'node-1', reason: 'cut off', body: Buffer.from([number]) })
  }
  const letters = await read(own.bus, deadLetterTopic)
  t.is(letters.length, 100)
  t.deepEqual(letters[0].headers, { collector: 'test', source: 'hubble', reporter: 'node-1', reason: 'cut off' })
  t.deepEqual(
    letters.map(({ body }) => body[0]),
    range(100),
  )
})

test('what was published is read back newest first, of this collector and this time only', async t => {
  await using own = await openTestBus()
  for (const [collector, numbers] of Object.entries({ test: [1, 2, 3], other: [4] })) {
    await using outbox = open(own.bus, { collector, rowsPerBlock: 2 })
    for (const number of numbers) {
      await outbox.ready()
      add(outbox, number)
    }
  }
  await using outbox = open(own.bus)
  const found = await Array.fromAsync(outbox.published('flow', 60_000))
  t.deepEqual(
    found.map(({ ids, minTime, maxTime, block }) => [Buffer.from(ids).toString(), minTime, maxTime, block().rows]),
    [
      ['id000003', 3, 3, 1],
      ['id000001id000002', 1, 2, 2],
    ],
  )
  await sleep(20)
  t.deepEqual(await Array.fromAsync(outbox.published('flow', 1)), [])
})

test('a block says which peers its records came from, and whose the reporters are when there are several', async t => {
  await using own = await openTestBus()
  await using other = open(own.bus, { collector: 'other' })
  await using outbox = open(own.bus)
  for (const peers of [{ 'a:1': ['c/x', 'c/y'] }, { 'a:1': ['c/x'], 'b:1': ['c/z'] }, {}]) {
    add(other, 1)
    for (const [peer, reporters] of Object.entries(peers)) other.from('flow', peer, reporters)
    await other.flush()
  }
  const found = await Array.fromAsync(outbox.published('flow', 60_000, () => true))
  t.deepEqual(
    found.map(({ collector, own: isOwn, peers }) => [collector, isOwn, peers]),
    [
      ['other', false, {}],
      ['other', false, { 'a:1': ['c/x'], 'b:1': ['c/z'] }],
      ['other', false, { 'a:1': [] }],
    ],
  )
  t.is((await Array.fromAsync(outbox.published('flow', 60_000, ({ peers }) => 'b:1' in peers))).length, 1)
})
