import test from 'ava'
import fc from 'fast-check'
import { defaultLimits } from '../../../collectors/prometheus/reading.ts'
import { TextFormat } from '../../../collectors/prometheus/text.ts'
import type { Point } from '../../../collectors/samples/point.ts'
import { fixture } from './fixture.ts'

const time = 1_700_000_000_000_000
const read = (text: string, { openMetrics = false, format = new TextFormat() } = {}) =>
  format.read(Buffer.from(text), { openMetrics, time })

const recordings = {
  'prometheus/ztunnel-1.24.txt': { openMetrics: true, series: 64, counter: 61, gauge: 3, histogram: 0 },
  'linkerd/sampleMetrics.txt': { openMetrics: false, series: 199, counter: 77, gauge: 10, histogram: 4 },
  'envoy-rig/single/client.prometheus.txt.gz': { openMetrics: false, series: 4066, counter: 1746, gauge: 450, histogram: 85 },
  'envoy-rig/single/server.prometheus.txt.gz': { openMetrics: false, series: 2484, counter: 998, gauge: 254, histogram: 56 },
}

for (const [name, { openMetrics, series, ...types }] of Object.entries(recordings))
  test(`${name}: every series is read, the same on each scrape`, async t => {
    const bytes = await fixture(name)
    if (!bytes) {
      t.log('skipped: no recordings')
      return t.pass()
    }
    const format = new TextFormat()
    const first = format.read(bytes, { openMetrics, time })
    t.deepEqual([first.series, first.broken, [...first.discarded]], [series, [], []])
    const lines = bytes.toString().split('\n')
    t.is(series, lines.filter(line => line && line[0] !== '#').length)
    for (const [type, count] of Object.entries(types)) t.is(first.points.filter(point => point.type === type).length, count, type)
    const again = format.read(bytes, { openMetrics, time })
    t.deepEqual(again, first)
    t.true(again.points.every(({ labels }, i) => labels === first.points[i].labels))
  })

test('lines of Istio without types are counters, and a histogram with two of its buckets is none', async t => {
  const bytes = await fixture('prometheus/gloo-workshop-lines.txt')
  if (!bytes) {
    t.log('skipped: no recordings')
    return t.pass()
  }
  const { points, series, discarded } = new TextFormat().read(bytes, { openMetrics: false, time })
  t.is(series, 7)
  t.deepEqual(
    points.map(({ metric, type }) => `${metric} ${type}`),
    ['requests', 'requests', 'tcp_sent_bytes', 'tcp_sent_bytes', 'tcp_sent_bytes'].map(name => `istio_${name}_total counter`),
  )
  t.deepEqual([...discarded], [['incomplete', 2]])
})

const histogram = (bounds: number[], counts: number[], sum: number) => ({ sum, bounds, counts })
const point = (metric: string, type: Point['type'], value: number, more: Partial<Point> = {}): Point => ({
  metric,
  type,
  labels: [],
  time,
  value,
  ...more,
})

