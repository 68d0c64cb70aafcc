import test from 'ava'
import fc from 'fast-check'
import type { Labels, Point } from '../../../collectors/samples/point.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { published } from '../hubble/running.ts'
import { startCollecting, target } from './collecting.ts'

const seconds = (count: number) => (1_790_000_000 + count) * 1e6
const counter = (time: number, value: number, series = 'a'): Point => ({
  metric: 'hits_total',
  type: 'counter',
  labels: [['series', series]],
  time: seconds(time),
  value,
})

test('a point becomes a sample with its labels and what its series grew by', async t => {
  await using opened = await openTestBus()
  await using collecting = await startCollecting(opened.bus)
  await collecting.take([counter(0, 5)])
  await collecting.take([{ ...counter(15, 8), unit: '{hit}' }])
  await collecting.flush()
  const rows = await published(opened.bus, 'sample')
  t.is(rows.length, 2)
  t.like(rows[1], { metric: 'hits_total', type: 'counter', source: 'test', reporter: 'proxy', cluster: 'one', value: 8, delta: 3 })
  t.like(rows[1], { time: seconds(15), since: seconds(0), labels: { series: 'a' } })
  t.is(rows[0].series, rows[1].series)
})

test('the order of labels makes no other series, and neither does their array', async t => {
  await using opened = await openTestBus()
  await using collecting = await startCollecting(opened.bus)
  const labelled = (labels: Labels, time: number, value: number): Point => ({ ...counter(time, value), labels })
  const one: Labels = [['a', '1'], ['b', '2']] // prettier-ignore
  await collecting.take([labelled(one, 0, 1), labelled(one, 1, 2), labelled([['b', '2'], ['a', '1']], 2, 4)]) // prettier-ignore
  // The same array, of another target and another metric.
  await collecting.take([labelled(one, 3, 100)], { reporter: 'other', cluster: 'one' })
  await collecting.take([{ ...labelled(one, 3, 100), metric: 'misses_total' }, labelled(one, 4, 9)])
  await collecting.flush()
  const rows = await published(opened.bus, 'sample')
  t.deepEqual(
    rows.map(({ delta }) => delta),
    [0, 1, 2, 0, 0, 5],
  )
  t.is(new Set(rows.map(({ series }) => series)).size, 3)
})

test('what is not kept is counted with its reason', async t => {
  await using opened = await openTestBus()
  await using collecting = await startCollecting(opened.bus, {
    deny: ['go_*'],
    max_series: 2,
    max_labels: 3,
    max_label_length: 20,
    max_buckets: 2,
    max_series_length: 50,
  })
  const { taker, discarded } = collecting
  const bad: Point[] = [
    counter(10, 1),
    counter(10, 1),
    counter(9, 1),
    counter(11, NaN),
    counter(11, -1),
    counter(11, Infinity),
    { ...counter(11, 1), metric: 'go_gc' },
    { ...counter(11, 1), labels: [['x', 'y'.repeat(21)]] },
    { ...counter(11, 1), metric: 'x'.repeat(21) },
    { ...counter(11, 1), labels: Array.from({ length: 3 }, (_, i) => [`l${i}`, 'y'.repeat(18)] as const) },
    { ...counter(11, 1), labels: Array.from({ length: 4 }, (_, i) => [`l${i}`, ''] as const) },
    { ...counter(11, 1), type: 'histogram', histogram: { sum: 1, bounds: [1, 2, 3], counts: [1, 0, 0] } },
    { ...counter(11, 1), type: 'histogram', histogram: { sum: 1, bounds: [1, 2], counts: [1] } },
    counter(11, 1, 'b'),
    counter(11, 1, 'c'),
    counter(11, 2, 'b'),
  ]
  for (const point of bad) taker.take(point, target)
  await taker.ready()
  t.deepEqual(Object.fromEntries(discarded), { repeated: 2, out_of_order: 1, no_value: 4, not_wanted: 1, over_limit: 6 })
  await collecting.flush()
  t.is((await published(opened.bus, 'sample')).length, 2)
})

