import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hash, randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type Assignment, type Bus, type Delivered, type Message, type Position, tombstoneOf } from '../../runtime/bus/bus.ts'
import { untilCaughtUp } from '../../runtime/bus/until-caught-up.ts'

/** A kind of bus the promises can be tried on. */
export interface BusKind {
  name: string
  /** Starts an empty server, or makes an empty file. `where` is what `connect` needs. */
  start(): Promise<{ where: string } & AsyncDisposable>
  connect(where: string): Promise<Bus>
  /** A module that exports `connect`, for processes that are killed. */
  module: URL
  /** How long after a kill another consumer has the partition, at most. */
  takeoverMs: number
}

const message = (n: number, more: Partial<Message> = {}): Message => ({
  headers: { n: String(n) },
  body: new Uint8Array([n & 255]),
  ...more,
})
const numbers = (messages: Delivered[]) => messages.map(({ headers }) => Number(headers.n))
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const after = ({ offset }: Delivered, metadata = ''): Position => ({ offset: offset + 1, metadata })

/** Comparing megabytes byte by byte takes the test runner seconds. */
const digest = (bytes: Uint8Array) => `${bytes.length} bytes ${hash('sha256', bytes)}`
const digested = ({ body, ids, ...rest }: Message) => ({ ...rest, body: digest(body), ...(ids && { ids: digest(ids) }) })

/** Reads until there are `count` messages. */
export async function readAll(assignment: Assignment, count: number, maxBytes?: number): Promise<Delivered[]> {
  const messages: Delivered[] = []
  while (messages.length < count) messages.push(...(await assignment.read({ maxBytes })))
  return messages
}

/** One assignment, for as long as `use` takes. */
export async function assigned<T>(bus: Bus, topic: string, group: string, use: (assignment: Assignment) => Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  await using _ = await bus.subscribe(topic, group, async assignment => {
    await use(assignment).then(resolve, reject)
    await untilAborted(assignment.signal)
  })
  return await promise
}

export async function untilAborted(signal: AbortSignal) {
  if (!signal.aborted) await once(signal, 'abort')
}

