import test from 'ava'
import fc from 'fast-check'
import { Cumulative } from '../../../collectors/otlp/cumulative.ts'
import { readPoint } from '../../../collectors/otlp/data-point.ts'
import { Growth } from '../../../collectors/otlp/growth.ts'
import { encodeJson } from '../../../collectors/otlp/json.ts'
import { LogTaker } from '../../../collectors/otlp/logs.ts'
import { MetricTaker } from '../../../collectors/otlp/metrics.ts'
import { defaultLimits } from '../../../collectors/otlp/options.ts'
import { shapes } from '../../../collectors/otlp/shapes.ts'
import type { Point, Target } from '../../../collectors/samples/point.ts'
import { UndecodableError } from '../../../collectors/protobuf/cursor.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { published } from '../hubble/running.ts'
import { collecting, fixture, framed } from './collecting.ts'
import { MetricsRequest, attributes, encoded } from './proto.ts'

const common = { limits: defaultLimits, cluster: 'home', source: 'otlp' }
const now = Date.now() * 1000
const nanos = (micros: number) => String(BigInt(micros) * 1000n)
const second = 1_000_000

interface Taken {
  points: Point[]
  targets: Target[]
  flows: Record<string, unknown>[]
  discarded: Record<string, number>
  received: Record<string, number>
}

/** What a taker makes of these exports, one after the other. */
async function taken(exports: readonly Buffer[]): Promise<Taken> {
  await using running = await openTestBus()
  await using to = collecting(running.bus)
  const [points, targets]: [Point[], Target[]] = [[], []]
  const keep = { take: (point: Point, target: Target) => void (points.push(point), targets.push(target)), ready: async () => {} }
  const taker = new MetricTaker({ ...common, points: keep }, to.context)
  for (const bytes of exports) await taker.take(bytes, 'peer')
  await to.context.outbox.flush()
  const flows = await published(running.bus, 'flow')
  return { points, targets, flows, discarded: Object.fromEntries(to.discarded), received: Object.fromEntries(to.received) }
}

const resource = { 'service.name': 'shop', 'telemetry.sdk.name': 'otel', 'k8s.pod.name': 'shop-1', 'k8s.namespace.name': 'prod' }
const exportOf = (...metrics: object[]) =>
  encoded(MetricsRequest, { resourceMetrics: [{ resource: { attributes: attributes(resource) }, scopeMetrics: [{ metrics }] }] })
const labels = [
  ['service.name', 'shop'],
  ['k8s.pod.name', 'shop-1'],
  ['k8s.namespace.name', 'prod'],
]
const times = { startTimeUnixNano: nanos(now - 60 * second), timeUnixNano: nanos(now) }

test('sums that grow are counters, other numbers gauges, with who was measured', async t => {
  const { points, targets, received } = await taken([
    exportOf(
      {
        name: 'requests',
        unit: '1',
        sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [{ ...times, asInt: 7, attributes: attributes({ code: 200 }) }] },
      },
      { name: 'queue', sum: { aggregationTemporality: 2, dataPoints: [{ ...times, asInt: -2 }] } },
      {
        name: 'heat',
        gauge: {
          dataPoints: [
            { timeUnixNano: nanos(now), asDouble: 36.6 },
            { timeUnixNano: nanos(now), flags: 1 },
          ],
        },
      },
    ),
  ])
  t.deepEqual(points, [
    { metric: 'requests', type: 'counter', value: 7, unit: '1', labels: [...labels, ['code', '200']], time: now, began: now - 60 * second },
    { metric: 'queue', type: 'gauge', value: -2, unit: undefined, labels, time: now, began: now - 60 * second },
    { metric: 'heat', type: 'gauge', value: 36.6, unit: undefined, labels, time: now, began: undefined },
  ] as unknown as Point[])
  t.deepEqual(targets[0], { reporter: 'prod/shop-1', cluster: 'home' })
  t.deepEqual(received, { point: 4 })
})