test('a series that was idle is forgotten, and makes room', async t => {
  await using opened = await openTestBus()
  let now = Date.now()
  await using collecting = await startCollecting(opened.bus, { max_series: 1, idle_seconds: 60, now: () => now })
  await collecting.take([counter(0, 1, 'a'), counter(0, 1, 'b')])
  t.is(collecting.discarded.get('over_limit'), 1)
  now += 61_000
  await collecting.take([counter(61, 1, 'b')])
  t.is(collecting.discarded.get('over_limit'), 1)
})

test('more points than a block has rows may be handed on at once', async t => {
  await using opened = await openTestBus()
  await using collecting = await startCollecting(opened.bus, { rowsPerBlock: 16 })
  for (let time = 0; time < 10; time++) await collecting.take(Array.from({ length: 100 }, (_, i) => counter(time, time * (i + 1), `${i}`)))
  await collecting.flush()
  const rows = await published(opened.bus, 'sample')
  t.is(rows.length, 1000)
  t.is(sum(rows), (9 * 100 * 101) / 2)
})

const sum = (rows: Record<string, unknown>[]) => rows.reduce((all, { delta }) => all + Number(delta), 0)

type Event = { kind: 'count'; series: number; by: number } | { kind: 'scrape' | 'reset' | 'restart' | 'kill'; series: number }
const event = (series: number): fc.Arbitrary<Event> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('count' as const), series: fc.nat(series), by: fc.nat(1000) }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('scrape' as const), series: fc.nat(series) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('reset', 'restart', 'kill'), series: fc.nat(series) }) },
  )

let runs = 0

test('what is published adds up to what was counted, whatever was reset or restarted in between', async t => {
  await using opened = await openTestBus()
  await fc.assert(
    fc.asyncProperty(fc.array(event(3), { maxLength: 60, size: 'max' }), async events => {
      const collector = `run-${++runs}`
      const of = { reporter: collector, cluster: '' }
      const options = { collector, rowsPerBlock: 4 }
      let collecting = await startCollecting(opened.bus, options)
      const series = Array.from({ length: 4 }, () => ({ value: 0, seen: false, counted: 0, scraped: 0 }))
      let time = 0
      const scrape = async (i: number) => {
        const { value } = series[i]
        const point = counter(++time, value, `${i}`)
        // Each is sent twice, and the second time is nothing.
        await collecting.take([{ ...point, type: 'histogram', histogram: { sum: value, bounds: [1], counts: [value] } }], of)
        await collecting.take([{ ...point, type: 'histogram' }], of)
        series[i].scraped = value
        series[i].seen = true
      }
      for (const event of events) {
        const one = series[event.series]
        if (event.kind === 'count') {
          one.value += event.by
          if (one.seen) one.counted += event.by
        } else if (event.kind === 'scrape') await scrape(event.series)
        else if (event.kind === 'reset') {
          // What it counted after the last scrape nobody ever saw, and a reset shows in a value below the last.
          await scrape(event.series)
          one.value = 0
          await scrape(event.series)
        } else {
          await collecting.flush()
          // Whether this still reaches the bus is chance, and must make no difference.
          if (event.kind === 'kill' && one.seen) await scrape(event.series)
          await (event.kind === 'kill' ? collecting.kill() : collecting[Symbol.asyncDispose]())
          collecting = await startCollecting(opened.bus, options)
        }
      }
      for (const i of series.keys()) if (series[i].seen) await scrape(i)
      await collecting.flush()
      await collecting[Symbol.asyncDispose]()
      const rows = (await published(opened.bus, 'sample')).filter(({ reporter }) => reporter === collector)
      for (const [i, { seen, counted }] of series.entries()) {
        const own = rows.filter(({ labels }) => (labels as Record<string, string>).series === `${i}`)
        t.is(sum(own), seen ? counted : 0)
      }
    }),
    { numRuns: 30 },
  )
})

