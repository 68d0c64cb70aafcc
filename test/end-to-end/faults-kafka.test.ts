import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { balance } from '../helpers/faults/account.ts'
import {
  type Fault,
  kafkaAway,
  clickhouseAway,
  clickhouseHangs,
  enricherStopsWhileStoring,
  enrichersComeAndGo,
  kills,
} from '../helpers/faults/faults.ts'
import { full, lasting, startWorld, step } from '../helpers/faults/world.ts'
import { whyNoKafka } from '../helpers/kafka/broker.ts'
import { skipped } from '../helpers/kafka/contract.ts'

const missing = await whyNoKafka()

const scenarios: Record<string, Fault> = {
  'ClickHouse is away': clickhouseAway(lasting(3, 120)),
  'ClickHouse hangs': clickhouseHangs(lasting(2, 120)),
  'Kafka is away': kafkaAway(lasting(2, 120)),
  'the collector is killed': kills.ofOthers['the collector'],
  'the enricher is killed': kills.ofOthers['the enricher'],
  'ClickHouse is killed': kills.ofOthers.ClickHouse,
  'Kafka is killed': kills.ofKafka['a broker'],
  'enrichers come and go': enrichersComeAndGo(lasting(2, 20)),
  'an enricher stops while it stores': enricherStopsWhileStoring(lasting(2, 10)),
}

if (missing) skipped('weir on one broker', missing)
else
  test('with Kafka for a bus, every record is stored once, whatever is away, hangs, is killed, comes or goes', async t => {
    t.timeout(1_500_000)
    await using world = await step(t, 'start', () => startWorld({ brokers: 1, rate: full ? 2_000 : 1_000 }))
    for (const [name, fault] of Object.entries(scenarios)) {
      await step(t, name, () => fault(world))
      await sleep(1_000)
      if (full) await step(t, 'balance', () => balance(t, world))
    }
    if (!full) await step(t, 'balance', () => balance(t, world))
    t.is(await world.weir.stop(), 0)
  })
