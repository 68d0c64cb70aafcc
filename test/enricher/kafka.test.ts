import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { runEnricher } from '../../enricher/main.ts'
import { reattribute } from '../../enricher/reattribution/run.ts'
import { nameTopic } from '../../schema/name.ts'
import { reattributionTopic } from '../../schema/reattribution.ts'
import { deadLetterTopic, kinds, topicOf } from '../../schema/record.ts'
import { messageOf } from '../helpers/blocks.ts'
import { openTestDatabase, quietLog } from '../helpers/clickhouse.ts'
import { startBrokers, whyNoKafka } from '../helpers/kafka/broker.ts'
import { connect, defaultsFor } from '../helpers/kafka/bus.ts'
import { skipped } from '../helpers/kafka/contract.ts'
import { testService } from '../helpers/service.ts'
import { until } from '../helpers/wait.ts'
import { flows, hour, steps } from './reattributing.ts'

const missing = await whyNoKafka()
const enricher = new URL('../helpers/kafka/enricher-process.ts', import.meta.url).pathname
const rowsPerBlock = 20
const blocks = 1_200

const rowsOf = (block: number) =>
  Array.from({ length: rowsPerBlock }, (_, row) => ({
    time: (Date.now() - 1000) * 1000 + row,
    source: 'test',
    src_address: '10.0.0.1',
    dst_address: '10.0.0.2',
    src_port: row,
    bytes: block,
  }))

async function ended(child: ChildProcess) {
  if (child.exitCode === null && !child.signalCode) await once(child, 'exit')
}

if (missing) skipped('enrichers on Kafka', missing)
else {
  test('records are attributed again while others come in every partition, and none is lost or doubled', async t => {
    await using database = await openTestDatabase()
    await using kafka = await startBrokers()
    await using bus = await connect(kafka.addresses.join(), { create: { ...defaultsFor(1), partitions: 4 } })
    for (const kind of Object.values(kinds)) await bus.ensureTopic(topicOf(kind), { compacted: Boolean(kind.replacing) })
    for (const topic of [deadLetterTopic, nameTopic, reattributionTopic]) await bus.ensureTopic(topic)
    const { clickhouse } = database
    const { context, stop } = testService()
    using _stopping = { [Symbol.dispose]: stop }
    const running = runEnricher(
      { bus, clickhouse, servers: [clickhouse], options: { batch: { maxRows: 500, maxWaitMs: 20 }, objectsWaitMs: 0 } },
      context,
    )
    let sent = 0
    const publish = async (count: number) => {
      for (const end = sent + count; sent < end; sent++)
        await bus.publish(topicOf(kinds.flow), [await messageOf('flow', flows(50, { seed: sent }))])
    }
    await publish(40)
    await until('rows', async () => (await clickhouse.query<{ n: number }>('SELECT count() AS n FROM flow')).rows[0].n === 2_000)
    const stores = { reader: clickhouse, inserter: clickhouse, shards: async () => [[clickhouse]] }
    const request = { id: 'kafka', kind: 'flow' as const, from: hour, to: hour + 3600, provisional: false }
    const options = { stores, bus, group: 'enricher', steps: steps(), log: quietLog, settleMs: 500 }
    const working = reattribute(request, options, AbortSignal.timeout(120_000))
    await publish(80)
    const { rows } = await working
    await publish(20)
    await until('nothing unread', async () => (await bus.lag()).every(({ messages }) => !messages))
    t.true(rows >= 2_000)
    const sums = async () =>
      Object.values(
        (
          await clickhouse.query<Record<string, number>>(
            'SELECT (SELECT count() FROM flow) AS raw, (SELECT sum(records) FROM flow_1m) AS minute, (SELECT sum(records) FROM flow_1h) AS hour',
          )
        ).rows[0],
      )
    // The rollups of an INSERT are there a moment after its rows.
    await until('all rows', async () => (await sums()).every(rows => rows >= sent * 50))
    t.deepEqual(await sums(), [sent * 50, sent * 50, sent * 50])
    stop()
    await running.catch(() => {})
  })

  test('two enrichers share the partitions; one that is stopped for too long, killed or newly there stores nothing twice', async t => {
    t.timeout(400_000)
    await using database = await openTestDatabase()
    await using kafka = await startBrokers()
    const where = kafka.addresses.join()
    await using bus = await connect(where, { create: { ...defaultsFor(1), partitions: 4 } })
    for (const kind of Object.values(kinds)) await bus.ensureTopic(topicOf(kind), { compacted: Boolean(kind.replacing) })
    for (const topic of [deadLetterTopic, nameTopic]) await bus.ensureTopic(topic)
    const start = () => spawn(process.execPath, [enricher, where, database.url, database.database], { stdio: 'inherit' })
    const children = [start(), start()]
    t.teardown(() => children.forEach(child => child.kill('SIGKILL')))
    const publishing = (async () => {
      for (let block = 0; block < blocks; block++) {
        await bus.publish(topicOf(kinds.flow), [await messageOf('flow', rowsOf(block), block)])
        await sleep(10)
      }
    })()
    await sleep(2_500)
    children[0].kill('SIGSTOP')
    // Longer than its session: the other has all partitions by then, and some of its batches were planned but not stored.
    await sleep(5_000)
    children[0].kill('SIGCONT')
    await sleep(2_000)
    children[1].kill('SIGKILL')
    children.push(start())
    await publishing
    const { clickhouse } = database
    const count = async () => (await clickhouse.query<{ n: number }>('SELECT count() AS n FROM flow')).rows[0].n
    await until('all rows', async () => (await count()) >= blocks * rowsPerBlock, { timeoutMs: 150_000 })
    await until('nothing unread', async () => (await bus.lag().catch(() => undefined))?.every(({ messages }) => !messages))
    const { rows } = await clickhouse.query('SELECT bytes AS block, count() AS n FROM flow GROUP BY block HAVING n != {n:UInt32}', {
      params: { n: rowsPerBlock },
    })
    t.deepEqual(rows, [])
    t.is(await count(), blocks * rowsPerBlock)
    const [{ records }] = (await clickhouse.query<{ records: number }>('SELECT sum(records) AS records FROM flow_1m')).rows
    t.is(records, blocks * rowsPerBlock)
    for (const child of children) child.kill('SIGTERM')
    await Promise.all(children.map(ended))
    t.is(children[2].exitCode, 0)
  })
}
