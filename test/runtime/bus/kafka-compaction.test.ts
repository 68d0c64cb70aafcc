import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { type Bus, tombstoneOf } from '../../../runtime/bus/bus.ts'
import { untilCaughtUp } from '../../../runtime/bus/until-caught-up.ts'
import { startBrokers, whyNoKafka } from '../../helpers/kafka/broker.ts'
import { connect } from '../../helpers/kafka/bus.ts'
import { compactingBroker, makeCompactingTopic } from '../../helpers/kafka/compacting.ts'
import { skipped } from '../../helpers/kafka/contract.ts'

const missing = await whyNoKafka()
const all = (bus: Bus, topic: string) => Array.fromAsync(untilCaughtUp(bus, topic, AbortSignal.timeout(10_000)))

if (missing) skipped('Kafka', missing)

const onKafka = missing ? test.skip : test

onKafka('Kafka: compaction drops what tombstones removed, and then the tombstones; the rest stays and offsets go on', async t => {
  t.timeout(120_000)
  await using brokers = await startBrokers(compactingBroker)
  const topic = 'compacted'
  await makeCompactingTopic(brokers.addresses, topic)
  await using bus = await connect(brokers.addresses.join())
  await bus.ensureTopic(topic, { compacted: true })
  const of = (n: number, key: string) => ({ key, headers: { n: String(n) }, body: new Uint8Array(500) })
  for (let n = 0; n < 200; n++) await bus.publish(topic, [of(n, `gone${n}`)])
  await bus.publish(topic, [of(200, 'stays')])
  const last = (await all(bus, topic)).at(-1)!.offset
  for (let n = 0; n < 200; n += 50)
    await bus.publish(
      topic,
      Array.from({ length: 50 }, (_, i) => tombstoneOf(`gone${n + i}`)),
    )

  // The newest segment is not compacted: something must come after, as heartbeats do.
  const start = Date.now()
  let seen = await all(bus, topic)
  for (let n = 201; seen.some(({ key }) => key!.startsWith('gone')) && Date.now() - start < 90_000; n++) {
    await bus.publish(topic, [of(n, 'beat')])
    await sleep(300)
    seen = await all(bus, topic)
  }
  t.deepEqual([...new Set(seen.map(({ key }) => key))].sort(), ['beat', 'stays'])
  t.true(seen.length < 20, `${seen.length} messages`)
  t.true(seen.at(-1)!.offset > last + 200)
})
