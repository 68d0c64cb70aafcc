import { randomBytes, randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import type { Assignment, Bus, Delivered } from '../../../runtime/bus/bus.ts'
import { collectMetrics, startTelemetry } from '../../../runtime/telemetry.ts'
import { assigned, readAll } from '../../contracts/bus.ts'
import { type Brokers, startBrokers, whyNoKafka } from '../../helpers/kafka/broker.ts'
import { connect, defaultsFor } from '../../helpers/kafka/bus.ts'
import { skipped } from '../../helpers/kafka/contract.ts'
import { until } from '../../helpers/wait.ts'

startTelemetry()

const missing = await whyNoKafka()
let kafka: Brokers
let admin: Admin

const where = () => kafka.addresses.join()
const megabyte = 1 << 20
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

async function metric(name: string, topic: string): Promise<number> {
  const found = (await collectMetrics()).find(one => one.name === name)
  return (found?.points ?? []).filter(({ labels }) => labels.topic === topic).reduce((sum, { value }) => sum + Number(value), 0)
}

/** A topic as somebody else has made it. */
async function foreignTopic(settings: Record<string, string>): Promise<string> {
  const topic = `t-${randomUUID()}`
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }] })
  await until('the topic', () => admin.fetchTopicMetadata({ topics: [topic] }).then(Boolean, () => false))
  return topic
}

