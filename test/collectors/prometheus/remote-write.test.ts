import test from 'ava'
import fc from 'fast-check'
import { compress } from 'snappyjs'
import type protobuf from 'protobufjs'
import { type RemoteWriteOptions, messageOf, remoteWriteSource } from '../../../collectors/prometheus/remote-write.ts'
import { RemoteStore } from '../../../collectors/prometheus/remote-series.ts'
import { Request2Reader } from '../../../collectors/prometheus/write-request-2.ts'
import { readWriteRequest } from '../../../collectors/prometheus/write-request.ts'
import { UndecodableError } from '../../../collectors/protobuf/cursor.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { deadLetters, start } from '../hubble/running.ts'
import { encode, requestType, writeRequestType } from './protos.ts'
import { collectPoints } from './running.ts'

const time = 1_700_000_000_000
const stale = Buffer.from('020000000000f07f', 'hex').readDoubleLE()

interface Sample {
  value: number
  timestamp: number
}
interface Series {
  labels: Record<string, string>
  samples?: Sample[]
  histograms?: object[]
  type?: number
  unit?: string
}

const version1 = (all: Series[], metadata: object[] = []): [protobuf.Type, object] => [
  writeRequestType,
  {
    timeseries: all.map(({ labels, samples, histograms }) => ({
      labels: Object.entries(labels).map(([name, value]) => ({ name, value })),
      samples,
      histograms,
    })),
    metadata,
  },
]

function version2(all: (Series & { samples?: (Sample & { start_timestamp?: number })[] })[]): [protobuf.Type, object] {
  const symbols = ['']
  const ref = (text: string) => (symbols.includes(text) ? symbols.indexOf(text) : symbols.push(text) - 1)
  const timeseries = all.map(({ labels, samples, histograms, type = 0, unit = '' }) => ({
    labels_refs: Object.entries(labels).flat().map(ref),
    samples,
    histograms,
    metadata: { type, unit_ref: ref(unit) },
  }))
  return [requestType, { symbols, timeseries }]
}

const contentTypes = new Map([
  [writeRequestType, 'application/x-protobuf'],
  [requestType, 'application/x-protobuf;proto=io.prometheus.write.v2.Request'],
])

