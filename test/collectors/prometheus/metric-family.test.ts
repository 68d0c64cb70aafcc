import test from 'ava'
import fc from 'fast-check'
import { FamilyFormat } from '../../../collectors/prometheus/metric-family.ts'
import { defaultLimits } from '../../../collectors/prometheus/reading.ts'
import { TextFormat } from '../../../collectors/prometheus/text.ts'
import type { Point } from '../../../collectors/samples/point.ts'
import { delimited, encode, familyType } from './protos.ts'

const time = 1_700_000_000_000_000
const target = [['instance', 'a:1']] as const
const labelPairs = (labels: Record<string, string>) => Object.entries(labels).map(([name, value]) => ({ name, value }))
const byName = (points: readonly Point[]) => points.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
const keyOf = ({ metric, labels }: Point) => JSON.stringify([metric, labels])

const histogramOfText = `h_bucket{x="1",le="0.5"} 1
h_bucket{x="1",le="2"} 4
h_bucket{x="1",le="+Inf"} 5
h_sum{x="1"} 12.5
h_count{x="1"} 5
`
const scrapes = {
  text: `# TYPE a_total counter
a_total{x="1",y="2"} 17
# TYPE g gauge
g 1.5 1700000000500
# TYPE u untyped
u{x="1"} 3
# TYPE s summary
s{x="1",quantile="0.5"} 3
s{x="1",quantile="0.99"} 4
s_sum{x="1"} 10
s_count{x="1"} 4
# TYPE h histogram
${histogramOfText}`,
  openMetrics: `# TYPE a counter
a_total{y="2",x="1"} 17.0 # {trace="z"} 1
# TYPE g gauge
g 1.5 1700000000.5
# TYPE u unknown
u{x="1"} 3
# TYPE s summary
s{x="1",quantile="0.5"} 3
s{x="1",quantile="0.99"} 4
s_count{x="1"} 4
s_sum{x="1"} 10
# TYPE h histogram
${histogramOfText}# EOF
`,
  protobuf: delimited(
    { name: 'a_total', type: 'COUNTER', metric: [{ label: labelPairs({ x: '1', y: '2' }), counter: { value: 17 } }] },
    { name: 'g', help: 'A gauge.', type: 'GAUGE', metric: [{ gauge: { value: 1.5 }, timestamp_ms: 1_700_000_000_500 }] },
    { name: 'u', type: 'UNTYPED', metric: [{ label: labelPairs({ x: '1' }), untyped: { value: 3 } }] },
    {
      name: 's',
      type: 'SUMMARY',
      metric: [
        {
          label: labelPairs({ x: '1' }),
          summary: {
            sample_count: 4,
            sample_sum: 10,
            quantile: [
              { quantile: 0.5, value: 3 },
              { quantile: 0.99, value: 4 },
            ],
          },
        },
      ],
    },
    {
      name: 'h',
      type: 'HISTOGRAM',
      metric: [
        {
          label: labelPairs({ x: '1' }),
          histogram: {
            sample_count: 5,
            sample_sum: 12.5,
            bucket: [
              { upper_bound: 0.5, cumulative_count: 1 },
              { upper_bound: 2, cumulative_count: 4 },
            ],
          },
        },
      ],
    },
  ),
}

test('the same metrics are the same points in text, OpenMetrics and protobuf', t => {
  const text = new TextFormat(target).read(Buffer.from(scrapes.text), { openMetrics: false, time })
  const openMetrics = new TextFormat(target).read(Buffer.from(scrapes.openMetrics), { openMetrics: true, time })
  const protobuf = new FamilyFormat(target).readDelimited(scrapes.protobuf, time)
  t.is(text.points.length, 8)
  t.deepEqual(byName(openMetrics.points), byName(text.points))
  t.deepEqual(byName(protobuf.points), byName(text.points))
})

test('a series has the same labels in each message', t => {
  const format = new FamilyFormat(target)
  const [first, second] = [1, 2].map(() => format.readDelimited(scrapes.protobuf, time).points)
  t.true(first.every(({ labels }, i) => labels === second[i].labels))
})