test('histograms have their buckets, the last without an end', async t => {
  const point = { ...times, count: 6, sum: 9.5, bucketCounts: [1, 2, 3], explicitBounds: [0.5, 1] }
  const { points } = await taken([exportOf({ name: 'latency', unit: 's', histogram: { aggregationTemporality: 2, dataPoints: [point] } })])
  t.like(points[0], { type: 'histogram', value: 6, histogram: { sum: 9.5, bounds: [0.5, 1, Infinity], counts: [1, 2, 3] } })
})

test('an exponential histogram has the same bounds whatever its scale, and every observation in one of its buckets', async t => {
  const shapes = [
    { scale: 0, zeroCount: 1, positive: { offset: 1, bucketCounts: [0, 2] }, count: 3, sum: 10 },
    {
      scale: 3,
      zeroCount: 0,
      positive: { offset: -4, bucketCounts: [1, 1, 1, 1, 1] },
      count: 7,
      sum: 1,
      negative: { offset: 0, bucketCounts: [2] },
    },
    { scale: -10, zeroCount: 0, positive: { offset: 0, bucketCounts: [4] }, count: 4, sum: 1e300 },
  ]
  const dataPoints = shapes.map((shape, i) => ({ ...times, ...shape, attributes: attributes({ i }) }))
  const { points } = await taken([exportOf({ name: 'x', exponentialHistogram: { aggregationTemporality: 2, dataPoints } })])
  const histograms = points.map(({ histogram }) => histogram!)
  for (const [i, { bounds, counts }] of histograms.entries()) {
    t.deepEqual(bounds, histograms[0].bounds)
    t.is(counts.length, bounds.length)
    t.is(
      counts.reduce((sum, count) => sum + count, 0),
      shapes[i].count,
    )
  }
  // Scale 0, offset 1: the second bucket lies between 4 and 8.
  t.is(histograms[0].counts[histograms[0].bounds.indexOf(8)], 2)
  t.is(histograms[0].counts[0], 1)
  t.is(histograms[2].counts.at(-1), 4)
})

test('a summary is its count, its sum and its quantiles', async t => {
  const point = {
    ...times,
    count: 4,
    sum: 2.5,
    quantileValues: [
      { quantile: 0.5, value: 0.4 },
      { quantile: 0.99, value: 2 },
    ],
  }
  const { points } = await taken([exportOf({ name: 'gc', summary: { dataPoints: [point] } })])
  t.deepEqual(
    points.map(({ metric, type, value, labels: of }) => [metric, type, value, of.at(-1)!.join('=')]),
    [
      ['gc_count', 'counter', 4, 'k8s.namespace.name=prod'],
      ['gc_sum', 'counter', 2.5, 'k8s.namespace.name=prod'],
      ['gc', 'gauge', 0.4, 'quantile=0.5'],
      ['gc', 'gauge', 2, 'quantile=0.99'],
    ],
  )
})

test('points that tell what grew are added up from the beginning of the first, and counted once', async t => {
  const delta = (from: number, to: number, value: number) =>
    exportOf({
      name: 'requests',
      sum: {
        aggregationTemporality: 1,
        isMonotonic: true,
        dataPoints: [{ startTimeUnixNano: nanos(now + from * second), timeUnixNano: nanos(now + to * second), asInt: value }],
      },
    })
  const { points, discarded } = await taken([delta(0, 10, 5), delta(10, 20, 3), delta(10, 20, 3), delta(20, 30, 4)])
  t.deepEqual(
    points.map(({ value, began, time }) => [value, began! - now, time - now]),
    [
      [5, 0, 10 * second],
      [8, 0, 20 * second],
      [12, 0, 30 * second],
    ],
  )
  t.deepEqual(discarded, { repeated: 1 })
  t.is(points[0].labels, points[1].labels)
})