async function run(options: RemoteWriteOptions = {}, bus?: Bus) {
  const own = bus ? undefined : await openTestBus()
  const { taken, openTaker } = collectPoints()
  const running = start(remoteWriteSource(openTaker), { port: 0, ...options }, bus ?? own!.bus)
  const status = await until('it to listen', () => running.statuses.at(-1))
  const url = `http://127.0.0.1:${(status.detail as { port: number }).port}/api/v1/write`
  const post = (body: Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(url, { method: 'POST', body, headers: { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf', ...headers } })
  return {
    taken,
    running,
    post,
    bus: own?.bus,
    write: ([type, message]: [protobuf.Type, object]) => post(compress(encode(type, message)), { 'content-type': contentTypes.get(type)! }),
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await own?.[Symbol.asyncDispose]()
    },
  }
}

const labels = { __name__: 'requests_total', job: 'envoy', instance: '10.0.0.7:15020', cluster: 'east', code: '200' }
const samples = [
  { value: 5, timestamp: time },
  { value: 7, timestamp: time + 1000 },
]
const expected = {
  metric: 'requests_total',
  type: 'counter',
  labels: [
    ['cluster', 'east'],
    ['code', '200'],
    ['instance', '10.0.0.7:15020'],
    ['job', 'envoy'],
  ],
  target: { reporter: '10.0.0.7:15020', cluster: 'east' },
}

for (const [version, request] of Object.entries({
  '1.0': version1([{ labels, samples }]),
  '2.0': version2([{ labels, samples, type: 1 }]),
}))
  test(`remote write ${version}: samples become points, and are answered 204`, async t => {
    await using receiver = await run()
    const response = await receiver.write(request)
    t.is(response.status, 204)
    t.is(response.headers.get('x-prometheus-remote-write-samples-written'), version === '2.0' ? '2' : null)
    t.deepEqual(
      receiver.taken.map(point => ({ ...point, labels: point.labels.map(pair => [...pair]) })),
      samples.map(({ value, timestamp }) => ({ ...expected, value, time: timestamp * 1000 })) as never,
    )
    await receiver.write(request)
    t.is(receiver.taken[2].labels, receiver.taken[0].labels)
  })

test('remote write 2.0 answers how much was written, and reads types, units and when series began', async t => {
  await using receiver = await run()
  const histograms = [
    {
      count_int: 3,
      sum: 2,
      schema: 0,
      zero_threshold: 0.5,
      zero_count_int: 1,
      positive_spans: [{ offset: 1, length: 1 }],
      positive_deltas: [2],
      timestamp: time,
      start_timestamp: time - 500,
    },
  ]
  const response = await receiver.write(
    version2([
      {
        labels: { __name__: 'sent', x: '1' },
        samples: [{ value: 1, timestamp: time, start_timestamp: time - 1000 }],
        type: 1,
        unit: 'bytes',
      },
      { labels: { __name__: 'load' }, samples: [{ value: 0.5, timestamp: time }], type: 2 },
      { labels: { __name__: 'latency' }, histograms, type: 3 },
    ]),
  )
  t.is(response.status, 204)
  t.deepEqual(
    ['samples', 'histograms', 'exemplars'].map(what => response.headers.get(`x-prometheus-remote-write-${what}-written`)),
    ['2', '1', '0'],
  )
  t.deepEqual(
    receiver.taken.map(
      ({ metric, type, value, time, began, unit, histogram }) =>
        JSON.parse(JSON.stringify({ metric, type, value, time, began, unit, histogram })) as object,
    ),
    [
      { metric: 'sent', type: 'counter', value: 1, time: time * 1000, began: (time - 1000) * 1000, unit: 'bytes' },
      { metric: 'load', type: 'gauge', value: 0.5, time: time * 1000 },
      {
        metric: 'latency',
        type: 'histogram',
        value: 3,
        time: time * 1000,
        began: (time - 500) * 1000,
        histogram: { sum: 2, bounds: [-0.5, 0.5, 1, 2], counts: [0, 1, 0, 2] },
      },
    ],
  )
})

test('native histograms of integers and of floats are points, those of gauges are counted', async t => {
  await using receiver = await run()
  const common = { sum: 2, schema: 0, positive_spans: [{ offset: 1, length: 2 }], timestamp: time }
  await receiver.write(
    version1([
      { labels: { __name__: 'integers' }, histograms: [{ ...common, count_int: 5, positive_deltas: [2, 1] }] },
      { labels: { __name__: 'floats' }, histograms: [{ ...common, count_float: 2.5, positive_counts: [1, 1.5] }] },
      {
        labels: { __name__: 'custom' },
        histograms: [
          {
            ...common,
            schema: -53,
            count_int: 4,
            custom_values: [0.5, 1],
            positive_spans: [{ offset: 0, length: 3 }],
            positive_deltas: [1, 0, 1],
          },
        ],
      },
      { labels: { __name__: 'gauges' }, histograms: [{ ...common, count_int: 5, positive_deltas: [2, 1], reset_hint: 3 }] },
    ]),
  )
  t.deepEqual(
    receiver.taken.map(({ metric, value, histogram }) => [metric, value, histogram?.bounds, histogram?.counts]),
    [
      ['integers', 5, [0, 1, 2, 4], [0, 0, 2, 3]],
      ['floats', 2.5, [0, 1, 2, 4], [0, 0, 1, 1.5]],
      ['custom', 4, [0.5, 1, Infinity], [1, 1, 2]],
    ],
  )
  t.is(receiver.running.discarded.get('unknown_kind'), 1)
})

test('buckets become one histogram, at the latest when the source ends', async t => {
  const receiver = await run({ gather: 600 })
  const bucket = (le: string, value: number): Series => ({
    labels: { __name__: 'h_bucket', le, x: '1' },
    samples: [{ value, timestamp: time }],
  })
  await receiver.write(version1([bucket('1', 2), bucket('+Inf', 3)]))
  const rest = ['sum', 'count'].map((what, i) => ({
    labels: { __name__: `h_${what}`, x: '1' },
    samples: [{ value: i ? 3 : 4.5, timestamp: time }],
  }))
  await receiver.write(version1(rest))
  t.is(receiver.taken.length, 0)
  await receiver[Symbol.asyncDispose]()
  t.deepEqual(
    receiver.taken.map(({ metric, labels, value, histogram }) => ({ metric, labels, value, histogram })),
    [{ metric: 'h', labels: [['x', '1']], value: 3, histogram: { sum: 4.5, bounds: [1, Infinity], counts: [2, 1] } }],
  )
})

test('types that come apart from the samples count', async t => {
  await using receiver = await run()
  await receiver.write(version1([], [{ type: 1, metric_family_name: 'sent', unit: 'bytes' }]))
  await receiver.write(version1([{ labels: { __name__: 'sent' }, samples }]))
  t.deepEqual([receiver.taken[0].type, receiver.taken[0].unit], ['counter', 'bytes'])
})

test('marks that a series ended, and NaN, are no points', async t => {
  await using receiver = await run()
  const response = await receiver.write(
    version1([
      {
        labels,
        samples: [
          { value: stale, timestamp: time },
          { value: NaN, timestamp: time },
        ],
      },
    ]),
  )
  t.deepEqual([response.status, receiver.taken.length, receiver.running.discarded.get('no_value')], [204, 0, 2])
})

test('series that are none are told and counted, and the others of the request are written', async t => {
  await using receiver = await run({ max_written_series: 1 })
  const response = await receiver.write(
    version2([
      { labels, samples },
      { labels: { job: 'x' }, samples },
      { labels: { __name__: 'b' }, samples },
    ]),
  )
  t.is(response.status, 400)
  t.regex(await response.text(), /2 series or histograms were left out, such as: a series without a name/)
  t.is(response.headers.get('x-prometheus-remote-write-samples-written'), '2')
  t.is(receiver.taken.length, 2)
  t.deepEqual(
    [...receiver.running.discarded],
    [
      ['undecodable', 1],
      ['over_limit', 1],
    ],
  )
})

test('what is no remote write is answered as the protocol says', async t => {
  await using receiver = await run({ max_message_bytes: 100_000 })
  const body = compress(encode(...version1([{ labels, samples }])))
  const statusOf = async (bytes: Uint8Array<ArrayBuffer>, headers?: Record<string, string>) => (await receiver.post(bytes, headers)).status
  t.is(await statusOf(body, { 'content-type': 'application/json' }), 415)
  t.is(await statusOf(body, { 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v3.Request' }), 415)
  t.is(await statusOf(body, { 'content-encoding': 'identity' }), 415)
  t.is(await statusOf(Buffer.from('no snappy')), 400)
  t.is(await statusOf(compress(Buffer.from('no protobuf'))), 400)
  t.is(await statusOf(compress(Buffer.alloc(200_000))), 413)
  t.is(await statusOf(body), 204)
  t.deepEqual(
    [...receiver.running.discarded],
    [
      ['undecodable', 2],
      ['too_large', 1],
    ],
  )
  const letters = await until('dead letters', async () => (await deadLetters(receiver.bus!)).length === 2 && deadLetters(receiver.bus!))
  t.is(letters[0].body, 'no snappy')
})

test('the answer waits until the points are durable, and is 503 while nothing can be stored', async t => {
  let ready = Promise.resolve()
  const openTaker = async () => ({ take: () => {}, ready: () => ready })
  const stop = new AbortController()
  let port = 0
  const durable = Promise.withResolvers<void>()
  const nobody = { received: () => {}, sent: () => {}, discarded: () => {} }
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => log }
  const running = remoteWriteSource(openTaker).run(
    { port: 0 },
    {
      outbox: { durable: () => durable.promise } as never,
      signal: stop.signal,
      log,
      instruments: nobody,
      status: ({ detail }) => void ({ port } = detail as { port: number }),
    },
  )
  await until('it to listen', () => port)
  const body = compress(encode(...version1([{ labels, samples }])))
  const headers = { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' }
  const answer = fetch(`http://127.0.0.1:${port}/api/v1/write`, { method: 'POST', body, headers })
  t.is(await Promise.race([answer, new Promise(resolve => setTimeout(resolve, 200, 'waits'))]), 'waits')
  durable.resolve()
  t.is((await answer).status, 204)
  ready = new Promise(() => {})
  const refused = await fetch(`http://127.0.0.1:${port}/api/v1/write`, { method: 'POST', body, headers })
  t.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5'])
  ready = Promise.resolve()
  stop.abort()
  await running
})

test('messages by their Content-Type', t => {
  t.is(messageOf('application/x-protobuf'), 'prometheus.WriteRequest')
  t.is(messageOf('application/x-protobuf; proto=prometheus.WriteRequest'), 'prometheus.WriteRequest')
  t.is(messageOf('application/x-protobuf;proto=io.prometheus.write.v2.Request;x=y'), 'io.prometheus.write.v2.Request')
  t.is(messageOf('text/plain'), undefined)
  t.is(messageOf(undefined), undefined)
})

const text = fc.string({ minLength: 1, maxLength: 6 })
const anySeries = fc.array(
  fc.record({
    labels: fc
      .dictionary(
        text.filter(name => name !== '__name__'),
        text,
        { maxKeys: 5 },
      )
      .map(labels => ({ ...labels, __name__: 'a' })),
    samples: fc.array(fc.record({ value: fc.double({ noNaN: true }), timestamp: fc.integer({ min: 1, max: 4e12 }) }), { maxLength: 3 }),
  }),
  { maxLength: 8 },
)
const withoutName = (labels: Record<string, string>) => Object.fromEntries(Object.entries(labels).filter(([name]) => name !== '__name__'))
const options = { cluster: '', maxSeries: 1e6, waitMs: 1 }

test('any samples come back as they were written, in both versions', t => {
  const first = new RemoteStore(options)
  const store = new RemoteStore(options)
  const second = new Request2Reader(store)
  fc.assert(
    fc.property(anySeries, all => {
      const wanted = all.flatMap(({ labels, samples }) =>
        samples.map(({ value, timestamp }) => ({ labels: withoutName(labels), value, time: timestamp * 1000 })),
      )
      const read = [readWriteRequest(encode(...version1(all)), first), second.read(encode(...version2(all)))]
      for (const { series, values, times } of read)
        t.deepEqual(
          series.map(({ labels }, i) => ({ labels: Object.fromEntries(labels), value: values[i], time: times[i] })),
          wanted,
        )
    }),
    { numRuns: 200 },
  )
})

test('any bytes give samples or an UndecodableError', t => {
  const store = new RemoteStore(options)
  const second = new Request2Reader(store)
  const attempt = (read: (bytes: Buffer) => unknown, bytes: Buffer) => {
    try {
      read(bytes)
    } catch (error) {
      t.true(error instanceof UndecodableError, String(error))
    }
  }
  const all = [
    { labels, samples },
    { labels: { __name__: 'h' }, histograms: [{ schema: 0, positive_spans: [{ length: 1 }], positive_deltas: [1] }] },
  ]
  const whole = [encode(...version1(all, [{ type: 1, metric_family_name: 'a' }])), encode(...version2(all))]
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(), fc.nat({ max: 255 }), (noise, at, byte) => {
      for (const [i, read] of [(bytes: Buffer) => readWriteRequest(bytes, store), (bytes: Buffer) => second.read(bytes)].entries()) {
        attempt(read, Buffer.from(noise))
        const changed = Buffer.from(whole[i])
        changed[at % changed.length] = byte
        attempt(read, changed)
        attempt(read, changed.subarray(0, at % changed.length))
      }
      t.pass()
    }),
    { numRuns: 2000 },
  )
})