test('series that come in several messages have the same labels too, and those that come no more are forgotten', t => {
  const format = new FamilyFormat()
  const part = (from: number) => {
    const metric = Array.from({ length: 1500 }, (_, i) => ({ label: labelPairs({ i: String(from + i) }), gauge: { value: 1 } }))
    const family = encode(familyType, { name: 'a', type: 'GAUGE', metric })
    return Buffer.concat([Buffer.from([18, (family.length & 127) | 128, ((family.length >> 7) & 127) | 128, family.length >> 14]), family])
  }
  const parts = [0, 1, 2, 3].map(i => part(i * 1500))
  const [first, second, third] = [0, 1, 600e6].map(later => parts.map(bytes => format.readField(bytes, 2, time + later).points).flat())
  t.is(first.length, 6000)
  t.true(first.every(({ labels }, i) => labels === second[i].labels && labels === third[i].labels))
  for (let i = 0; i < 4; i++) format.readField(part(9000), 2, time + i * 600e6 + 1e9)
  t.not(format.readField(parts[0], 2, time + 9e9).points[0].labels, first[0].labels)
})

const histogramPoint = (histogram: object) => {
  const format = new FamilyFormat()
  return format.readDelimited(delimited({ name: 'h', type: 'HISTOGRAM', metric: [{ histogram }] }), time)
}

const natives: Record<string, [histogram: object, bounds: number[], counts: number[]]> = {
  'buckets side by side': [
    { sample_count: 6, schema: 0, zero_threshold: 0.25, zero_count: 1, positive_span: [{ offset: 0, length: 2 }], positive_delta: [2, 1] },
    [-0.25, 0.25, 0.5, 1, 2],
    [0, 1, 0, 2, 3],
  ],
  'gaps between buckets': [
    {
      schema: 0,
      zero_threshold: 1,
      positive_span: [
        { offset: 1, length: 1 },
        { offset: 2, length: 1 },
      ],
      positive_delta: [2, -1],
    },
    [-1, 1, 2, 8, 16],
    [0, 0, 2, 0, 1],
  ],
  'negative observations': [
    { schema: 0, zero_threshold: 0.5, zero_count: 3, negative_span: [{ offset: 0, length: 2 }], negative_delta: [1, 1] },
    [-2, -1, -0.5, 0.5],
    [0, 2, 1, 3],
  ],
  'counts that are no integers': [
    { schema: 1, zero_threshold: 0.001, zero_count_float: 0.5, positive_span: [{ offset: 2, length: 2 }], positive_count: [1.5, 2.5] },
    [-0.001, 0.001, Math.SQRT2, 2, 2 * Math.SQRT2],
    [0, 0.5, 0, 1.5, 2.5],
  ],
  'bounds that grow by powers': [
    { schema: -1, zero_threshold: 0, positive_span: [{ offset: 1, length: 1 }], positive_delta: [4] },
    [0, 1, 4],
    [0, 0, 4],
  ],
}

for (const [title, [histogram, bounds, counts]] of Object.entries(natives))
  test(`a native histogram has explicit bounds: ${title}`, t => {
    const { points, broken } = histogramPoint({ sample_sum: 3, ...histogram })
    t.deepEqual(broken, [])
    const given = points[0].histogram!
    t.deepEqual([given.counts, given.bounds.map(bound => bound.toFixed(9)), given.sum], [counts, bounds.map(bound => bound.toFixed(9)), 3])
  })

test('of a histogram that has classic buckets too these are taken', t => {
  const native = { schema: 0, zero_threshold: 1, positive_span: [{ offset: 1, length: 1 }], positive_delta: [2] }
  const { points } = histogramPoint({ ...native, sample_count: 2, bucket: [{ upper_bound: 5, cumulative_count: 2 }] })
  t.deepEqual(points[0].histogram, { sum: 0, bounds: [5, Infinity], counts: [2, 0] })
})

const bad: Record<string, [family: object, reason: string]> = {
  'fewer counts than buckets': [
    { name: 'h', type: 'HISTOGRAM', metric: [{ histogram: { positive_span: [{ length: 1e9 }] } }] },
    'undecodable',
  ],
  'more counts than buckets': [
    { name: 'h', type: 'HISTOGRAM', metric: [{ histogram: { zero_threshold: 1, positive_delta: [1] } }] },
    'undecodable',
  ],
  'a count below 0': [
    { name: 'h', type: 'HISTOGRAM', metric: [{ histogram: { positive_span: [{ length: 1 }], positive_delta: [-1] } }] },
    'undecodable',
  ],
  'a schema nobody knows': [{ name: 'h', type: 'HISTOGRAM', metric: [{ histogram: { schema: 20, zero_threshold: 1 } }] }, 'unknown_kind'],
  'no name': [{ type: 'GAUGE', metric: [{ gauge: { value: 1 } }] }, 'undecodable'],
  'no value': [{ name: 'a', type: 'COUNTER', metric: [{ gauge: { value: 1 } }] }, 'undecodable'],
  'a label twice': [
    {
      name: 'a',
      type: 'GAUGE',
      metric: [
        {
          label: [
            { name: 'x', value: '1' },
            { name: 'x', value: '2' },
          ],
          gauge: {},
        },
      ],
    },
    'undecodable',
  ],
}

