import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { migrateTopics, prepareBus, withBus } from '../../deploy/bus.ts'
import { type Config, readConfig } from '../../deploy/config.ts'
import { openLog } from '../../runtime/log.ts'
import { untilAborted } from '../../runtime/service.ts'
import { kinds } from '../../schema/record.ts'
import { openTestDatabase } from '../helpers/clickhouse.ts'
import { startBrokers, whyNoKafka } from '../helpers/kafka/broker.ts'
import { skipped } from '../helpers/kafka/contract.ts'
import { testService } from '../helpers/service.ts'
import { until } from '../helpers/wait.ts'
import { runCli } from '../helpers/weir.ts'

const missing = await whyNoKafka()
/** One for each kind, that of requests to attribute again, and the dead letters. */
const topicCount = Object.keys(kinds).length + 3

const configOf = (brokers: string[]): Promise<Config> =>
  readConfig(undefined, { 'bus.kafka.brokers': brokers, 'bus.kafka.replication': 1, 'bus.kafka.partitions': 2, data_dir: tmpdir() })

if (missing) skipped('services on Kafka', missing)
else {
  test('a service waits for Kafka to be there and for its topics to be made, and says so', async t => {
    t.timeout(400_000)
    await using kafka = await startBrokers()
    await kafka.nodes[0].stop()
    const { bus: options } = await configOf(kafka.addresses)
    const { context, statuses, stop } = testService()
    let used = false
    const running = withBus(options, context, async () => {
      used = true
      await untilAborted(context.signal)
    })
    const reason = () => statuses.get('bus')?.reason ?? ''
    await until('the reason', () => reason().includes('ECONNREFUSED'))
    t.false(statuses.get('bus')!.ready)
    await kafka.nodes[0].start()
    await until('the missing topic', () => reason().includes('topic weir-flow-v1 is unknown to Kafka: weir migrate creates it'))
    t.false(used)
    const made = await migrateTopics(options, context.log)
    t.is(made.length, topicCount)
    await until('the service to be ready', () => statuses.get('bus')!.ready)
    t.true(used)
    stop()
    await running
  })

  test('weir up makes the topics in the background, as soon as Kafka lets it', async t => {
    await using kafka = await startBrokers()
    await kafka.nodes[0].stop()
    const { bus: options } = await configOf(kafka.addresses)
    const { context, stop } = testService()
    await prepareBus(options, context)
    await kafka.nodes[0].start()
    await withBus(options, context, async bus => {
      t.deepEqual(await bus.lag(), [])
      stop()
    })
  })

  test('weir migrate makes the topics, leaves those that are there and says what differs', async t => {
    await using kafka = await startBrokers()
    await using database = await openTestDatabase()
    const directory = await mkdtemp(path.join(tmpdir(), 'weir-migrate-'))
    t.teardown(() => rm(directory, { recursive: true }))
    const env = {
      WEIR_DATA_DIR: directory,
      WEIR_CLICKHOUSE_URL: database.url,
      WEIR_CLICKHOUSE_DATABASE: database.database,
      WEIR_KAFKA_BROKERS: kafka.addresses.join(),
      WEIR_KAFKA_REPLICATION: '1',
    }
    const first = await runCli(['migrate'], env)
    t.is(first.code, 0, first.stderr)
    t.is(first.stdout.match(/^topic weir-\w[\w-]*: 3 partitions, replication 1$/gm)?.length, topicCount - 1, first.stdout)
    // What says that objects are complete must come after them.
    t.regex(first.stdout, /^topic weir-object-v1: 1 partition, replication 1$/m)
    const second = await runCli(['migrate'], env)
    t.deepEqual([second.code, second.stdout], [0, 'nothing to change\n'])
    const third = await runCli(['migrate'], { ...env, WEIR_KAFKA_PARTITIONS: '12' })
    t.is(third.stdout, 'nothing to change\n')
    t.regex(
      third.stderr,
      /"a topic has other settings than configured; it is left as it is","topic":"weir-flow-v1","setting":"partitions","is":"3","expected":"12"/,
    )
  })

  test('more replicas than brokers: the error names the topic and what Kafka says', async t => {
    await using kafka = await startBrokers()
    const { bus: options } = await configOf(kafka.addresses)
    await t.throwsAsync(migrateTopics({ ...options, kafka: { ...options.kafka, replication: 3 } }, openLog({ write: () => {} })), {
      message: /^cannot create topic weir-flow-v1 on Kafka: INVALID_REPLICATION_FACTOR: /,
    })
  })
}
