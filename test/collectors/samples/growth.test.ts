import test from 'ava'
import fc from 'fast-check'
import { type Growth, type Last, grow } from '../../../collectors/samples/growth.ts'
import type { Histogram, Point } from '../../../collectors/samples/point.ts'

const counter = (time: number, value: number, began?: number): Point => ({ metric: 'm', type: 'counter', labels: [], time, value, began })
const histogram = (time: number, bounds: number[], counts: number[], sum = 0): Point => ({
  metric: 'm',
  type: 'histogram',
  labels: [],
  time,
  value: counts.reduce((all, count) => all + count, 0),
  histogram: { bounds, counts, sum },
})
const last = (time: number, value: number, began?: number): Last => ({ time, value, began })
const held = (bounds: number[], counts: number[], sum = 0): Last => {
  const { value, histogram: buckets } = histogram(1e6, bounds, counts, sum)
  return { time: 1e6, value, histogram: buckets as Histogram }
}

const [start, second, third] = [1e6, 2e6, 3e6]

const cases: Record<string, [last: Last | undefined, point: Point, growth: Partial<Growth>]> = {
  'a counter grows by what it is more than before': [last(start, 5), counter(second, 8), { delta: 3, since: start, reset: false }],
  'a counter that stands still grows by nothing': [last(start, 5), counter(second, 5), { delta: 0, since: start, reset: false }],
  'a counter below what it was began anew and counts whole': [last(start, 5), counter(second, 2), { delta: 2, since: start, reset: true }],
  'a counter at zero after a restart counts nothing': [last(start, 5), counter(second, 0), { delta: 0, since: start, reset: true }],
  'a newer beginning is a restart, also where the value is larger': [
    last(start, 5, 100),
    counter(second, 8, start + 600_000),
    { delta: 8, since: start, reset: true },
  ],
  'a beginning that trembles is none': [last(start, 5, 100_000), counter(second, 8, 300_000), { delta: 3, reset: false }],
  'the first beginning one hears of is none, when it is before the last point': [
    last(start, 5),
    counter(second, 8, 100_000),
    { delta: 3, reset: false },
  ],
  'the first beginning one hears of is a restart, when it is after the last point': [
    last(start, 5),
    counter(third, 8, second),
    { delta: 8, reset: true },
  ],
  'points that each begin where the last ended count whole': [last(second, 5, start), counter(third, 4, second), { delta: 4, reset: true }],
  'the first point of a series counts nothing': [undefined, counter(third, 1000), { delta: 0, since: 0, reset: false }],
  'a series that began before its target was watched counts nothing': [undefined, counter(third, 1000, start - 1), { delta: 0, since: 0 }],
  'a series that began while its target was watched counts whole': [
    undefined,
    counter(third, 7, second),
    { delta: 7, since: second, reset: false },
  ],
  'a beginning in the future is not believed': [undefined, counter(third, 7, third + 1), { delta: 0, since: 0 }],
  'a gauge does not grow': [last(start, 5), { ...counter(second, 2), type: 'gauge' }, { delta: 0, since: start, reset: false }],
  'buckets grow each for itself, and the bound below is kept': [
    held([1, 5, 10, Infinity], [1, 2, 0, 0], 8),
    histogram(second, [1, 5, 10, Infinity], [1, 2, 3, 0], 30),
    { delta: 3, sum: 22, bounds: [5, 10], counts: [0, 3], reset: false },
  ],
  'fewer observations than before are a restart of the whole histogram': [
    held([1, 5], [4, 4], 20),
    histogram(second, [1, 5], [5, 0], 3),
    { delta: 5, sum: 3, bounds: [1], counts: [5], reset: true },
  ],
  'a bucket that fell is a restart of the whole histogram, also where there are more observations': [
    held([1, 5], [4, 1], 8),
    histogram(second, [1, 5], [0, 9], 40),
    { delta: 9, sum: 40, bounds: [1, 5], counts: [0, 9], reset: true },
  ],
  'a bucket nothing was in before is no change': [
    held([2, 8], [3, 1], 14),
    histogram(second, [2, 4, 8], [3, 2, 1], 21),
    { delta: 2, sum: 7, bounds: [2, 4], counts: [0, 2], reset: false },
  ],
  'merged buckets hold what was in each of them': [
    held([1, 2, 4, 8], [1, 2, 3, 4], 40),
    histogram(second, [2, 8], [4, 7], 46),
    { delta: 1, sum: 6, bounds: [2], counts: [1], reset: false },
  ],
  'a bucket that was split leaves the buckets unknown, without a fall and without a spike': [
    held([1, 10], [1, 10], 70),
    histogram(second, [1, 5, 10], [1, 6, 5], 75),
    { delta: 1, sum: 5, bounds: [], counts: [], reset: false },
  ],
  'where only the count is remembered the buckets are unknown': [
    last(start, 5),
    histogram(second, [1, 5], [4, 4], 20),
    { delta: 3, sum: 0, bounds: [], counts: [], reset: false },
  ],
  'a sum that is no number is none': [
    held([1, 5], [1, 1], 4),
    histogram(second, [1, 5], [1, 2], NaN),
    { delta: 1, sum: 0, bounds: [1, 5], counts: [0, 1] },
  ],
}
for (const [promise, [before, point, growth]] of Object.entries(cases)) test(promise, t => t.like(grow(before, point, start), growth))

type Step = { kind: 'observe'; value: number; times: number } | { kind: 'coarser' | 'point' | 'restart' }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('observe' as const), value: fc.integer({ min: 1, max: 64 }), times: fc.nat(5) }) },
  { weight: 8, arbitrary: fc.constant({ kind: 'point' as const }) },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'coarser' as const }, { kind: 'restart' as const }) },
)

test('buckets that come, merge and begin anew never fall and never jump, and add up to what was observed', t => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), steps => {
      let [width, time, observed, counted] = [1, 1e6, 0, 0]
      let held = new Map<number, number>()
      let before: Last | undefined
      const point = () => {
        time += 1e6
        const bounds = [...held.keys()].toSorted((one, other) => one - other)
        const now = histogram(time, bounds, bounds.map(bound => held.get(bound)!)) // prettier-ignore
        const { delta, counts } = grow(before, now, 0)
        t.true(counts.every(count => count >= 0))
        t.is(counts.reduce((all, count) => all + count, 0), delta) // prettier-ignore
        if (before) counted += delta
        before = { time, value: now.value, histogram: now.histogram }
      }
      point()
      for (const step of steps) {
        if (step.kind === 'observe') {
          const bound = Math.ceil(step.value / width) * width
          held.set(bound, (held.get(bound) ?? 0) + step.times)
          observed += step.times
        } else if (step.kind === 'coarser') {
          width *= 2
          const finer = held
          held = new Map()
          for (const [bound, count] of finer) {
            const merged = Math.ceil(bound / width) * width
            held.set(merged, (held.get(merged) ?? 0) + count)
          }
        } else {
          point()
          if (step.kind !== 'restart') continue
          held = new Map()
          point()
        }
      }
      point()
      t.is(counted, observed)
    }),
    { numRuns: 300 },
  )
})