for (const [title, [family, reason]] of Object.entries(bad))
  test(`a family that is broken is counted, and the others are read: ${title}`, t => {
    const whole = { name: 'whole', type: 'GAUGE', metric: [{ gauge: { value: 1 } }] }
    const { points, discarded } = new FamilyFormat().readDelimited(delimited(whole, family, whole), time)
    t.is(points.length, 2)
    t.deepEqual([...discarded], [[reason, 1]])
  })

test('series over the limit are left out and counted', t => {
  const metric = Array.from({ length: 5 }, (_, i) => ({ label: labelPairs({ i: String(i) }), gauge: { value: i } }))
  const { points, discarded } = new FamilyFormat([], { ...defaultLimits, series: 3 }).readDelimited(
    delimited({ name: 'a', type: 'GAUGE', metric }),
    time,
  )
  t.deepEqual([points.length, [...discarded]], [3, [['over_limit', 2]]])
})

const value = fc.double({ noNaN: true })
const metrics = fc.array(
  fc.record({
    labels: fc.dictionary(fc.constantFrom('x', 'y', 'z'), fc.string({ minLength: 1 })),
    value,
    created: fc.option(fc.integer({ min: 1, max: 4e9 }), { nil: undefined }),
    time: fc.option(fc.integer({ min: 1, max: 4e12 }), { nil: undefined }),
  }),
)

test('any counters come back as they were written', t => {
  const format = new FamilyFormat()
  fc.assert(
    fc.property(metrics, metrics => {
      const family = {
        name: 'a_total',
        type: 'COUNTER',
        unit: 'bytes',
        metric: metrics.map(({ labels, value, created, time }) => ({
          label: labelPairs(labels),
          counter: { value, ...(created && { created_timestamp: { seconds: created, nanos: 250_000_000 } }) },
          ...(time && { timestamp_ms: time }),
        })),
      }
      const { points } = format.readDelimited(delimited(family), time)
      t.deepEqual(
        points.map(({ labels, ...point }) => ({ ...point, labels: Object.fromEntries(labels) })),
        metrics.map(({ labels, value, created, time: own }) => ({
          metric: 'a_total',
          type: 'counter',
          unit: 'bytes',
          value,
          time: own ? own * 1000 : time,
          ...(created && { began: created * 1e6 + 250_000 }),
          labels: { ...labels },
        })),
      )
    }),
    { numRuns: 200 },
  )
})

test('labels that stand apart in the message are the same labels', t => {
  const [x, y] = [
    { name: 'x', value: '1' },
    { name: 'y', value: '2' },
  ].map(label => encode(familyType, { metric: [{ label: [label] }] }).subarray(2))
  const gauge = encode(familyType, { metric: [{ gauge: { value: 1 } }] }).subarray(2)
  const metric = Buffer.concat([x, gauge, y])
  const family = Buffer.concat([encode(familyType, { name: 'a', type: 'GAUGE' }), Buffer.from([34, metric.length]), metric])
  const { points } = new FamilyFormat().readDelimited(Buffer.concat([Buffer.from([family.length]), family]), time)
  t.deepEqual(points[0].labels, [
    ['x', '1'],
    ['y', '2'],
  ])
})

test('no bytes break the reader', t => {
  const format = new FamilyFormat(target)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(), fc.nat({ max: 255 }), (noise, at, byte) => {
      format.readDelimited(Buffer.from(noise), time)
      const changed = Buffer.from(scrapes.protobuf)
      changed[at % changed.length] = byte
      format.readDelimited(changed, time)
      format.readDelimited(changed.subarray(0, at % changed.length), time)
      t.pass()
    }),
    { numRuns: 2000 },
  )
})
