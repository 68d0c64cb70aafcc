import test from 'ava'
import { type Query, planQuery } from '../../query-api/plan.ts'
import { ask } from '../../query-api/query.ts'
import { type TestDatabase, hasClickHouse, openTestDatabase } from '../helpers/clickhouse.ts'
import { store } from './records.ts'
import { at, now, range } from './traffic.ts'

/** What a histogram of these bounds tells of observations, as the collector stores it: buckets that grew, and the bound below each. */
function observed(values: readonly number[], bounds: readonly number[]) {
  const counts = bounds.map((bound, i) => values.filter(value => value <= bound && (i === 0 || value > bounds[i - 1])).length)
  const kept = bounds.flatMap((_, i) => (counts[i] > 0 || counts[i + 1] > 0 ? [i] : []))
  const buckets = { bounds: kept.map(i => bounds[i]), counts: kept.map(i => counts[i]) }
  return { ...buckets, delta: values.length, sum: values.reduce((all, value) => all + value, 0) }
}

/** histogram_quantile of Prometheus over classic buckets. */
function histogramQuantile(quantile: number, values: readonly number[], bounds: readonly number[]): number {
  const below = bounds.map(bound => values.filter(value => value <= bound).length)
  const rank = quantile * values.length
  const i = below.findIndex(count => count >= rank)
  if (bounds[i] === Infinity) return bounds[i - 1]
  const [start, before] = i === 0 ? [0, 0] : [bounds[i - 1], below[i - 1]]
  return start + ((bounds[i] - start) * (rank - before)) / (below[i] - before)
}

const classic = [1, 5, 10, 25, 50, 100, 250, 500, 1000, Infinity]
/** Of a native histogram of schema 3: each bound 2^(1/8) times the one before. */
const native = Array.from({ length: 100 }, (_, i) => 2 ** ((i - 10) / 8))
const spread = (count: number, from: number, to: number) =>
  Array.from({ length: count }, (_, i) => from + ((to - from) * (i + 0.5)) / count)
const quick = spread(900, 2, 40)
const slow = spread(100, 300, 900)

const sample = { source: 'prometheus', metric: 'latency_ms', type: 'histogram', dst_workload: 'cart' } as const
const metrics = ['histogram_p50', 'histogram_p95', 'histogram_p99', 'increase']
const named = "metric = 'latency_ms'"

let database: TestDatabase
test.before(async t => {
  if (!(await hasClickHouse(t))) return
  database = await openTestDatabase()
  const rows = (cluster: string, points: object[]) =>
    points.map((point, i) => ({ ...sample, ...point, cluster, reporter: `pod-${i}`, series: i, time: at(i * 60) }))
  await store(database.clickhouse, 'sample', [
    // Several pods, several minutes: one is slow.
    ...rows('classic', [observed(quick.slice(0, 450), classic), observed(quick.slice(450), classic), observed(slow, classic)]),
    ...rows('native', [observed(quick.slice(0, 450), native), observed(quick.slice(450), native), observed(slow, native)]),
    ...rows('both', [observed(quick, classic), observed(slow, native)]),
    ...rows('beyond', [observed([2000, 3000], classic)]),
    ...rows('nothing', [{ delta: 3 }]),
    ...rows('two', [observed(quick, classic), { ...observed(slow, classic), metric: 'size_bytes' }]),
  ])
})
test.after.always(() => database?.[Symbol.asyncDispose]())

/** From the rollups, then from the records. */
async function answers(cluster: string, question: Partial<Query> = {}) {
  const where = `cluster = ${cluster}${question.where === undefined ? ` AND ${named}` : question.where}`
  const asked = [where, `${where} AND time >= now-400d`].map(each =>
    ask({ ...range, metrics, ...question, where: each }, { ...database, now }),
  )
  const [rollup, raw] = await Promise.all(asked)
  return { rollup, raw }
}

