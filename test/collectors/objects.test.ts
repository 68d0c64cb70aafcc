import test from 'ava'
import { openObjectLog } from '../../collectors/objects.ts'
import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import { openTestBus } from '../helpers/bus.ts'
import { quietLog } from '../helpers/clickhouse.ts'

const pod = (name: string, more: ObjectVersion = {}): ObjectVersion => ({
  time: 1,
  source: 'kubernetes',
  cluster: 'a',
  kind: 'pod',
  namespace: 'shop',
  name,
  uid: name,
  valid_from: 1,
  valid_to: openEnd,
  ...more,
})

test('who starts again finds what it left open, of its own cluster alone', async t => {
  await using opened = await openTestBus()
  const open = () => openObjectLog({ bus: opened.bus, collector: 'c', log: quietLog, signal: new AbortController().signal })
  t.deepEqual(await open().standing('kubernetes', 'a'), [], 'nothing was told yet')

  await open().publish([pod('cart'), pod('pay'), pod('far', { cluster: 'b' }), pod('made-up', { source: 'demo' })])
  await open().publish([pod('pay', { valid_to: 5, time: 5 })])
  const standing = await open().standing('kubernetes', 'a')
  t.deepEqual(
    standing.map(({ name, valid_from, valid_to }) => ({ name, valid_from, valid_to })),
    [{ name: 'cart', valid_from: 1, valid_to: openEnd }],
  )
  const recent = await open().standing('kubernetes', 'a', 4)
  t.deepEqual(recent.map(({ name }) => name).sort(), ['cart', 'pay'], 'and what ended since, where that is asked for')
})
