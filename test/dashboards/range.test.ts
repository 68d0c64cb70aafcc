import test from 'ava'
import { end, everyFor, lengthOf, rangeWords, wider } from '../../dashboards/web/state/range.ts'

test('the end of a range is compared with all before it, back to as long before the range', t => {
  t.deepEqual(end({ from: 'now-15m', to: 'now' }), [
    { from: 'now-180s', to: 'now' },
    { from: 'now-1800s', to: 'now-180s' },
  ])
  t.deepEqual(end({ from: '2026-11-21T10:00:00.000Z', to: '2026-11-21T10:05:00.000Z' }), [
    { from: '2026-11-21T10:03:00.000Z', to: '2026-11-21T10:05:00.000Z' },
    { from: '2026-11-21T09:55:00.000Z', to: '2026-11-21T10:03:00.000Z' },
  ])
})

test('wider is the next range one can choose, or twice as long', t => {
  t.deepEqual(wider({ from: 'now-15m', to: 'now' }), { from: 'now-1h', to: 'now' })
  const range = { from: '2026-11-21T10:00:00.000Z', to: '2026-11-21T11:00:00.000Z' }
  t.is(lengthOf(wider(range)), 7200)
})

test('a chart has about as many points as asked for', t => {
  for (const from of ['now-5m', 'now-1h', 'now-24h', 'now-7d']) {
    const points = lengthOf({ from, to: 'now' }) / everyFor({ from, to: 'now' }, 60)
    t.true(points > 20 && points <= 60, `${from}: ${points}`)
  }
})

test('a chart of ten minutes or more has points a rollup can answer', t => {
  t.is(everyFor({ from: 'now-15m', to: 'now' }), 60)
  t.is(everyFor({ from: 'now-5m', to: 'now' }), 5)
})

test('a range is told in words', t => {
  t.is(rangeWords({ from: 'now-6h', to: 'now' }), 'Last 6 hours')
})