/** A bus that takes nothing any more once its connection is cut. */
function breakable(bus: Bus) {
  let isCut = false
  const publish: Bus['publish'] = (...given) => (isCut ? Promise.reject(new Error('cut')) : bus.publish(...given))
  return { bus: { ...bus, publish }, cut: () => void (isCut = true) }
}

const requests = (time: number, value: number, series: number): Point => ({
  ...counter(time, value),
  metric: 'istio_requests_total',
  labels: [['reporter', 'source'], ['source_workload', `${series}`]], // prettier-ignore
})

test('requests made of samples tell the same as those once counters have grown again, also where a collector was killed between the two', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(event(2), { maxLength: 60, size: 'max' }), async events => {
      await using opened = await openTestBus()
      const collector = `run-${++runs}`
      const of = { reporter: collector, cluster: '' }
      const options = { collector, rowsPerBlock: 4 }
      const start = async () => {
        const { bus, cut } = breakable(opened.bus)
        return { cut, collecting: await startCollecting(bus, options) }
      }
      let { cut, collecting } = await start()
      const values = [0, 0, 0]
      let time = 0
      for (const event of events) {
        if (event.kind === 'count') values[event.series] += event.by
        else if (event.kind === 'scrape') await collecting.take([requests(++time, values[event.series], event.series)], of)
        else if (event.kind === 'reset') values[event.series] = 0
        else {
          cut()
          await collecting.kill()
          ;({ cut, collecting } = await start()) // prettier-ignore
        }
      }
      // What a request told, no sample did and a reset hides is made up for by what comes next.
      await collecting.take(values.map((value, series) => requests(++time, value, series)), of) // prettier-ignore
      await collecting.take(values.map((value, series) => requests(++time, value + 1e6, series)), of) // prettier-ignore
      await collecting.flush()
      await collecting[Symbol.asyncDispose]()
      const [samples, made] = await Promise.all((['sample', 'request'] as const).map(kind => published(opened.bus, kind)))
      for (const series of values.keys()) {
        const own = ({ reporter, src_workload }: Record<string, unknown>) => reporter === collector && src_workload === `${series}`
        t.is(made.filter(own).reduce((all, { weight }) => all + Number(weight), 0), sum(samples.filter(own))) // prettier-ignore
      }
    }),
    { numRuns: 60, endOnFailure: true },
  )
})

test('a collector that starts anew counts what grew while it was away, once', async t => {
  await using opened = await openTestBus()
  {
    await using collecting = await startCollecting(opened.bus)
    await collecting.take([counter(0, 10), counter(0, 10, 'reset')])
    await collecting.flush()
    // Whether this still reaches the bus is chance, and must make no difference.
    await collecting.take([counter(15, 12)])
    await collecting.kill()
  }
  await using collecting = await startCollecting(opened.bus)
  await collecting.take([counter(30, 17), counter(30, 4, 'reset'), counter(30, 99, 'new')])
  await collecting.flush()
  const rows = await published(opened.bus, 'sample')
  const of = (series: string) => rows.filter(({ labels }) => (labels as Record<string, string>).series === series)
  t.deepEqual([sum(of('a')), sum(of('reset')), sum(of('new'))], [7, 4, 0])
  t.deepEqual(of('reset').map(({ reset }) => reset), [false, true]) // prettier-ignore
})

test('another collector and another source have series of their own', async t => {
  await using opened = await openTestBus()
  {
    await using collecting = await startCollecting(opened.bus, { collector: 'one' })
    await collecting.take([counter(0, 10)])
    await collecting.flush()
  }
  await using collecting = await startCollecting(opened.bus, { collector: 'two' })
  await collecting.take([counter(15, 12)])
  await collecting.flush()
  t.is(sum(await published(opened.bus, 'sample')), 0)
})