const lines: Record<string, [string, Point[]]> = {
  'a name and a value': ['a 1\n', [point('a', 'gauge', 1)]],
  'no line feed at the end': ['a 1', [point('a', 'gauge', 1)]],
  'carriage returns': ['a 1\r\nb 2\r\n', [point('a', 'gauge', 1), point('b', 'gauge', 2)]],
  'blanks wherever they may be': [' \ta  { x = "1" , }  -1.5  \n', [point('a', 'gauge', -1.5, { labels: [['x', '1']] })]],
  'labels in the order of their names': [
    'a{y="2",x="1"} 1',
    [
      point('a', 'gauge', 1, {
        labels: [
          ['x', '1'],
          ['y', '2'],
        ],
      }),
    ],
  ],
  'an empty label is none': ['a{x="",y="1"} 1', [point('a', 'gauge', 1, { labels: [['y', '1']] })]],
  escapes: ['a{x="\\\\ \\" \\n \\t}"} 1', [point('a', 'gauge', 1, { labels: [['x', '\\ " \n \\t}']] })]],
  'names in quotes': ['{"my.metric","a.b"="c"} 1', [point('my.metric', 'gauge', 1, { labels: [['a.b', 'c']] })]],
  'UTF-8': ['a{x="Köln"} 1', [point('a', 'gauge', 1, { labels: [['x', 'Köln']] })]],
  'a time in milliseconds': ['a 1 1700000000123', [point('a', 'gauge', 1, { time: 1_700_000_000_123_000 })]],
  'infinite values': ['a +Inf\nb -inf', [point('a', 'gauge', Infinity), point('b', 'gauge', -Infinity)]],
  'large and small numbers': [
    'a 12345678901234567890\nb 1.5e-7\nc .5\nd 0.1\ne 123456789.123456',
    [1.2345678901234567e19, 1.5e-7, 0.5, 0.1, 123456789.123456].map((value, i) => point('abcde'[i], 'gauge', value)),
  ],
  'a counter by its type': ['# TYPE a counter\na 1', [point('a', 'counter', 1)]],
  'a counter by its name': ['a_total 1', [point('a_total', 'counter', 1)]],
  'a type that is not this one': ['# TYPE b counter\na 1', [point('a', 'gauge', 1)]],
  'a count alone may be of anything': ['a_count 1', [point('a_count', 'gauge', 1)]],
  'a summary': [
    '# TYPE s summary\ns{quantile="0.5"} 3\ns_sum 10\ns_count 4',
    [point('s', 'gauge', 3, { labels: [['quantile', '0.5']] }), point('s_sum', 'counter', 10), point('s_count', 'counter', 4)],
  ],
  'a histogram': [
    '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="2.5"} 4\nh_bucket{le="+Inf"} 5\nh_sum 10\nh_count 5',
    [point('h', 'histogram', 5, { histogram: histogram([1, 2.5, Infinity], [1, 3, 1], 10) })],
  ],
  'a histogram without type, its buckets in any order': [
    'h_sum 10\nh_count 5\nh_bucket{le="+Inf"} 5\nh_bucket{le="2.5"} 4\nh_bucket{le="1"} 1',
    [point('h', 'histogram', 5, { histogram: histogram([1, 2.5, Infinity], [1, 3, 1], 10) })],
  ],
  'a histogram that was counted on meanwhile': [
    '# TYPE h histogram\nh_bucket{le="1"} 4\nh_bucket{le="2"} 3\nh_bucket{le="+Inf"} 5\nh_sum 1\nh_count 5',
    [point('h', 'histogram', 5, { histogram: histogram([1, 2, Infinity], [4, 0, 1], 1) })],
  ],
  'no value': ['a NaN\n# TYPE b counter\nb 1', [point('b', 'counter', 1)]],
}

for (const [title, [text, points]] of Object.entries(lines))
  test(`text: ${title}`, t => {
    const format = new TextFormat()
    for (const pass of [1, 2]) t.deepEqual(read(text, { format }).points, points, `scrape ${pass}`)
  })

test('OpenMetrics: types without suffix, units, times in seconds, when series began, no exemplars', t => {
  const text = `# TYPE a counter
# UNIT a bytes
# HELP a Some bytes.
a_total{x="1"} 17.0 1700000000.5 # {trace_id="b"} 0.67 1700000000
a_created{x="1"} 1600000000.25
# TYPE h histogram
h_bucket{le="1.0"} 1 # {trace_id="c"} 0.5
h_bucket{le="+Inf"} 2
h_count 2
h_sum 3.5
h_created 1600000000
# TYPE i info
i_info{version="1"} 1
# TYPE g gaugehistogram
g_bucket{le="+Inf"} 2
g_gcount 2
# EOF
not read`
  const { points, broken } = read(text, { openMetrics: true })
  t.deepEqual(broken, [])
  t.deepEqual(points, [
    point('i_info', 'gauge', 1, { labels: [['version', '1']] }),
    point('g_bucket', 'gauge', 2, { labels: [['le', '+Inf']] }),
    point('g_gcount', 'gauge', 2),
    point('a_total', 'counter', 17, { labels: [['x', '1']], time: 1_700_000_000_500_000, began: 1_600_000_000_250_000, unit: 'bytes' }),
    point('h', 'histogram', 2, { began: 1_600_000_000_000_000, histogram: histogram([1, Infinity], [1, 1], 3.5) }),
  ])
})

test('OpenMetrics that does not end with # EOF was cut off, which is told', t => {
  const { broken, points } = read('a 1\n', { openMetrics: true })
  t.deepEqual([points.length, broken[0].where, broken[0].message], [1, 'line 2, column 1', 'expected # EOF'])
})