test('the buckets of histograms that tell what grew are added up too', async t => {
  const delta = (to: number, counts: number[], bounds: number[]) =>
    exportOf({
      name: 'latency',
      histogram: {
        aggregationTemporality: 1,
        dataPoints: [{ timeUnixNano: nanos(now + to * second), count: 3, sum: 1, bucketCounts: counts, explicitBounds: bounds }],
      },
    })
  const { points } = await taken([delta(1, [1, 2], [5]), delta(2, [3, 0], [5]), delta(3, [1, 1, 1], [5, 6])])
  t.deepEqual(
    points.map(({ value, histogram }) => [value, histogram!.sum, histogram!.counts]),
    [
      [3, 1, [1, 2]],
      [6, 2, [4, 2]],
      [3, 1, [1, 1, 1]],
    ],
  )
})

test('bytes between two ends, as OBI and Beyla count them, are flows of what grew', async t => {
  const ends = {
    'src.address': '10.0.0.245',
    'src.port': '35796',
    'dst.address': '10.96.18.232',
    'dst.port': '80',
    'k8s.src.name': 'client-6d87-v7',
    'k8s.src.namespace': 'default',
    'k8s.src.owner.name': 'client',
    'k8s.src.owner.type': 'Deployment',
    'k8s.src.type': 'Pod',
    'k8s.src.node.name': 'kind-1',
    'k8s.dst.name': 'http-service',
    'k8s.dst.namespace': 'default',
    'k8s.dst.owner.name': 'http-service',
    'k8s.dst.owner.type': 'Service',
    'k8s.dst.type': 'Service',
    direction: 'request',
    'iface.direction': 'egress',
    transport: 'TCP',
    'obi.ip': '172.18.0.2',
  }
  const total = (name: string, value: number, at: number, began: number, more = {}) =>
    exportOf({
      name,
      unit: 'By',
      sum: {
        aggregationTemporality: 2,
        isMonotonic: true,
        dataPoints: [
          {
            startTimeUnixNano: nanos(began),
            timeUnixNano: nanos(now + at * second),
            asInt: value,
            attributes: attributes({ ...ends, ...more }),
          },
        ],
      },
    })
  const [old, young] = [now - 3600 * second, now + 3600 * second]
  const { flows, discarded, points } = await taken([
    // Began long before: from the second point on.
    total('obi.network.flow.bytes', 1000, 10, old),
    total('obi.network.flow.bytes', 1500, 20, old),
    total('obi.network.flow.bytes', 1500, 25, old),
    // The agent was started anew.
    total('obi.network.flow.bytes', 200, 30, now + 26 * second),
    // Began while we listened.
    total('beyla.network.flow.bytes', 70, 3610, young, { 'dst.port': '81' }),
  ])
  t.is(points.length, 0)
  t.deepEqual(discarded, { interim: 1 })
  t.deepEqual(
    flows.map(({ bytes, dst_port, duration }) => [bytes, dst_port, duration]),
    [
      [500, 80, 10e9],
      [200, 80, 4e9],
      [70, 81, 10e9],
    ],
  )
  t.like(flows[0], {
    source: 'otlp',
    reporter: '172.18.0.2',
    reporter_kind: 'node',
    cluster: 'home',
    layer: 'kernel',
    direction: 'egress',
    is_reply: 'no',
    protocol: 'tcp',
    src_address: '10.0.0.245',
    src_pod: 'client-6d87-v7',
    src_workload: 'client',
    src_workload_kind: 'Deployment',
    src_node: 'kind-1',
    dst_address: '10.96.18.232',
    dst_service: 'default/http-service',
    dst_workload: '',
    dst_pod: '',
  })
})

test('the examples of opentelemetry-proto: four metrics', async t => {
  const body = fixture('otlp/otel-proto-examples/metrics.json')
  if (!body) {
    t.log('skipped: no fixtures')
    return t.pass()
  }
  const { points } = await taken([encodeJson(body, shapes.get('ExportMetricsServiceRequest')!)])
  t.deepEqual(
    points.map(({ metric, type, value }) => [metric, type, value]),
    [
      ['my.counter', 'counter', 5],
      ['my.gauge', 'gauge', 10],
      ['my.histogram', 'histogram', 2],
      ['my.exponential.histogram', 'histogram', 3],
    ],
  )
})

