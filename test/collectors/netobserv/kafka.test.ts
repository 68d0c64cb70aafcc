import test from 'ava'
import { CompressionTypes, Kafka, type Producer, logLevel } from 'kafkajs'
import { type NetobservKafkaOptions, netobservKafka } from '../../../collectors/netobserv/kafka.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { ConfigError } from '../../../runtime/error.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { type Brokers, startBrokers, whyNoKafka } from '../../helpers/kafka/broker.ts'
import { skipped } from '../../helpers/kafka/contract.ts'
import { until } from '../../helpers/wait.ts'
import { deadLetters, published, start } from '../hubble/running.ts'
import { encodeRecord, record } from './records.ts'

const missing = await whyNoKafka()
if (missing) skipped('NetObserv over Kafka', missing)
else promises()

function promises() {
  let brokers: Brokers
  let kafka: Kafka
  let producer: Producer
  test.before(async () => {
    brokers = await startBrokers()
    kafka = new Kafka({ brokers: brokers.addresses, logLevel: logLevel.NOTHING })
    producer = kafka.producer()
    await producer.connect()
  })
  test.after.always(async () => {
    await producer?.disconnect()
    await brokers?.[Symbol.asyncDispose]()
  })

  const makeTopic = async (topic: string, compression = 'producer') => {
    const admin = kafka.admin()
    const configEntries = [{ name: 'compression.type', value: compression }]
    await admin.createTopics({ topics: [{ topic, numPartitions: 2, configEntries }] })
    await admin.disconnect()
  }
  /** As the agent does: one record a message, both ways of a conversation in one partition. */
  const write = (topic: string, sizes: number[], compression = CompressionTypes.None) =>
    producer.send({
      topic,
      compression,
      messages: sizes.map(bytes => ({ key: `pair ${bytes % 5}`, value: encodeRecord(record({ bytes })) })),
    })
  const read = (bus: Bus, topic: string, more: Partial<NetobservKafkaOptions> = {}, rowsPerBlock?: number) => {
    const options = { brokers: brokers.addresses, topic, group: `of ${topic}`, session_seconds: 3, cluster: 'home', ...more }
    return start(netobservKafka, options, bus, { rowsPerBlock })
  }
  const sizes = async (bus: Bus) =>
    (await published(bus, 'flow'))
      .filter(({ event }) => event === 'trace')
      .map(({ bytes }) => Number(bytes))
      .toSorted((a, b) => a - b)
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

  test('each message is a record, and after a restart it goes on where it was', async t => {
    await makeTopic('flows')
    await write('flows', range(1, 101))
    await write('flows', range(101, 201), CompressionTypes.GZIP)
    await using open = await openTestBus()
    const first = read(open.bus, 'flows')
    await until('the records', async () => (await sizes(open.bus)).length >= 200)
    await first[Symbol.asyncDispose]()
    await write('flows', range(201, 301))
    await using second = read(open.bus, 'flows')
    await until('the rest', async () => (await sizes(open.bus)).length >= 300)
    t.deepEqual(await sizes(open.bus), range(1, 301))
    t.like(second.statuses.at(-1), { ready: true, detail: { topic: 'flows' } })
  })

  for (const codec of ['snappy', 'lz4', 'zstd'])
    test(`batches in ${codec} are read`, async t => {
      // The broker compresses them, with the libraries Java's producers have too.
      await makeTopic(codec, codec)
      await write(codec, range(1, 2001))
      await write(codec, [2001])
      await using open = await openTestBus()
      await using running = read(open.bus, codec)
      await until('the records', async () => (await sizes(open.bus)).length >= 2001)
      t.deepEqual(await sizes(open.bus), range(1, 2002))
      t.deepEqual([...running.discarded], [])
    })

  test('a collector that is killed loses nothing and counts nothing twice', async t => {
    await makeTopic('killed')
    await using open = await openTestBus()
    const drop = { pkt_drop_packets: 1, pkt_drop_bytes: 9, pkt_drop_latest_drop_cause: 3 }
    const messages = range(1, 3001).map(bytes => ({ key: `pair ${bytes % 5}`, value: encodeRecord(record({ bytes, ...drop, dns_id: 7 })) }))
    await producer.send({ topic: 'killed', messages })
    for (let kill = 1; kill <= 3; kill++) {
      await using one = read(open.bus, 'killed', {}, 100)
      await until('more records', async () => (await sizes(open.bus)).length >= kill * 500, { timeoutMs: 20_000 })
      await one.kill()
    }
    await using _last = read(open.bus, 'killed', {}, 100)
    await until('all records', async () => (await sizes(open.bus)).length >= 3000 && (await published(open.bus, 'request')).length >= 3000)
    const rows = await published(open.bus, 'flow')
    t.deepEqual(
      rows
        .filter(({ event }) => event === 'trace')
        .map(({ bytes }) => Number(bytes))
        .toSorted((a, b) => a - b),
      range(1, 3001),
    )
    t.is(rows.filter(({ event }) => event === 'drop').length, 3000)
    t.is((await published(open.bus, 'request')).length, 3000)
  })

  test('a message that is no record is counted and kept, and the next is read', async t => {
    await makeTopic('broken')
    await producer.send({ topic: 'broken', messages: [{ value: Buffer.from('no protobuf') }, { value: null }] })
    await write('broken', [1])
    await using open = await openTestBus()
    const running = read(open.bus, 'broken')
    await until('the record', async () => (await sizes(open.bus)).length === 1)
    await until('what is none', () => running.discarded.get('unknown_kind'))
    await running[Symbol.asyncDispose]()
    t.deepEqual(Object.fromEntries(running.discarded), { undecodable: 1, unknown_kind: 1 })
    t.is((await deadLetters(open.bus)).length, 1)
  })

  test('a topic that comes later is read then', async t => {
    await using open = await openTestBus()
    await using running = read(open.bus, 'later')
    await until('a reason', () => running.statuses.find(({ ready, reason }) => !ready && reason?.includes('later')))
    await makeTopic('later')
    await write('later', [5])
    await until('the record', async () => (await sizes(open.bus)).length === 1)
    t.deepEqual(await sizes(open.bus), [5])
  })
}

test('a certificate that cannot be read is named at the start', async t => {
  await using open = await openTestBus()
  const running = start(netobservKafka, { brokers: ['127.0.0.1:1'], tls: { ca: '/nowhere/ca.pem' } }, open.bus)
  const error = await t.throwsAsync(() => running[Symbol.asyncDispose]())
  t.true(error instanceof ConfigError)
  t.regex(error!.message, /collect\.netobserv_kafka\.tls\.ca: expected a PEM file, got "\/nowhere\/ca\.pem"/)
})
