import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { truth } from '../../collectors/demo/index.ts'
import { startBrokers, whyNoKafka } from '../helpers/kafka/broker.ts'
import { skipped } from '../helpers/kafka/contract.ts'
import { until } from '../helpers/wait.ts'
import { ask, countBy, startWeir } from '../helpers/weir.ts'

const missing = await whyNoKafka()
const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0)

if (missing) skipped('weir on Kafka', missing)
else
  test('with Kafka for a bus, every flow of the demo is stored once, whatever of the enricher, the collector and the broker is killed', async t => {
    t.timeout(400_000)
    await using kafka = await startBrokers()
    const [broker] = kafka.nodes
    const env = { WEIR_KAFKA_BROKERS: broker.address, WEIR_KAFKA_REPLICATION: '1', WEIR_KAFKA_PARTITIONS: '3', WEIR_DEMO_HISTORY: '60' }
    await using weir = await startWeir(['--demo', '--rate', '500'], env)
    await weir.following()
    const from = Math.ceil(Date.now() / 1000) * 1000
    await sleep(2_000)
    weir.kill('enrich')
    await sleep(1_500)
    await broker.kill()
    await sleep(1_000)
    weir.kill('collect')
    await until('readyz to say that Kafka is away', async () => (await ask(`${weir.url}/readyz`)).status === 503)
    await broker.start()
    await until('the enricher to be started again', () => weir.pidOf('enrich'))
    await sleep(3_000)
    const to = Math.floor(Date.now() / 1000) * 1000
    const range = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
    const sent = await truth({ dataDir: weir.dataDir, from, to })
    await until('the last flows', async () => sum(await countBy(weir.url, 'flow', 'verdict', range)) >= sent.flows, {
      timeoutMs: 150_000,
      everyMs: 300,
    })
    await sleep(2_000)
    t.deepEqual(await countBy(weir.url, 'flow', 'verdict', range), sent.verdicts)
    t.deepEqual(await countBy(weir.url, 'flow', 'type', range), sent.types)
    t.is(sum(await countBy(weir.url, 'loss', 'reason', range)), 0)
    t.is(await weir.stop(), 0)
  })
