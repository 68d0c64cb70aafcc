import test from 'ava'
import fc from 'fast-check'
import { type Metric, collectMetrics, component, meter, renderPrometheus, startTelemetry } from '../../runtime/telemetry.ts'

interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

const values: Record<string, number> = { NaN, '+Inf': Infinity, '-Inf': -Infinity }

/** Reads the text format as Prometheus does: throws at what is none, and at a family that is not in one piece. */
function parse(text: string): Sample[] {
  const seen = new Set<string>()
  let family = ''
  return text.split('\n').flatMap((line, number) => {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) ([^\n]*)$/.exec(line)
    if (comment?.[1] === 'HELP') {
      family = comment[2]
      if (seen.has(family)) throw new Error(`line ${number}: ${family} a second time`)
      seen.add(family)
    }
    if (comment || line === '') return []
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)$/.exec(line)
    if (!sample || sample[1] !== family) throw new Error(`line ${number}: ${line}`)
    const labels = [...sample[2].matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [
      key,
      value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    ])
    return [
      { name: sample[1], labels: Object.fromEntries(labels) as Record<string, string>, value: values[sample[3]] ?? Number(sample[3]) },
    ]
  })
}

const texts = fc.oneof(fc.string(), fc.stringMatching(/^[\\"\n{},=a]*$/), fc.string({ unit: 'binary' }))

test('labels, descriptions and values come out as they went in, whatever is in them', t => {
  fc.assert(
    fc.property(texts, texts, fc.double(), (label, about, value) => {
      const metric: Metric = { name: 'weir.a', about, type: 'gauge', points: [{ labels: { 'k8s.pod-name': label }, value }] }
      const [sample] = parse(renderPrometheus({ one: [metric] }))
      t.deepEqual(sample.labels, { k8s_pod_name: label, service: 'one' })
      t.true(Object.is(sample.value, value) || sample.value === value)
    }),
  )
})

test('a metric of several services is one family, a point of each', t => {
  const metric = (value: number): Metric => ({
    name: 'weir.records.sent',
    about: 'Sent.',
    type: 'counter',
    points: [{ labels: {}, value }],
  })
  const text = renderPrometheus({ collect: [metric(1)], enrich: [metric(2)] })
  t.is(
    text,
    `# HELP weir_records_sent_total Sent.
# TYPE weir_records_sent_total counter
weir_records_sent_total{service="collect"} 1
weir_records_sent_total{service="enrich"} 2
`,
  )
  t.is(renderPrometheus({}), '')
})

test('a number that did not survive the way from its process is none', t => {
  const metric = { name: 'a', about: '', type: 'gauge', points: [{ labels: {}, value: null as unknown as number }] } as const
  t.deepEqual(parse(renderPrometheus({ one: [{ ...metric, points: [...metric.points] }] }))[0].value, NaN)
})

test.serial('counters and gauges of this process are read as they are now, and what may shrink is a gauge', async t => {
  startTelemetry()
  const { received, discarded } = component('source', 'test')
  received(3)
  received(4)
  discarded(0, 'repeated')
  meter().createUpDownCounter('weir.test.open').add(-2)
  meter()
    .createObservableGauge('weir.test.level')
    .addCallback(result => result.observe(5))
  const points = (await collectMetrics()).map(({ name, type, points }) => [name, type, points.map(({ value }) => value)])
  t.deepEqual(points, [
    ['weir.component.records.received', 'counter', [7]],
    ['weir.test.open', 'gauge', [-2]],
    ['weir.test.level', 'gauge', [5]],
  ])
})
