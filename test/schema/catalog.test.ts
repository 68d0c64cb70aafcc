import test from 'ava'
import { catalog, dimensionsOf } from '../../schema/catalog.ts'
import { metrics } from '../../schema/metric.ts'
import { type Ranking, edgeFields, rankings, viewFields } from '../../schema/ranking.ts'
import { type RecordKind, kinds } from '../../schema/record.ts'

const promised = [
  'records',
  'flows',
  'bytes',
  'packets',
  'drops',
  'denials',
  'requests',
  'errors',
  'error_ratio',
  'increase',
  'histogram_p50',
  'histogram_p95',
  'histogram_p99',
  'latency_p50',
  'latency_p95',
  'latency_p99',
  'connections',
  'sent',
  'received',
  'lost',
  'spans',
  'span_errors',
  'span_p50',
  'span_p95',
  'span_p99',
]

test('every metric people meet first is there', t => t.deepEqual([...metrics.keys()].sort(), promised.toSorted()))

test('every field of every kind is a dimension, under its own name', t => {
  for (const [name, kind] of Object.entries(kinds))
    t.deepEqual(
      dimensionsOf(name as keyof typeof kinds).map(({ name }) => name),
      Object.keys(kind.fields),
    )
})

test('a metric reads only measures its kind has', t => {
  for (const { name, kinds: of, calculation } of metrics.values()) {
    const measures = (kinds[of[0]] as RecordKind).measures ?? {}
    const read =
      'sum' in calculation
        ? [calculation.sum]
        : 'ratio' in calculation
          ? calculation.ratio
          : 'quantile' in calculation
            ? [calculation.of]
            : []
    for (const measure of read) t.true(measure in measures, `${name} reads ${measure}`)
  }
})

test('what tells views and edges apart is in the rollups, so they count like the records', t => {
  for (const kind of ['flow', 'request'] as const) {
    const fields: RecordKind['fields'] = kinds[kind].fields
    for (const name of ['cluster', ...edgeFields[kind], ...viewFields[kind]]) t.true(fields[name]?.rollup, `${kind}.${name}`)
  }
})

test('the patterns of a ranking name fields of views, and values these can have', t => {
  for (const [name, ranking] of Object.entries<Ranking>(rankings)) {
    const { fields }: RecordKind = kinds[ranking.kind]
    for (const [field, values] of ranking.order.flatMap(pattern => Object.entries(pattern))) {
      t.true((viewFields[ranking.kind as 'flow'] as readonly string[]).includes(field), `${name} ranks by ${field}`)
      for (const value of values) t.true(fields[field].values?.includes(value), `${name}: ${field} is never ${value}`)
    }
  }
})

test('the description of every counted metric says how it is counted once', t => {
  for (const { name, about, calculation } of metrics.values())
    if ('ranking' in calculation && calculation.ranking) t.regex(about, /[Cc]ounted once/, name)
})

test('the catalogue says of every dimension whether rollups can answer', t => {
  const { dimensions } = catalog()
  const find = (name: string) => dimensions.find(dimension => dimension.kind === 'flow' && dimension.name === name)
  t.like(find('src_workload'), { rollup: true, cardinality: 'low', groupable: true })
  t.like(find('src_pod'), { rollup: false, cardinality: 'medium' })
  t.like(find('src_address'), { rollup: false, cardinality: 'high' })
  t.like(find('verdict'), { cardinality: 'low' })
  t.like(find('time'), { groupable: false })
})

test('the catalogue says of which dimensions only so many texts are told apart', t => {
  const distinct = (kind: string, name: string) =>
    catalog().dimensions.find(dimension => dimension.kind === kind && dimension.name === name)?.distinct
  t.is(distinct('request', 'method'), 1_000)
  t.is(distinct('span', 'name'), 10_000)
  t.is(distinct('flow', 'src_workload'), undefined)
})