test('Envoy 1.40: every point protobufjs finds, with its value', async t => {
  const bytes = fixture('envoy-rig/single/otlp_metrics.bin.gz')
  if (!bytes) {
    t.log('skipped: no fixtures')
    return t.pass()
  }
  const exports = framed(bytes)
  const { points, received, discarded } = await taken(exports)
  const expected = exports.flatMap(referencePoints)
  t.deepEqual(
    points.map(({ metric, value, time }) => [metric, value, time]),
    expected,
  )
  t.deepEqual(received, { point: expected.length })
  t.deepEqual(discarded, {})
  t.true(expected.length > 1000)
})

/** Name, value or count, and time of each point, found the slow way. */
function referencePoints(bytes: Buffer): [string, number, number][] {
  // eslint-disable-next-line typescript/no-explicit-any
  const plain: any = MetricsRequest.toObject(MetricsRequest.decode(bytes), { longs: String, arrays: true })
  const found: [string, number, number][] = []
  for (const { scopeMetrics } of plain.resourceMetrics)
    for (const { metrics } of scopeMetrics)
      for (const metric of metrics)
        for (const point of (metric.gauge ?? metric.sum ?? metric.histogram).dataPoints)
          found.push([metric.name, Number(point.asInt ?? point.asDouble ?? point.count), Number(BigInt(point.timeUnixNano) / 1000n)])
  return found
}

test('broken metrics and logs throw nothing but UndecodableError', async t => {
  await using running = await openTestBus()
  await using to = collecting(running.bus)
  const takers = [new MetricTaker({ ...common, points: undefined }, to.context), new LogTaker({ ...common, lines: undefined }, to.context)]
  const whole = exportOf(
    { name: 'a', histogram: { dataPoints: [{ ...times, count: 6, sum: 9.5, bucketCounts: [1, 2, 3], explicitBounds: [0.5, 1] }] } },
    { name: 'b', exponentialHistogram: { dataPoints: [{ ...times, scale: 3, positive: { offset: 1, bucketCounts: [1, 2] } }] } },
    { name: 'c', summary: { dataPoints: [{ ...times, quantileValues: [{ quantile: 0.5, value: 1 }] }] } },
  )
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(changes, fc.nat(), fc.constantFrom(...takers), async (changed, cut, taker) => {
      const bytes = Buffer.from(whole)
      for (const [at, byte] of changed) bytes[at % bytes.length] = byte
      for (const body of [bytes, bytes.subarray(0, cut % bytes.length)])
        await taker.take(body, 'peer').catch(error => t.true(error instanceof UndecodableError, String(error.stack)))
    }),
    { numRuns: 1500 },
  )
})

test('series that are not heard for long give way, and nothing is counted twice or left out', t => {
  const cumulative = new Cumulative(2)
  const point = (time: number, value: number) => ({ ...readPoint(Buffer.alloc(0), 0, 0, 'number'), began: time - 10, time, value })
  const heard: [series: string, time: number, value: number, whole: number, began: number][] = [
    ['a', 20, 1, 1, 10],
    ['b', 20, 2, 2, 10],
    ['a', 30, 3, 4, 10],
    ['c', 30, 4, 4, 20],
    ['b', 30, 5, 5, 20],
    ['c', 40, 1, 5, 20],
  ]
  for (const [series, time, value, whole, began] of heard) t.like(cumulative.add(series, point(time, value)), { value: whole, began, time })
  const growth = new Growth(100, 1)
  t.deepEqual(growth.of('a', { began: 100, time: 110, value: 5 }), { grew: 5, since: 100 })
  t.deepEqual(growth.of('a', { began: 100, time: 120, value: 8 }), { grew: 3, since: 110 })
  t.is(growth.of('a', { began: 100, time: 120, value: 8 }), undefined)
  t.deepEqual(growth.of('b', { began: 0, time: 120, value: 8 }), undefined)
  t.deepEqual(growth.of('b', { began: 0, time: 130, value: 2 }), { grew: 2, since: 120 })
})
