import test from 'ava'
import fc from 'fast-check'
import type { Outcome } from '../../../collectors/prometheus/gathering.ts'
import { RemoteStore, Samples } from '../../../collectors/prometheus/remote-series.ts'

const waitMs = 10_000

/** A sender, and its samples as `name le` to a value. */
function open() {
  const store = new RemoteStore({ cluster: '', maxSeries: 1000, waitMs })
  const known = new Map<string, ReturnType<typeof store.define>>()
  let now = 1_000_000
  const seriesOf = (key: string) => {
    const [name, le = ''] = key.split(' ')
    const series =
      known.get(key) ??
      store.define([
        ['__name__', name],
        ['le', le],
      ])
    known.set(key, series)
    store.settle(series)
    return series
  }
  return {
    store,
    write(timeMs: number, values: Record<string, number>): Outcome {
      const samples = new Samples()
      for (const [key, value] of Object.entries(values)) samples.add(seriesOf(key), value, timeMs, 0)
      return store.take(samples, now)
    },
    later(ms: number): Outcome {
      now += ms
      return store.sweep(now)
    },
  }
}

const whole = (count: number) => ({ 'h_bucket 1': 1, 'h_bucket 5': count - 1, 'h_bucket +Inf': count, h_sum: 10, h_count: count })
const summary = ({ points, incomplete }: Outcome) => ({
  points: points.map(
    ({ point }) => `${point.metric} ${point.time / 1000} ${point.value} ${point.histogram?.counts.join(',') ?? point.type}`,
  ),
  incomplete,
})
const nothing = { points: [], incomplete: 0 }

test('the first time waits until it is certain that no bucket is missing, later ones are handed on at once', t => {
  const sender = open()
  t.deepEqual(summary(sender.write(1, whole(4))), nothing)
  t.deepEqual(summary(sender.later(waitMs - 1)), nothing)
  t.deepEqual(summary(sender.later(1)), { points: ['h 1 4 1,2,1'], incomplete: 0 })
  t.deepEqual(summary(sender.write(2, whole(6))), { points: ['h 2 6 1,4,1'], incomplete: 0 })
})

test('what came behind the first time is handed on with it', t => {
  const sender = open()
  sender.write(1, whole(4))
  sender.later(waitMs - 1)
  sender.write(2, whole(6))
  t.deepEqual(summary(sender.later(1)).points, ['h 1 4 1,2,1', 'h 2 6 1,4,1'])
})

test('buckets may come in several requests, whose times overlap', t => {
  const sender = open()
  sender.write(1, whole(4))
  sender.later(waitMs)
  const { h_sum, h_count, ...buckets } = whole(6)
  t.deepEqual(summary(sender.write(2, buckets)), nothing)
  t.deepEqual(summary(sender.write(3, whole(7))), nothing)
  t.deepEqual(summary(sender.write(2, { h_sum, h_count })).points, ['h 2 6 1,4,1', 'h 3 7 1,5,1'])
})

test('what never becomes whole is counted, and is not waited for again', t => {
  const sender = open()
  sender.write(1, whole(4))
  sender.later(waitMs)
  const { 'h_bucket 5': _, ...rest } = whole(6)
  t.deepEqual(summary(sender.write(2, rest)), nothing)
  t.deepEqual(summary(sender.later(waitMs)), { points: [], incomplete: 4 })
  t.deepEqual(summary(sender.write(3, rest)).points, ['h 3 6 1,5'])
})

test('a histogram that never had all its buckets is none', t => {
  const sender = open()
  sender.write(1, { 'h_bucket 1': 1, h_sum: 1, h_count: 3 })
  t.deepEqual(summary(sender.later(waitMs)), { points: [], incomplete: 3 })
})

test('a bucket that ended is not waited for', t => {
  const sender = open()
  sender.write(1, whole(4))
  sender.later(waitMs)
  const { 'h_bucket 5': _, ...rest } = whole(6)
  t.deepEqual(summary(sender.write(2, rest)), nothing)
  const ended = sender.write(2, { 'h_bucket 5': NaN })
  t.deepEqual([summary(ended).points, ended.noValue], [['h 2 6 1,5'], 1])
})

test('the same samples again are counted as repeated', t => {
  const sender = open()
  sender.write(1, whole(4))
  sender.later(waitMs)
  t.is(sender.write(1, whole(4)).repeated, 5)
})

test('no more than a few times wait', t => {
  const sender = open()
  const { h_sum: _, ...rest } = whole(4)
  sender.write(0, whole(4))
  sender.later(waitMs)
  let incomplete = 0
  for (let time = 1; time <= 50; time++) {
    sender.write(time, { h_sum: 1 })
    incomplete += sender.write(time, rest).incomplete
  }
  t.is(incomplete, 0)
  for (let time = 51; time <= 90; time++) incomplete += sender.write(time, { h_count: 1 }).incomplete
  t.true(incomplete >= 1)
})

test('a sum and a count without buckets are a summary, a count alone is anything', t => {
  const sender = open()
  sender.write(1, { s_sum: 2, s_count: 1, connection_count: 7 })
  const { points } = summary(sender.later(waitMs))
  t.deepEqual(points.sort(), ['connection_count 1 7 gauge', 's_count 1 1 counter', 's_sum 1 2 counter'])
  t.deepEqual(summary(sender.write(2, { connection_count: 8 })).points, ['connection_count 2 8 gauge'])
})

test('what is told of a family later counts from then on', t => {
  const sender = open()
  t.is(sender.write(1, { requests: 1 }).points[0].point.type, 'gauge')
  sender.store.describe('requests', 'counter', 'bytes')
  const [{ point }] = sender.write(2, { requests: 2 }).points
  t.deepEqual([point.type, point.unit], ['counter', 'bytes'])
})

test('however connections overtake each other, each time is handed on once and in order', t => {
  const keys = Object.keys(whole(1)) as (keyof ReturnType<typeof whole>)[]
  const turns = [1, 2, 3, 4].flatMap(() => keys)
  fc.assert(
    fc.property(fc.shuffledSubarray(turns, { minLength: turns.length }), order => {
      const sender = open()
      sender.write(0, whole(3))
      sender.later(waitMs)
      const written = new Map<string, number>()
      const points = order.flatMap(key => {
        const time = (written.get(key) ?? 0) + 1
        written.set(key, time)
        return summary(sender.write(time, { [key]: whole(time + 3)[key] })).points
      })
      t.deepEqual(points, ['h 1 4 1,2,1', 'h 2 5 1,3,1', 'h 3 6 1,4,1', 'h 4 7 1,5,1'])
    }),
    { numRuns: 200 },
  )
})