for (const [cluster, bounds] of [
  ['classic', classic],
  ['native', native],
] as const)
  // prettier-ignore
  test(`quantiles of ${cluster} histograms of several pods are those of all their observations`, async t => {
    if (!database) return t.pass()
    const { rollup, raw } = await answers(cluster)
    t.is(rollup.meta.resolution, 60)
    t.is(raw.meta.resolution, 0)
    const all = [...quick, ...slow]
    const expected = [0.5, 0.95, 0.99].map(quantile => histogramQuantile(quantile, all, bounds))
    for (const { rows } of [rollup, raw]) {
      for (const [i, value] of expected.entries()) t.true(Math.abs(Number(rows[0][i]) - value) < 1e-9, `${rows[0][i]} for ${value}`)
      t.is(rows[0][3], 1000)
    }
    const averaged = (histogramQuantile(0.95, quick, bounds) + histogramQuantile(0.95, slow, bounds)) / 2
    t.true(Math.abs(Number(rollup.rows[0][1]) - averaged) > 100, 'not an average')
    return undefined
  })

test('classic and native histograms merge by their bounds', async t => {
  if (!database) return t.pass()
  const { rollup, raw } = await answers('both')
  t.deepEqual(rollup.rows, raw.rows)
  const [p50, p95] = rollup.rows[0] as number[]
  // A tenth of all is slow, so that the median is of the classic one, and the rest of the native one, which is exact to 9 %.
  t.true(p50 > 10 && p50 <= 25, `${p50}`)
  t.true(Math.abs(p95 - 600) < 0.09 * 600, `${p95}`)
  return undefined
})

test('a quantile in the bucket without an end is its lower bound, and of nothing there is none', async t => {
  if (!database) return t.pass()
  for (const answer of Object.values(await answers('beyond'))) t.deepEqual(answer.rows, [[1000, 1000, 1000, 2]])
  for (const answer of Object.values(await answers('nothing'))) t.deepEqual(answer.rows, [[null, null, null, 3]])
  return undefined
})

test('by metric, over time and compared each quantile is of its own', async t => {
  if (!database) return t.pass()
  for (const { rows } of Object.values(await answers('two', { where: '', by: ['metric'], metrics: ['increase', 'histogram_p50'] })))
    t.deepEqual(rows, [['latency_ms', 900, histogramQuantile(0.5, quick, classic)], ['size_bytes', 100, histogramQuantile(0.5, slow, classic)]]) // prettier-ignore
  const overTime = await answers('classic', { every: 60, metrics: ['histogram_p95'] })
  t.deepEqual(overTime.rollup.rows.map(([, value]) => Number(value) > 100), [false, false, true]) // prettier-ignore
  t.deepEqual(overTime.rollup.rows, overTime.raw.rows)
  const compared = await answers('classic', { compare: 3600, metrics: ['histogram_p50', 'histogram_p95'] })
  t.deepEqual(compared.rollup.rows[0].slice(2), [null, null])
  const top = await answers('classic', { by: ['dst_workload'], top: 1, metrics: ['histogram_p50'] })
  t.is(top.rollup.rows[0][0], 'cart')
  return undefined
})

const mixed: [what: string, question: Partial<Query>, place: string | undefined][] = [
  ['of no metric', {}, 'metrics[0]'],
  ['of one', { where: named }, undefined],
  ['of one and more', { where: `${named} AND src_namespace = shop` }, undefined],
  ['of one of a list', { where: "metric IN ('latency_ms')" }, undefined],
  ['of two', { where: "metric IN ('latency_ms', 'size_bytes')" }, 'metrics[0]'],
  ['of one or anything', { where: `${named} OR src_namespace = shop` }, 'metrics[0]'],
  ['of all but one', { where: `NOT ${named}` }, 'metrics[0]'],
  ['of those alike', { where: "metric LIKE 'latency%'" }, 'metrics[0]'],
  ['by metric', { by: ['metric'] }, undefined],
  ['by metric with a rest', { by: ['metric'], top: 3 }, 'metrics[0]'],
  ['of one with a rest', { where: named, by: ['dst_workload'], top: 3 }, undefined],
]
for (const metric of ['increase', 'histogram_p95'])
  for (const [what, question, place] of mixed)
    test(`${metric} ${what} is ${place ? 'refused, for it would mix metrics' : 'answered'}`, t => {
      const plan = () => planQuery({ metrics: [metric], ...question }, now)
      if (place) t.throws(plan, { name: 'QueryError', message: /^metrics\[0\]: .* would mix values of different metrics: .* expected$/ })
      else t.notThrows(plan)
    })
