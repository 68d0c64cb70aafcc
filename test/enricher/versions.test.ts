import test from 'ava'
import { openPublisher } from '../../collectors/publisher.ts'
import { runEnricher } from '../../enricher/main.ts'
import type { Message } from '../../runtime/bus/bus.ts'
import { component } from '../../runtime/telemetry.ts'
import { openEnd } from '../../schema/object.ts'
import { kinds, topicOf, topicsOf } from '../../schema/record.ts'
import { messageOf } from '../helpers/blocks.ts'
import { openTestBus } from '../helpers/bus.ts'
import { openTestDatabase, quietLog } from '../helpers/clickhouse.ts'
import { testService } from '../helpers/service.ts'
import { until } from '../helpers/wait.ts'

const time = Date.now() * 1000
const flow = (port: number) => ({ time, source: 'test', cluster: 'east', src_address: '10.0.0.1', dst_address: '10.0.0.2', dst_port: port })
const pod = {
  kind: 'pod',
  cluster: 'east',
  namespace: 'shop',
  name: 'cart-1',
  uid: 'cart',
  workload: 'cart',
  addresses: ['10.0.0.1'],
  valid_from: 0,
  valid_to: openEnd,
}

/** A message as a collector writes it that knows this version of the kind. */
async function written(name: 'flow' | 'object', rows: Record<string, unknown>[], key?: string): Promise<[topic: string, message: Message]> {
  return [topicOf(kinds[name]), { ...(await messageOf(name, rows)), key }]
}

const before = await Promise.all([written('object', [pod], pod.uid), written('flow', [flow(80)])])
// From here on we are the next version.
for (const name of ['flow', 'object'] as const) Object.assign(kinds[name], { version: kinds[name].version + 1 })

test('what collectors of the version before publish, and have published, is attributed and stored with the rest', async t => {
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  for (const [topic, message] of [...before, await written('flow', [flow(443)])]) await bus.bus.publish(topic, [message])
  const { context, stop } = testService()
  const running = runEnricher({ bus: bus.bus, clickhouse: database.clickhouse, options: { batch: { maxWaitMs: 50 } } }, context)
  const stored = async () =>
    (
      await database.clickhouse.query<{ port: number; workload: string }>(
        'SELECT dst_port AS port, src_workload AS workload FROM flow ORDER BY port',
      )
    ).rows
  await until('both flows', async () => (await stored()).length === 2)
  t.deepEqual(await stored(), [
    { port: 80, workload: 'cart' },
    { port: 443, workload: 'cart' },
  ])
  stop()
  await running.catch(() => {})
})

test('a collector finds what it published before it was upgraded', async t => {
  await using bus = await openTestBus()
  const [, [topic, message]] = before
  await bus.bus.publish(topic, [message])
  await using outbox = openPublisher({
    bus: bus.bus,
    collector: message.headers.collector,
    log: quietLog,
    instruments: component('collector', 'test'),
  })
  const found = await Array.fromAsync(outbox.published('flow', 3_600_000))
  t.deepEqual(topicsOf(kinds.flow), ['weir-flow-v2', 'weir-flow-v1'])
  t.is(found.length, 1)
  t.deepEqual(found[0].block().rows, 1)
})