/** Another process on the same bus, running a function of `processes.ts`. Its lines are what it acknowledges. */
export function startProcess(kind: BusKind, where: string, role: 'publish' | 'hold', topic: string) {
  const path = new URL('bus/process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [path, kind.module.href, where, role, topic], { stdio: ['ignore', 'pipe', 'inherit'] })
  let lines: string[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop()!
    lines = [...lines, ...parts]
  })
  return {
    lines: () => lines,
    async untilLines(count: number) {
      while (lines.length < count && child.exitCode === null) await sleep(5)
    },
    signal: (name: NodeJS.Signals) => child.kill(name),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}

/** Registers what every bus promises. */
export function busContract(kind: BusKind): void {
  const promise = (title: string, check: (t: ExecutionContext, bus: Bus, where: string, topic: string) => Promise<void>) =>
    test(`${kind.name}: ${title}`, async t => {
      await using server = await kind.start()
      await using bus = await kind.connect(server.where)
      const topic = `t-${randomUUID()}`
      await bus.ensureTopic(topic)
      await check(t, bus, server.where, topic)
    })

  promise('messages arrive in order, with everything they were published with', async (t, bus, _, topic) => {
    const sent: Message[] = [
      { headers: {}, body: new Uint8Array() },
      {
        key: 'a key: ü',
        headers: { 'content-type': 'x/y', empty: '', ü: '€\u0000\n' },
        body: randomBytes(5_000_000),
        ids: randomBytes(80_000),
      },
      { headers: { n: '2' }, body: new Uint8Array([0, 255]), ids: new Uint8Array(8) },
      { key: '', headers: {}, body: new Uint8Array(1) },
    ]
    const start = Date.now()
    for (const one of sent) await bus.publish(topic, [one])
    const got = await assigned(bus, topic, 'g', assignment => readAll(assignment, sent.length))
    for (const [i, { offset, time, ...rest }] of got.entries()) {
      t.true(time >= start - 1000 && time <= Date.now() + 1000)
      t.true(i === 0 || offset > got[i - 1].offset)
      t.deepEqual(digested(rest), digested(sent[i]))
    }
  })

  promise('publish calls that do not wait for one another keep their order', async (t, bus, _, topic) => {
    await Promise.all(range(0, 50).map(n => bus.publish(topic, [message(2 * n), message(2 * n + 1)])))
    t.deepEqual(numbers(await assigned(bus, topic, 'g', assignment => readAll(assignment, 100))), range(0, 100))
  })

  promise('publishing nothing is done at once', async (t, bus, _, topic) => {
    await bus.publish(topic, [])
    t.deepEqual(await assigned(bus, topic, 'g', assignment => assignment.read({ waitMs: 100 })), [])
  })

  promise('an unknown topic is an error that names it', async (t, bus) => {
    await t.throwsAsync(bus.publish('nowhere', [message(1)]), { message: /nowhere/ })
    await t.throwsAsync(
      bus.subscribe('nowhere', 'g', async () => {}),
      { message: /nowhere/ },
    )
  })

  promise(
    'what was acknowledged to a publisher that is killed is there once, and calls are there whole or not at all',
    async (t, bus, where, topic) => {
      let acknowledged: string[] = []
      for (let kill = 0; kill < 3; kill++) {
        const child = startProcess(kind, where, 'publish', topic)
        await child.untilLines(3)
        await sleep(Math.random() * 60)
        await child.kill()
        acknowledged = [...acknowledged, ...child.lines()]
      }
      t.true(acknowledged.length >= 9)
      const counts = new Map<string, number>()
      const bodies = await assigned(bus, topic, 'g', async assignment => {
        const messages: Delivered[] = []
        for (;;) {
          const more = await assignment.read({ waitMs: 500 })
          if (!more.length) return messages
          messages.push(...more)
        }
      })
      for (const { headers, body } of bodies) {
        counts.set(headers.call, (counts.get(headers.call) ?? 0) + 1)
        if (body.length !== 30_000 || !body.every(byte => byte === Number(headers.byte))) t.fail('torn message')
      }
      for (const call of acknowledged) t.is(counts.get(call), 4, call)
      for (const count of counts.values()) t.is(count, 4)
    },
  )

  promise('a consumer that rejects gets the messages again, from what it committed', async (t, bus, _, topic) => {
    await bus.publish(
      topic,
      range(0, 4).map(n => message(n)),
    )
    const seen: number[][] = []
    const done = Promise.withResolvers<void>()
    await using _subscription = await bus.subscribe(
      topic,
      'g',
      async assignment => {
        const messages = await readAll(assignment, 4 - (seen.length ? 2 : 0))
        seen.push(numbers(messages))
        if (seen.length === 1) await assignment.commit(after(messages[1]))
        if (seen.length < 3) throw new Error('cannot write')
        done.resolve()
        await untilAborted(assignment.signal)
      },
      { retryDelayMs: 10 },
    )
    await done.promise
    t.deepEqual(seen, [range(0, 4), [2, 3], [2, 3]])
  })

  promise('a position and its metadata are read back exactly after a restart, each group its own', async (t, bus, where, topic) => {
    await bus.publish(
      topic,
      range(0, 6).map(n => message(n)),
    )
    const metadata = 'ü"\\{}'.repeat(600).slice(0, 3_300)
    await assigned(bus, topic, 'one', async assignment => assignment.commit(after((await readAll(assignment, 6))[3], metadata)))
    await bus[Symbol.asyncDispose]()
    await using again = await kind.connect(where)
    await assigned(again, topic, 'one', async assignment => {
      t.is(assignment.committed.metadata, metadata)
      t.deepEqual(numbers(await readAll(assignment, 2)), [4, 5])
    })
    await assigned(again, topic, 'two', async assignment => {
      t.is(assignment.committed.metadata, '')
      t.deepEqual(numbers(await readAll(assignment, 6)), range(0, 6))
    })
  })

  promise('metadata of more than 4,000 bytes is refused', async (t, bus, _, topic) => {
    await bus.publish(topic, [message(0)])
    await assigned(bus, topic, 'g', async assignment => {
      const [first] = await readAll(assignment, 1)
      await t.throwsAsync(assignment.commit(after(first, 'x'.repeat(4_001))), { message: /4000/ })
      await assignment.commit(after(first, 'x'.repeat(4_000)))
    })
  })

  promise('a consumer whose assignment ended cannot commit or read', async (t, bus, _, topic) => {
    await bus.publish(topic, [message(0)])
    let ended: Assignment | undefined
    await assigned(bus, topic, 'g', async assignment => void (ended = assignment))
    t.true(ended!.signal.aborted)
    await t.throwsAsync(ended!.commit({ offset: 1, metadata: '' }))
    await t.throwsAsync(ended!.read())
  })

  promise('a partition is in the hands of one consumer of a group at a time', async (t, bus, where, topic) => {
    await using other = await kind.connect(where)
    let holders = 0
    let most = 0
    const assignments: Assignment[] = []
    const consume = async (assignment: Assignment) => {
      most = Math.max(most, ++holders)
      assignments.push(assignment)
      await untilAborted(assignment.signal)
      holders--
    }
    const first = await bus.subscribe(topic, 'g', consume)
    while (!assignments.length) await sleep(10)
    await using _second = await other.subscribe(topic, 'g', consume)
    await sleep(500)
    await first[Symbol.asyncDispose]()
    while (!assignments[1]) await sleep(10)
    t.is(most, 1)
  })

  promise('when the process that holds a partition is killed, another consumer takes over soon', async (t, bus, where, topic) => {
    const child = startProcess(kind, where, 'hold', topic)
    await child.untilLines(1)
    const got = Promise.withResolvers<void>()
    await using _ = await bus.subscribe(topic, 'g', async ({ signal }) => {
      got.resolve()
      await untilAborted(signal)
    })
    await sleep(300)
    await child.kill()
    const start = Date.now()
    await got.promise
    t.true(Date.now() - start < kind.takeoverMs, `${Date.now() - start} ms`)
  })

  promise('a holder that was away for too long cannot commit, and its signal says so', async (t, bus, where, topic) => {
    await bus.publish(
      topic,
      range(0, 2).map(n => message(n)),
    )
    const child = startProcess(kind, where, 'hold', topic)
    await child.untilLines(1)
    child.signal('SIGSTOP')
    await assigned(bus, topic, 'g', async assignment => {
      await assignment.commit(after((await readAll(assignment, 1, 1))[0]))
      child.signal('SIGCONT')
      await child.untilLines(3)
      t.deepEqual(child.lines().slice(1).sort(), ['aborted', 'commit rejected'])
      t.false(assignment.signal.aborted)
    })
    await child.kill()
  })

  promise('read gives what is there at once, at most maxBytes but at least one message', async (t, bus, _, topic) => {
    await bus.publish(
      topic,
      range(0, 6).map(n => message(n, { body: new Uint8Array(100_000) })),
    )
    await assigned(bus, topic, 'g', async assignment => {
      t.deepEqual(numbers(await readAll(assignment, 1, 1)), [0])
      const some = await assignment.read({ maxBytes: 350_000, waitMs: 5_000 })
      t.true(some.length >= 1 && some.length <= 3)
      t.deepEqual(numbers([...some, ...(await readAll(assignment, 5 - some.length))]), range(1, 6))
    })
  })

  promise('read ends with nothing after waitMs, and as soon as a message of another process comes', async (t, bus, where, topic) => {
    await using other = await kind.connect(where)
    await assigned(bus, topic, 'g', async assignment => {
      const start = performance.now()
      t.deepEqual(await assignment.read({ waitMs: 200 }), [])
      const waited = performance.now() - start
      t.true(waited >= 190 && waited < 1_500, `${waited} ms`)
      const reading = assignment.read({ waitMs: 10_000 })
      await sleep(50)
      await other.publish(topic, [message(7)])
      const published = performance.now()
      t.deepEqual(numbers(await reading), [7])
      t.true(performance.now() - published < 1_000)
    })
  })

  promise('read rejects with the reason of the signal when the subscription ends', async (t, bus, _, topic) => {
    const outcome = Promise.withResolvers<unknown>()
    const reading = Promise.withResolvers<void>()
    const subscription = await bus.subscribe(topic, 'g', async assignment => {
      const result = assignment.read({ waitMs: 60_000 })
      reading.resolve()
      outcome.resolve(await result.catch(error => error === assignment.signal.reason))
    })
    await reading.promise
    await subscription[Symbol.asyncDispose]()
    t.true(await outcome.promise)
  })

  promise('a compacted topic shows at least the newest message of each key, and never forgets it', async (t, bus, _, topic) => {
    const compacted = `${topic}-c`
    await bus.ensureTopic(compacted, { compacted: true })
    for (let n = 0; n < 30; n++) await bus.publish(compacted, [message(n, { key: `k${n % 3}` })])
    await t.throwsAsync(bus.publish(compacted, [message(0)]), { message: /key/ })
    const newest = new Map<string, number>()
    for await (const { key, headers } of untilCaughtUp(bus, compacted, AbortSignal.timeout(10_000))) newest.set(key!, Number(headers.n))
    t.deepEqual([...newest].sort(), [
      ['k0', 27],
      ['k1', 28],
      ['k2', 29],
    ])
  })

  promise('a tombstone reaches those who follow and those who read in a group, with its key and nothing else', async (t, bus, _, topic) => {
    const compacted = `${topic}-c`
    await bus.ensureTopic(compacted, { compacted: true })
    await bus.publish(compacted, [message(1, { key: 'a' }), message(2, { key: 'b' })])
    const seen: Delivered[] = []
    const stop = new AbortController()
    for await (const { messages, caughtUp } of bus.follow(compacted, stop.signal)) {
      if (caughtUp && !seen.length) await bus.publish(compacted, [tombstoneOf('a'), message(3, { key: 'c', body: new Uint8Array() })])
      seen.push(...messages)
      if (seen.some(({ key }) => key === 'c')) stop.abort()
    }
    const removed = seen.filter(({ tombstone }) => tombstone)
    t.deepEqual(
      removed.map(({ key, headers, body }) => ({ key, headers, bytes: body.length })),
      [{ key: 'a', headers: {}, bytes: 0 }],
    )
    // A message without a body is none.
    t.is(seen.find(({ key }) => key === 'c')!.tombstone, undefined)
    const read = await assigned(bus, compacted, 'g', async assignment => {
      const messages: Delivered[] = []
      while (!messages.some(({ key }) => key === 'c')) messages.push(...(await assignment.read()))
      return messages
    })
    t.deepEqual(
      read.filter(({ tombstone }) => tombstone).map(({ key }) => key),
      ['a'],
    )
    const newest = new Map(read.map(({ key, tombstone }) => [key, tombstone]))
    t.deepEqual([...newest].sort(), [
      ['a', true],
      ['b', undefined],
      ['c', undefined],
    ])
  })

  promise('what comes after the tombstone of its key is kept', async (t, bus, _, topic) => {
    const compacted = `${topic}-c`
    await bus.ensureTopic(compacted, { compacted: true })
    await bus.publish(compacted, [message(1, { key: 'a' }), tombstoneOf('a'), message(2, { key: 'a' })])
    const newest = new Map<string, Delivered>()
    for await (const one of untilCaughtUp(bus, compacted, AbortSignal.timeout(10_000))) newest.set(one.key!, one)
    t.deepEqual(
      [...newest.values()].map(({ headers, tombstone }) => ({ n: headers.n, tombstone })),
      [{ n: '2', tombstone: undefined }],
    )
  })

  promise('follow delivers all from the oldest, says when it has caught up, and goes on', async (t, bus, _, topic) => {
    await bus.publish(
      topic,
      range(0, 5).map(n => message(n)),
    )
    const seen: number[] = []
    let caughtUpAt = -1
    const stop = new AbortController()
    for await (const { messages, caughtUp } of bus.follow(topic, stop.signal)) {
      seen.push(...numbers(messages))
      if (caughtUp && caughtUpAt < 0) {
        caughtUpAt = seen.length
        await bus.publish(topic, [message(5)])
      }
      if (seen.includes(5)) stop.abort()
    }
    t.is(caughtUpAt, 5)
    t.deepEqual(seen, range(0, 6))
  })

  promise('follow has caught up at once where there is nothing', async (t, bus, _, topic) => {
    for await (const { messages, caughtUp } of bus.follow(topic, AbortSignal.timeout(5_000))) {
      t.deepEqual({ messages, caughtUp }, { messages: [], caughtUp: true })
      return
    }
    t.fail('said nothing')
  })

  promise('reading until caught up gives what is there and ends, and rejects when told to stop before', async (t, bus, _, topic) => {
    await bus.publish(
      topic,
      range(0, 5).map(n => message(n)),
    )
    t.deepEqual(numbers(await Array.fromAsync(untilCaughtUp(bus, topic, AbortSignal.timeout(10_000)))), range(0, 5))
    const stopped = AbortSignal.abort(new Error('stopped'))
    await t.throwsAsync(Array.fromAsync(untilCaughtUp(bus, topic, stopped)), { message: 'stopped' })
  })

  promise('recent gives what is wanted, newest first, and stops', async (t, bus, _, topic) => {
    for (let n = 0; n < 200; n += 10)
      await bus.publish(
        topic,
        range(n, n + 10).map(n => message(n)),
      )
    const got: Delivered[] = []
    for await (const one of bus.recent(topic, ({ n }) => (Number(n) < 40 ? 'stop' : Number(n) % 50 === 0))) got.push(one)
    t.deepEqual(numbers(got), [150, 100, 50])
    t.deepEqual(Buffer.from(got[0].body), Buffer.from([150]))
    const all: Delivered[] = []
    for await (const one of bus.recent(topic, () => true)) all.push(one)
    t.deepEqual(numbers(all), range(0, 200).reverse())
  })

  promise('lag says how much each group has not read', async (t, bus, _, topic) => {
    await bus.publish(
      topic,
      range(0, 10).map(n => message(n, { body: new Uint8Array(1_000) })),
    )
    await sleep(50)
    await assigned(bus, topic, 'g', async assignment => assignment.commit(after((await readAll(assignment, 10))[5])))
    await assigned(bus, topic, 'all', async assignment => assignment.commit(after((await readAll(assignment, 10))[9])))
    const lag = new Map((await bus.lag()).filter(one => one.topic === topic).map(one => [one.group, one]))
    t.is(lag.get('g')!.messages, 4)
    t.true(lag.get('g')!.bytes >= 4_000 && lag.get('g')!.bytes < 4_800)
    t.true(lag.get('g')!.ageMs >= 50 && lag.get('g')!.ageMs < 60_000)
    t.deepEqual(lag.get('all'), { topic, group: 'all', messages: 0, bytes: 0, ageMs: 0 })
  })

  promise('positions are what a group committed last, and nothing before it did', async (t, bus, _, topic) => {
    await bus.publish(topic, [message(0), message(1)])
    t.true((await bus.positions(topic, 'g')).every(position => !position || position.metadata === ''))
    await assigned(bus, topic, 'g', async assignment => assignment.commit(after((await readAll(assignment, 2))[0], 'a note')))
    const committed = (await bus.positions(topic, 'g')).filter(position => position?.metadata)
    t.deepEqual(committed, [{ offset: 1, metadata: 'a note' }])
  })

  promise('what is published to all partitions is in each of them once, whatever its key', async (t, bus, _, topic) => {
    await bus.publishToAll(topic, message(1, { key: 'k' }))
    const partitions = (await bus.positions(topic, 'g')).length
    const seen = await Array.fromAsync(untilCaughtUp(bus, topic, AbortSignal.timeout(10_000)))
    t.deepEqual(
      numbers(seen),
      range(0, partitions).map(() => 1),
    )
  })
}