const wrong: Record<string, [line: string, where: string, message: RegExp]> = {
  'no value': ['a', 'column 2', /expected a number/],
  'no number': ['a{x="1"} one', 'column 10', /expected a number, got "one"/],
  'no name': ['{x="1"} 1', 'column 1', /name of a metric/],
  'a name that is none': ['1a 1', 'column 1', /name of a metric/],
  'a label that is none': ['a{1="x"} 1', 'column 3', /name of a label/],
  'no quote': ['a{x=1} 1', 'column 5', /expected "/],
  'an open quote': ['a{x="1} 1', 'column 10', /closing "/],
  'an open brace': ['a{x="1" 1', 'column 9', /, or }/],
  'a label twice': ['a{x="1",x="2"} 1', 'column 1', /a label twice/],
  'too much': ['a 1 2 3', 'column 7', /end of the line/],
  'a time that is none': ['a 1 NaN', 'column 5', /expected a time/],
}

for (const [title, [line, where, message]] of Object.entries(wrong))
  test(`a broken line is counted and told by line and column, and the others are read: ${title}`, t => {
    const { points, discarded, broken } = read(`before 1\n${line}\nafter 2\n`)
    t.deepEqual(
      points.map(({ metric }) => metric),
      ['before', 'after'],
    )
    t.deepEqual([...discarded], [['undecodable', 1]])
    t.is(broken[0].where, `line 2, ${where}`)
    t.regex(broken[0].message, message)
    t.is(broken[0].body.toString(), line)
  })

test('series get the labels of the target, and what they call the same is renamed', t => {
  const format = new TextFormat([
    ['instance', 'a:1'],
    ['job', 'j'],
  ])
  t.deepEqual(read('a{job="own",exported_job="x"} 1', { format }).points[0].labels, [
    ['exported_exported_job', 'own'],
    ['exported_job', 'x'],
    ['instance', 'a:1'],
    ['job', 'j'],
  ])
})

test('what is over the limit of series is left out and counted, with the histogram it breaks off in', t => {
  const format = new TextFormat([], { ...defaultLimits, series: 4 })
  const { points, discarded, series } = read('a 1\nb 2\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\nc 1\n', { format })
  t.deepEqual([points.map(({ metric }) => metric), series, [...discarded]], [['a', 'b'], 7, [['over_limit', 5]]])
})

test('long and many labels are over the limit', t => {
  const many = Array.from({ length: 200 }, (_, i) => `l${i}="x"`).join(',')
  const { discarded } = read(`a{${many}} 1\nb{x="${'y'.repeat(70_000)}"} 1\nc 1`)
  t.deepEqual([...discarded], [['over_limit', 2]])
})

test('series that come and go are forgotten, and those that stay keep their labels', t => {
  const format = new TextFormat()
  const stays = () => read('stays{a="1"} 1\n', { format }).points[0].labels
  const before = stays()
  for (let round = 0; round < 5; round++)
    read('stays{a="1"} 1\n' + Array.from({ length: 3000 }, (_, i) => `a{round="${round}",i="${i}"} ${i}\n`).join(''), { format })
  for (let i = 0; i < 4; i++) t.is(stays(), before)
})

const names = fc.constantFrom('a', 'a_total', 'b:c', '_x')
const labelValues = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
const labels = fc.dictionary(fc.constantFrom('x', 'y', 'zone', '_z'), labelValues)
const values = fc.oneof(fc.double({ noNaN: true }), fc.integer(), fc.double({ noNaN: true, min: -1e6, max: 1e6 }))
const samples = fc.array(fc.record({ name: names, labels, value: values }), { maxLength: 30 })
const escaped = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
const goNumber = (value: number) => String(value).replace('Infinity', 'Inf')

test('any samples come back as they were written, on the first scrape and on later ones', t => {
  const format = new TextFormat()
  fc.assert(
    fc.property(samples, samples => {
      const text = samples.map(({ name, labels, value }) => {
        const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
        return `${name}{${pairs.join(',')}} ${goNumber(value)}\n`
      })
      const { points, broken } = read(text.join(''), { format })
      t.deepEqual(broken, [])
      t.deepEqual(
        points.map(({ metric, labels, value }) => ({ name: metric, labels: Object.fromEntries(labels), value })),
        samples.map(({ name, labels, value }) => ({ name, labels: { ...labels }, value: value + 0 })),
      )
    }),
    { numRuns: 300 },
  )
})

test('no bytes break the reader, and every line is a point, part of one, or counted', t => {
  const format = new TextFormat([['instance', 'x']])
  const pieces = fc.constantFrom(
    'a',
    '{',
    '}',
    '"',
    'x="1"',
    ',',
    ' ',
    '\n',
    '\\',
    '#',
    '# TYPE a histogram',
    'a_bucket{le="1"} 2',
    ' 1',
    '\0',
    'é',
    '# EOF',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(pieces).map(list => Buffer.from(list.join(''))),
        fc.uint8Array().map(Buffer.from),
      ),
      fc.boolean(),
      (bytes, openMetrics) => {
        const { points, series, discarded } = format.read(bytes as Buffer, { openMetrics, time })
        const left = [...discarded.values()].reduce((sum, count) => sum + count, 0)
        t.true(points.length + left <= series + 1)
      },
    ),
    { numRuns: 2000 },
  )
})

test('a type that is none, even a word of JavaScript’s, is no type', t => {
  for (const type of ['constructor', 'valueOf', 'speed']) t.is(read(`# TYPE a ${type}\na 1\n`).points[0].type, 'gauge', type)
})
