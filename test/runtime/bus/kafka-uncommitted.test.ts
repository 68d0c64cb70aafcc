import { randomUUID } from 'node:crypto'
import test from 'ava'
import { openCluster } from '../../../runtime/bus/kafka/cluster.ts'
import { offsetAt } from '../../../runtime/bus/kafka/offsets.ts'
import { fetchRequest } from '../../../runtime/bus/kafka/transfer.ts'
import { openLog } from '../../../runtime/log.ts'
import { type Brokers, startBrokers, whyNoKafka } from '../../helpers/kafka/broker.ts'
import { connect } from '../../helpers/kafka/bus.ts'
import { skipped } from '../../helpers/kafka/contract.ts'
import { until } from '../../helpers/wait.ts'

const missing = await whyNoKafka()
const notLeader = 6
let kafka: Brokers

async function topicOfOneMessage() {
  const topic = randomUUID()
  const bus = await connect(kafka.addresses.join())
  await bus.ensureTopic(topic)
  await bus.publish(topic, [{ headers: { number: '1' }, body: Buffer.from('one') }])
  const cluster = openCluster({ brokers: kafka.addresses, clientId: 'test', log: openLog({ write: () => {} }) })
  const [leader] = (await cluster.layout(topic)).leaders
  return { topic, bus, cluster, leader }
}

if (missing) skipped('messages that not every broker has', missing)
else {
  test.before(async () => void (kafka = await startBrokers({ nodes: 3 })))
  test.after.always(async () => kafka[Symbol.asyncDispose]())

  test.serial('a broker that does not lead a partition is not read from: it may not have what was read before', async t => {
    const { topic, bus, cluster, leader } = await topicOfOneMessage()
    const request = fetchRequest([{ topic, partition: 0, offset: 0 }], { waitMs: 0, maxBytes: 1_000, maxPartitionBytes: 1_000 })
    for (const node of await cluster.nodes()) {
      const [{ errorCode, records }] = await cluster.toNode(node, 'test', 'Fetch', request)
      t.is(errorCode, node === leader ? 0 : notLeader)
      t.is(records.length > 0, node === leader)
    }
    await cluster[Symbol.asyncDispose]()
    await bus[Symbol.asyncDispose]()
  })

  test.serial(
    'who looks for what was published last waits for messages whose publisher was gone before enough brokers had them',
    async t => {
      t.timeout(400_000)
      const { topic, bus, cluster, leader } = await topicOfOneMessage()
      await kafka.nodes.find((_, index) => index + 1 !== leader)!.kill()
      // Until Kafka notices, the leader waits for the one that is gone.
      const publisher = await connect(kafka.nodes[leader - 1].address)
      const outcome = publisher.publish(topic, [{ headers: { number: '2' }, body: Buffer.from('two') }]).then(
        () => 'acknowledged',
        () => 'unknown',
      )
      await until('the leader to have it', async () => (await offsetAt(cluster, topic, 0, 'endOfLog')) === 2)
      await publisher[Symbol.asyncDispose]()
      t.is(await outcome, 'unknown')

      const found: string[] = []
      for await (const { headers } of bus.recent(topic, () => true)) found.push(headers.number)
      t.deepEqual(found, ['2', '1'])
      await cluster[Symbol.asyncDispose]()
      await bus[Symbol.asyncDispose]()
    },
  )
}
