import test from 'ava'
import { Connections, type Told } from '../../../collectors/envoy/connections.ts'
import { recallConnections } from '../../../collectors/envoy/recall.ts'
import { openPublisher } from '../../../collectors/publisher.ts'
import { component } from '../../../runtime/telemetry.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { quietLog } from '../../helpers/clickhouse.ts'

const second = 1_000_000
const began = 1_700_000_000 * second
const told = (changes: Partial<Told> = {}): Told => ({
  id: 'a',
  reporter: 'shop/web',
  start: began,
  received: 0,
  sent: 0,
  until: began + second,
  ...changes,
})

test('of a connection that lasts each entry counts what came on, and the last the rest', t => {
  const connections = new Connections({ knownSince: 0 })
  t.deepEqual(connections.lasting(told({ received: 10, sent: 100 })), { received: 10, sent: 100, since: began })
  t.deepEqual(connections.lasting(told({ received: 10, sent: 250, until: began + 2 * second })), {
    received: 0,
    sent: 150,
    since: began + second,
  })
  t.deepEqual(connections.over(told({ received: 15, sent: 251, until: began + 3 * second })), {
    received: 5,
    sent: 1,
    since: began + 2 * second,
  })
})

test('a connection that is told to be over twice, or told of later, is over once', t => {
  const connections = new Connections({ knownSince: 0 })
  t.like(connections.over(told({ received: 15 })), { received: 15 })
  t.is(connections.over(told({ received: 15 })), undefined)
  t.is(connections.lasting(told({ received: 15 })), undefined)
})

test('what began before anything is known of it counts from now on where others may have counted it, and whole where none can have', t => {
  const connections = new Connections({ knownSince: began + second })
  t.like(connections.lasting(told({ received: 1000, sent: 1000 })), { received: 0, sent: 0 })
  t.like(connections.lasting(told({ received: 1200, sent: 1000 })), { received: 200, sent: 0 })
  t.like(connections.over(told({ id: 'b', received: 70 })), { received: 0 }, 'the proxy tells of connections that last')
  t.like(connections.over(told({ id: 'c', reporter: 'shop/cart', received: 70 })), { received: 70 }, 'this one never did')
  t.like(connections.over(told({ id: 'd', start: began + 2 * second, received: 70 })), { received: 70 })
})

test('counters that go back count nothing', t => {
  const connections = new Connections({ knownSince: 0 })
  connections.lasting(told({ received: 100 }))
  t.like(connections.over(told({ received: 50 })), { received: 0 })
})

test('more connections than are remembered count nothing twice', t => {
  const connections = new Connections({ knownSince: 0, maxOpen: 10 })
  for (let i = 0; i < 40; i++) connections.lasting(told({ id: `c${i}`, received: 100, until: began + (i + 2) * second }))
  t.like(connections.over(told({ id: 'c0', received: 130, until: began + 60 * second })), { received: 0 })
  t.like(connections.over(told({ id: 'c39', received: 130, until: began + 60 * second })), { received: 30 })
  t.like(connections.over(told({ id: 'new', start: began + 59 * second, received: 30, until: began + 60 * second })), { received: 30 })
})

test('after a restart what was published of a connection is not counted again, and what was not is', async t => {
  await using opened = await openTestBus()
  const open = (collector: string) =>
    openPublisher({ bus: opened.bus, collector, log: quietLog, instruments: component('source', 'test'), maxBlockAgeMs: 10 })
  const row = { source: 'envoy', reporter: 'shop/web', connection_id: 'a', end_reason: 'active_timeout' }
  {
    await using outbox = open('one/envoy')
    outbox.block('flow').add({ ...row, time: began, bytes: 100, is_reply: 'no' })
    outbox.block('flow').add({ ...row, time: began + second, bytes: 50, is_reply: 'no' })
    outbox.block('flow').add({ ...row, time: began + second, bytes: 5000, is_reply: 'yes' })
    outbox.block('flow').add({ ...row, time: began + second, connection_id: 'b', end_reason: 'closed', bytes: 9 })
    await outbox.flush()
  }
  {
    await using outbox = open('another/hubble')
    outbox.block('flow').add({ ...row, time: began, bytes: 7, is_reply: 'no' })
    await outbox.flush()
  }
  await using outbox = open('two/envoy')
  const recalled = await recallConnections(outbox, 60_000)
  t.deepEqual([...recalled.open], [['a', { received: 150, sent: 5000, until: began + second }]])
  const connections = new Connections({ knownSince: began + 3600 * second, ...recalled })
  t.like(connections.lasting(told({ received: 170, sent: 5100 })), { received: 20, sent: 100 })
})