if (missing) skipped('Kafka in trouble', missing)
else {
  test.before(async () => {
    kafka = await startBrokers()
    admin = new Kafka({ brokers: kafka.addresses, logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
  })
  test.after.always(async () => {
    await admin?.disconnect()
    await kafka?.[Symbol.asyncDispose]()
  })

  test('a message that is larger than its topic allows arrives whole, among others, also when read anew', async t => {
    const topic = await foreignTopic({ 'max.message.bytes': String(megabyte) })
    await using bus = await connect(where())
    const large = { headers: { n: '1' }, body: randomBytes(3_500_000), ids: randomBytes(65_536) }
    const small = (n: number) => ({ headers: { n: String(n) }, body: new Uint8Array([n]) })
    await Promise.all([small(0), large, small(2), { ...large, headers: { n: '3' } }, small(4)].map(one => bus.publish(topic, [one])))
    await assigned(bus, topic, 'g', async assignment => {
      const messages = await readAll(assignment, 5)
      t.deepEqual(
        messages.map(({ headers }) => headers),
        range(0, 5).map(n => ({ n: String(n) })),
      )
      t.true(Buffer.compare(messages[1].body, large.body) === 0 && Buffer.compare(messages[3].ids!, large.ids) === 0)
      await assignment.commit({ offset: messages[2].offset + 1, metadata: '' })
    })
    await assigned(bus, topic, 'g', async assignment => {
      const [next] = await readAll(assignment, 2)
      t.true(Buffer.compare(next.body, large.body) === 0)
    })
    const back: Delivered[] = await Array.fromAsync(bus.recent(topic, () => true))
    t.deepEqual(
      back.map(({ headers, body }) => [headers.n, body.length]),
      [4, 3, 2, 1, 0].map(n => [String(n), n % 2 ? 3_500_000 : 1]),
    )
  })

  test('messages that are too large together are refused, named and counted, and those beside them are not', async t => {
    const topic = await foreignTopic({ 'max.message.bytes': String(megabyte) })
    await using bus = await connect(where())
    const half = { headers: {}, body: randomBytes(700_000) }
    const both = bus.publish(topic, [half, half])
    const beside = bus.publish(topic, [half])
    await t.throwsAsync(both, { message: new RegExp(`^cannot publish to ${topic}: MESSAGE_TOO_LARGE`) })
    await beside
    t.is(await metric('weir.bus.publish.refused', topic), 1)
  })

  test('a topic that is compressed in one way and later in another is read', async t => {
    const topic = await foreignTopic({ 'compression.type': 'lz4' })
    await using bus = await connect(where())
    await bus.publish(topic, [{ headers: { n: '0' }, body: new Uint8Array(5_000) }])
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: topic, configEntries: [{ name: 'compression.type', value: 'zstd' }] }],
    })
    for (let n = 1; n < 40; n++) await bus.publish(topic, [{ headers: { n: String(n) }, body: new Uint8Array(5_000) }])
    const messages = await assigned(bus, topic, 'g', assignment => readAll(assignment, 40))
    t.deepEqual(
      messages.map(({ headers, body }) => [headers.n, body.length]),
      range(0, 40).map(n => [String(n), 5_000]),
    )
  })

  test('a reader whose next messages are no longer kept goes on with the oldest there is, and counts what is gone', async t => {
    const topic = await foreignTopic({})
    await using bus = await connect(where())
    for (let n = 0; n < 10; n++) await bus.publish(topic, [{ headers: { n: String(n) }, body: new Uint8Array(1) }])
    await assigned(bus, topic, 'g', async assignment => {
      const [first] = await readAll(assignment, 10)
      await assignment.commit({ offset: first.offset + 1, metadata: '' })
    })
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '6' }] })
    const [next] = await assigned(bus, topic, 'g', assignment => readAll(assignment, 4))
    t.is(next.headers.n, '6')
    t.is(await metric('weir.bus.messages.removed', topic), 5)
  })

  test('a topic that is there with other settings is left as it is, and what differs is said', async t => {
    const topic = await foreignTopic({ 'retention.ms': '1000', 'max.message.bytes': String(2 * megabyte) })
    await using bus = await connect(where(), { create: { ...defaultsFor(1), partitions: 3 } })
    const { made, differences } = await bus.prepareTopic(topic, { maxAgeMs: 5_000 })
    t.false(made)
    t.deepEqual(differences, [
      { topic, setting: 'partitions', is: '1', expected: '3' },
      { topic, setting: 'retention.ms', is: '1000', expected: '5000' },
      { topic, setting: 'max.message.bytes', is: String(2 * megabyte), expected: String(16 * megabyte) },
    ])
    t.deepEqual((await bus.prepareTopic(topic, { maxAgeMs: 5_000 })).differences, differences)
  })

  /** A number every few milliseconds, and what a group has read of them. */
  async function traffic(bus: Bus, count: number) {
    await bus.ensureTopic('t')
    const seen: number[] = []
    const subscription = await bus.subscribe('t', 'g', async assignment => {
      for (;;)
        for (const { headers, offset } of await assignment.read()) {
          seen.push(Number(headers.n))
          await assignment.commit({ offset: offset + 1, metadata: '' })
        }
    })
    const publish = async () => {
      for (let n = 0; n < count; n++) {
        await bus.publish('t', [{ headers: { n: String(n) }, body: randomBytes(10_000) }])
        await sleep(5)
      }
    }
    const publishing = publish()
    return {
      /** Resolves when all is published and read. */
      async done() {
        await publishing
        while (!seen.includes(count - 1)) await sleep(50)
        await subscription[Symbol.asyncDispose]()
      },
      seen: () => [...new Set(seen)],
      stored: async () => (await Array.fromAsync(bus.recent('t', () => true))).map(({ headers }) => Number(headers.n)).reverse(),
    }
  }

  test('a broker that is killed and comes back is noticed, waited for, and nothing is lost or doubled', async t => {
    t.timeout(400_000)
    await using own = await startBrokers()
    await using bus = await connect(own.addresses.join())
    const [broker] = own.nodes
    const running = await traffic(bus, 300)
    await sleep(500)
    await broker.kill()
    while (!bus.trouble()) await sleep(50)
    t.regex(bus.trouble()!, /ECONNREFUSED|onnection/)
    await t.throwsAsync(bus.lag())
    await broker.start()
    await running.done()
    t.is(bus.trouble(), undefined)
    t.deepEqual(running.seen(), range(0, 300))
    t.deepEqual(await running.stored(), range(0, 300))
    t.true((await until('how far readers are', () => bus.lag().catch(() => undefined))).length > 0)
  })

  test('a broker that stays away is asked a few times a second', async t => {
    t.timeout(400_000)
    await using own = await startBrokers()
    const [broker] = own.nodes
    await using bus = await connect(broker.address, { sessionMs: 1_000 })
    const running = await traffic(bus, 1)
    await running.done()
    const read = async (assignment: Assignment) => {
      for (;;) await assignment.read()
    }
    await Promise.all(['g', 'h', 'i', 'j'].map(group => bus.subscribe('t', group, read)))
    await broker.kill()
    let asked = 0
    const deaf = createServer(socket => {
      asked++
      socket.destroy()
    }).listen(Number(broker.address.split(':')[1]), '127.0.0.1')
    // Until each member of a group has noticed that it is in it no longer.
    await sleep(2_500)
    asked = 0
    await sleep(2_000)
    deaf.close()
    t.true(asked > 0 && asked < 200, `asked ${asked} times in 2 s`)
  })

  test('three brokers are killed one after the other: publishing and reading go on, and nothing is lost or doubled', async t => {
    t.timeout(400_000)
    await using own = await startBrokers({ nodes: 3 })
    await using bus = await connect(own.addresses.join())
    const running = await traffic(bus, 600)
    await sleep(1_000)
    // The one that leads the partition, or coordinates the group, is among them.
    for (const broker of own.nodes) {
      await broker.kill()
      await sleep(1_500)
      await broker.start()
      await sleep(500)
    }
    await running.done()
    t.deepEqual(running.seen(), range(0, 600))
    t.deepEqual(await running.stored(), range(0, 600))
  })
}
