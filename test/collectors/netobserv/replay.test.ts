import test from 'ava'
import fc from 'fast-check'
import { Delivery, type RowName, recallRows } from '../../../collectors/netobserv/replay.ts'
import { openPublisher } from '../../../collectors/publisher.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { quietLog } from '../../helpers/clickhouse.ts'

const names: readonly RowName[] = ['flow', 'drop', 'request']
const instruments = { received: () => {}, sent: () => {}, discarded: () => {} }
const nothing: ReadonlySet<bigint> = new Set()

function idOf(partition: number, offset: number, time: number, row: RowName): bigint {
  const delivery = new Delivery(partition, nothing)
  delivery.begin({ offset, time })
  delivery.select(row)
  return new BigInt64Array(Uint8Array.from(delivery.id).buffer)[0]
}

test('every row of every message of a topic has an id of its own', t => {
  const message = fc.tuple(fc.nat({ max: 500 }), fc.oneof(fc.nat({ max: 1000 }), fc.nat({ max: 2 ** 40 })))
  fc.assert(
    fc.property(fc.uniqueArray(message, { minLength: 2, maxLength: 40, selector: pair => pair.join() }), messages => {
      const time = Date.now()
      const ids = messages.flatMap(([partition, offset]) => names.map(name => idOf(partition, offset, time, name)))
      t.is(new Set(ids).size, ids.length)
    }),
  )
})

test('the same offset of a topic that was made anew is another message', t => {
  const known = new Set([idOf(3, 7, 1_700_000_000_000, 'flow')])
  const delivery = new Delivery(3, known)
  delivery.begin({ offset: 7, time: 1_700_000_000_000 })
  t.true(delivery.select('flow'))
  t.false(delivery.select('drop'))
  delivery.begin({ offset: 7, time: 1_700_000_000_001 })
  t.false(delivery.select('flow'))
})

test('rows that any collector of the kind published last are known, those of others are not', async t => {
  await using open = await openTestBus()
  const publish = async (collector: string, low: number) => {
    await using outbox = openPublisher({ bus: open.bus, collector, log: quietLog, instruments })
    outbox.block('flow').add({ time: 1 }, new Uint8Array(Int32Array.of(low, 1).buffer))
    outbox.block('request').add({ time: 1 }, new Uint8Array(Int32Array.of(low, 2).buffer))
    outbox.block('flow').add({ time: 1 })
  }
  await publish('one/netobserv_kafka', 1)
  await publish('two/netobserv_kafka', 2)
  await publish('one/hubble', 3)
  await using outbox = openPublisher({ bus: open.bus, collector: 'three/netobserv_kafka', log: quietLog, instruments })
  const known = await recallRows(outbox, 'netobserv_kafka')
  const expected = [1, 2].flatMap(low => [1, 2].map(high => (BigInt(high) << 32n) | BigInt(low)))
  t.deepEqual([...known].toSorted(), expected.toSorted())
})
