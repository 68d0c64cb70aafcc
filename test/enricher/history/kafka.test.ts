import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { keeperOf } from '../../../enricher/history/keep.ts'
import { loadObjects } from '../../../enricher/load.ts'
import { ObjectTable } from '../../../enricher/tables/objects.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { untilCaughtUp } from '../../../runtime/bus/until-caught-up.ts'
import { type ObjectVersion, objectKey, openEnd } from '../../../schema/object.ts'
import { kinds, topicOf } from '../../../schema/record.ts'
import { messageOf } from '../../helpers/blocks.ts'
import { quietLog } from '../../helpers/clickhouse.ts'
import { startBrokers, whyNoKafka } from '../../helpers/kafka/broker.ts'
import { connect } from '../../helpers/kafka/bus.ts'
import { compactingBroker, makeCompactingTopic } from '../../helpers/kafka/compacting.ts'
import { skipped } from '../../helpers/kafka/contract.ts'
import { churned, horizon, left } from './churned.ts'

const missing = await whyNoKafka()
const topic = topicOf(kinds.object)
const beat: ObjectVersion = { cluster: 'east', kind: 'cluster', uid: 'east', time: 1, valid_from: 0, valid_to: openEnd }

if (missing) skipped('Kafka', missing)

const onKafka = missing ? test.skip : test

const keyed = async (version: ObjectVersion) => ({ ...(await messageOf('object', [version])), key: objectKey(version) })

async function keysOn(bus: Bus): Promise<{ keys: string[]; messages: number }> {
  const keys = await Array.fromAsync(untilCaughtUp(bus, topic, AbortSignal.timeout(10_000)), ({ key }) => key!)
  return { keys: [...new Set(keys)].sort(), messages: keys.length }
}

onKafka('Kafka: what ended long ago leaves the topic for good, and who starts then knows how far back all is known', async t => {
  t.timeout(180_000)
  await using brokers = await startBrokers(compactingBroker)
  await makeCompactingTopic(brokers.addresses, topic)
  await using bus = await connect(brokers.addresses.join())
  await bus.ensureTopic(topic, { compacted: true, ordered: true })
  const versions = await Promise.all(churned().map(keyed))
  for (let at = 0; at < versions.length; at += 500) await bus.publish(topic, versions.slice(at, at + 500))
  const keeper = keeperOf({ bus, topic, log: quietLog, goneMs: 0, watchMs: 0 }, new AbortController().signal)
  await keeper.tellHorizon(horizon)
  await keeper.sweep(horizon, 0)
  const wanted = [...left(), objectKey(beat), objectKey({ kind: 'history', uid: '', valid_from: 0 })].sort()
  const end = Date.now() + 120_000
  for (let seen = await keysOn(bus); seen.keys.length !== wanted.length && Date.now() < end; seen = await keysOn(bus)) {
    await bus.publish(topic, [await keyed(beat)])
    await sleep(300)
  }
  const { keys, messages } = await keysOn(bus)
  t.deepEqual(keys, wanted)
  t.true(messages < wanted.length + 100, `${messages} messages`)
  const table = new ObjectTable()
  const stop = new AbortController()
  const { followed } = await loadObjects(bus, [table], stop.signal, quietLog)
  stop.abort()
  await followed
  t.is(table.knownSince, horizon)
  t.is(table.versions, left().length)
})
