import { readdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { type Assignment, type Bus, type Delivered, type Message, tombstoneOf } from '../../../runtime/bus/bus.ts'
import { untilCaughtUp } from '../../../runtime/bus/until-caught-up.ts'
import { openLog } from '../../../runtime/log.ts'
import { assigned, readAll } from '../../contracts/bus.ts'
import { connect, start } from '../../helpers/embedded-bus.ts'

const kilobyte = (n: number): Message => ({ headers: { n: String(n) }, body: new Uint8Array(1_000).fill(n) })
const numbers = (messages: Delivered[]) => messages.map(({ headers }) => Number(headers.n))
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

const messagesOn = (bus: Bus, topic: string) => Array.fromAsync(untilCaughtUp(bus, topic, AbortSignal.timeout(5_000)))
const all = async (bus: Bus, topic: string) => numbers(await messagesOn(bus, topic))

const readAndCommit = (bus: Bus, topic: string, group: string, count: number) =>
  assigned(bus, topic, group, async assignment => {
    const messages = (await readAll(assignment, count)).slice(0, count)
    await assignment.commit({ offset: messages.at(-1)!.offset + 1, metadata: '' })
    return messages
  })

const settledWithin = (promise: Promise<unknown>, ms: number) => Promise.race([promise.then(() => true), sleep(ms, false)])

async function until(holds: () => Promise<boolean> | boolean, withinMs = 5_000) {
  for (const start = Date.now(); !(await holds()); await sleep(20)) if (Date.now() - start > withinMs) throw new Error('did not happen')
}

test('publishing waits while what the slowest group has not read fills the topic, and goes on when it has', async t => {
  await using file = await start()
  await using bus = await connect(file.where)
  await bus.ensureTopic('t', { maxBytes: 10_500 })
  for (let n = 0; n < 10; n++) await bus.publish('t', [kilobyte(n)])
  await readAndCommit(bus, 't', 'fast', 10)
  await readAndCommit(bus, 't', 'slow', 2)
  await bus.publish('t', [kilobyte(10)])
  await bus.publish('t', [kilobyte(11)])
  const waiting = bus.publish('t', [kilobyte(12)])
  t.false(await settledWithin(waiting, 200))
  await readAndCommit(bus, 't', 'slow', 1)
  await waiting
  t.deepEqual(await all(bus, 't'), range(3, 13))
})

test('a topic no group has read yet counts as unread: publishing waits for the first group', async t => {
  await using file = await start()
  await using bus = await connect(file.where)
  await using other = await connect(file.where)
  await bus.ensureTopic('t', { maxBytes: 5_500 })
  const publishing = (async () => {
    for (let n = 0; n < 20; n++) await bus.publish('t', [kilobyte(n)])
  })()
  t.false(await settledWithin(publishing, 200))
  const read = await assigned(other, 't', 'g', async assignment => {
    const seen: number[] = []
    while (seen.length < 20)
      for (const { headers, offset } of await assignment.read({ maxBytes: 2_000 })) {
        seen.push(Number(headers.n))
        await assignment.commit({ offset: offset + 1, metadata: '' })
      }
    return seen
  })
  await publishing
  t.deepEqual(read, range(0, 20))
})

test('the signal ends the waiting of its call only, and the calls behind it go on', async t => {
  await using file = await start()
  await using bus = await connect(file.where)
  await bus.ensureTopic('t', { maxBytes: 3_000 })
  await bus.publish('t', [kilobyte(0)])
  const stop = new AbortController()
  const large = bus.publish('t', [kilobyte(1), kilobyte(1), kilobyte(1)], stop.signal)
  const small = bus.publish('t', [kilobyte(2)])
  t.false(await settledWithin(small, 100))
  stop.abort(new Error('enough'))
  await t.throwsAsync(large, { message: 'enough' })
  await small
  t.deepEqual(await all(bus, 't'), [0, 2])
})

test('a call larger than its topic is stored once nothing is unread', async t => {
  await using file = await start()
  await using bus = await connect(file.where)
  await bus.ensureTopic('t', { maxBytes: 1_500 })
  await bus.publish('t', [kilobyte(0), kilobyte(1), kilobyte(2)])
  const second = bus.publish('t', [kilobyte(3), kilobyte(4)])
  t.false(await settledWithin(second, 100))
  await readAndCommit(bus, 't', 'g', 3)
  await second
  t.deepEqual(numbers(await readAndCommit(bus, 't', 'g', 2)), [3, 4])
})

test('closing the bus ends the waiting', async t => {
  await using file = await start()
  const bus = await connect(file.where)
  await bus.ensureTopic('t', { maxBytes: 500 })
  await bus.publish('t', [kilobyte(0)])
  const waiting = t.throwsAsync(bus.publish('t', [kilobyte(1)]), { message: /closed/ })
  await sleep(50)
  await bus[Symbol.asyncDispose]()
  await waiting
  await t.throwsAsync(bus.publish('t', [kilobyte(1)]), { message: /closed/ })
})

test('messages that are old are removed once every group has read them', async t => {
  await using file = await start()
  await using bus = await connect(file.where, { retentionEveryMs: 20 })
  await bus.ensureTopic('t', { maxAgeMs: 100 })
  for (let n = 0; n < 6; n++) await bus.publish('t', [kilobyte(n)])
  await sleep(250)
  t.deepEqual(await all(bus, 't'), range(0, 6))
  await readAndCommit(bus, 't', 'fast', 6)
  await readAndCommit(bus, 't', 'slow', 4)
  await until(async () => (await all(bus, 't')).length === 2)
  await sleep(150)
  t.deepEqual(await all(bus, 't'), [4, 5])
  t.deepEqual(numbers(await readAndCommit(bus, 't', 'slow', 2)), [4, 5])
})

test('dead letters are kept up to the size of their topic, the newest ones, and wait for nobody', async t => {
  await using file = await start()
  await using bus = await connect(file.where)
  await bus.ensureTopic('dead', { maxBytes: 5_500, awaitReaders: false })
  for (let n = 0; n < 50; n++) await bus.publish('dead', [kilobyte(n)])
  t.deepEqual(await all(bus, 'dead'), range(45, 50))
  t.deepEqual(numbers(await readAndCommit(bus, 'dead', 'late', 5)), range(45, 50))
})

test('a compacted topic keeps exactly the newest of each key, whatever its size and age', async t => {
  await using file = await start()
  await using bus = await connect(file.where, { retentionEveryMs: 20 })
  await bus.ensureTopic('c', { compacted: true, maxBytes: 10, maxAgeMs: 1 })
  for (let n = 0; n < 30; n++) await bus.publish('c', [{ ...kilobyte(n), key: String(n % 3) }])
  await bus.publish('c', [
    { ...kilobyte(30), key: '1' },
    { ...kilobyte(31), key: '1' },
  ])
  await sleep(100)
  t.deepEqual(await all(bus, 'c'), [27, 29, 31])
  t.deepEqual(numbers(await readAndCommit(bus, 'c', 'g', 3)), [27, 29, 31])
})

test('a tombstone removes its key at once, and goes itself after a while, a part at a time', async t => {
  await using file = await start()
  await using bus = await connect(file.where, { retentionEveryMs: 20 })
  await bus.ensureTopic('c', { compacted: true, tombstoneMs: 300 })
  const keys = range(0, 1_300).map(n => `k${n}`)
  await bus.publish(
    'c',
    keys.map((key, n) => ({ ...kilobyte(n), key })),
  )
  await bus.publish('c', [{ ...kilobyte(0), key: 'other' }])
  const published = performance.now()
  await bus.publish('c', keys.map(tombstoneOf))
  const read = () => messagesOn(bus, 'c')
  if (performance.now() - published < 200) t.is((await read()).filter(({ tombstone }) => tombstone).length, 1_300)
  await until(async () => (await read()).length === 1)
  t.is((await read())[0].key, 'other')
})

test('a compacted topic from before there were tombstones gets them', async t => {
  await using file = await start()
  {
    await using bus = await connect(file.where)
    await bus.ensureTopic('c', { compacted: true })
    await bus.publish('c', [{ ...kilobyte(1), key: 'a' }])
  }
  const database = new DatabaseSync(file.where)
  database.exec('DROP INDEX tombstone_1')
  database.close()
  await using bus = await connect(file.where, { retentionEveryMs: 20 })
  await bus.ensureTopic('c', { compacted: true, tombstoneMs: 1 })
  await bus.publish('c', [tombstoneOf('a')])
  await until(async () => (await all(bus, 'c')).length === 0)
  t.pass()
})

test('a topic that is compacted stays so', async t => {
  await using file = await start()
  await using bus = await connect(file.where)
  await bus.ensureTopic('c', { compacted: true })
  await t.throwsAsync(bus.ensureTopic('c'), { message: /topic c: compacted is true/ })
})

async function bytesOnDisk(path: string) {
  const names = await readdir(dirname(path))
  const sizes = await Promise.all(names.map(async name => (await stat(`${dirname(path)}/${name}`)).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

test('space in the file is used again: it stays near the size of its topics while much goes through', async t => {
  await using file = await start()
  await using bus = await connect(file.where)
  await using other = await connect(file.where)
  await bus.ensureTopic('t', { maxBytes: 4_000_000 })
  const stop = new AbortController()
  const consume = async (assignment: Assignment) => {
    while (!stop.signal.aborted)
      for (const { offset } of await assignment.read({ waitMs: 50 })) await assignment.commit({ offset: offset + 1, metadata: '' })
  }
  await using _ = await other.subscribe('t', 'g', consume)
  let most = 0
  for (let n = 0; n < 400; n++) {
    await bus.publish('t', [{ headers: {}, body: new Uint8Array(200_000).fill(n) }])
    most = Math.max(most, await bytesOnDisk(file.where))
  }
  stop.abort()
  t.true(most < 40_000_000, `${most} bytes`)
})

test('while the disk is full publishing waits, says so once, and loses nothing', async t => {
  await using file = await start()
  const lines: string[] = []
  const log = openLog({ write: line => void lines.push(line), pretty: false })
  await using bus = await connect(file.where, { log, maxFileBytes: 1_000_000, retentionEveryMs: 50 })
  await bus.ensureTopic('t', { maxAgeMs: 1 })
  let published = 0
  const publishing = (async () => {
    for (; published < 60; published++) await bus.publish('t', [{ headers: { n: String(published) }, body: new Uint8Array(50_000) }])
  })()
  await until(() => lines.some(line => line.includes('disk of the bus is full')))
  await sleep(500)
  t.true(published > 5 && published < 20)
  t.is(lines.length, 1)
  const seen: number[] = []
  await assigned(bus, 't', 'g', async assignment => {
    while (seen.length < 60)
      for (const { headers, offset } of await assignment.read()) {
        seen.push(Number(headers.n))
        await assignment.commit({ offset: offset + 1, metadata: '' })
      }
  })
  await publishing
  t.deepEqual(seen, range(0, 60))
  t.true(lines.some(line => line.includes('the bus has space again')))
})
