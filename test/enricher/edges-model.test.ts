import test from 'ava'
import fc from 'fast-check'
import { makeSpanEdges } from '../../enricher/edges/edges.ts'
import { hasClickHouse, openTestDatabase, quietLog } from '../helpers/clickhouse.ts'
import { store } from '../query-api/records.ts'

const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 3_600_000

interface Span {
  id: number
  parent: number
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer'
  service: string
  weight: number
  links: number[]
}

const kind = fc.constantFrom<Span['kind']>('internal', 'server', 'client', 'client', 'server', 'producer', 'consumer')
const drawn = fc.record({
  kind,
  service: fc.constantFrom('a', 'b', 'c'),
  weight: fc.constantFrom(1, 2, 4),
  /** Which of the spans before it is its parent, or one that nobody sent. */
  parent: fc.nat(8),
  links: fc.array(fc.nat(5), { maxLength: 2 }),
  /** A server that has the id of its client. */
  shares: fc.boolean(),
})

/** A trace; parents come before their children. */
const trace = fc.array(drawn, { minLength: 1, maxLength: 7 }).map(list => {
  const spans: Span[] = []
  for (const [at, { parent, shares, links, ...span }] of list.entries()) {
    const cause = spans[parent]
    const isHalf = shares && span.kind === 'server' && cause?.kind === 'client' && !spans.some(one => one !== cause && one.id === cause.id)
    const linked = span.kind === 'consumer' ? [...new Set(links.flatMap(link => spans[link]?.id ?? []))] : []
    spans.push({
      ...span,
      links: linked,
      id: isHalf ? cause.id : at + 1,
      parent: isHalf ? cause.parent : (cause?.id ?? (parent % 2 ? 0 : 99)),
    })
  }
  return spans
})

const calls = ({ kind }: Span) => kind === 'client' || kind === 'producer'
const serves = ({ kind }: Span) => kind === 'server' || kind === 'consumer'

/** What the edges of a trace are, said as simply as can be. */
function edgesOf(spans: readonly Span[]): string[] {
  const touched = new Set<Span>()
  const edges = spans.filter(serves).flatMap(callee => {
    const isCaller = (one: Span) => calls(one) || one.service !== callee.service
    const having = (id: number) => spans.filter(one => one.id === id)
    const sharing = callee.kind === 'server' ? having(callee.id).filter(one => one.kind === 'client') : []
    const above = having(callee.parent).some(serves) ? having(callee.parent).filter(serves) : having(callee.parent)
    const others = new Set([...above, ...callee.links.flatMap(having)].filter(isCaller))
    const callers = sharing.length ? sharing : [...others]
    for (const caller of [...sharing, ...others]) touched.add(caller)
    if (callers.length) return callers.map(one => `both ${one.service} ${callee.service} ${Math.min(one.weight, callee.weight)}`)
    return above.length ? [] : [`server_only  ${callee.service} ${callee.weight}`]
  })
  const contains = ({ id }: Span) => spans.some(one => calls(one) && one.parent === id)
  const alone = spans.filter(one => calls(one) && !touched.has(one) && !contains(one))
  return [...edges, ...alone.map(one => `client_only ${one.service}  ${one.weight}`)]
}

/** The same edges added up. */
function addedUp(edges: readonly string[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const edge of edges) {
    const [, key, weight] = /^(.*) (\d+)$/.exec(edge)!
    sums[key] = (sums[key] ?? 0) + Number(weight)
  }
  return sums
}

test('edges of any trace are what a simple reading of it says', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  const traces = fc.sample(trace, { numRuns: 600, seed: 11 })
  const hex = (number: number) => number.toString(16).padStart(16, '0')
  const id = (number: number) => hex(number).padStart(32, '0')
  const records = traces.flatMap((spans, number) =>
    spans.map(({ id: span, parent, links, service, ...rest }) => ({
      ...rest,
      time: (hour + 10_000 + number) * 1000,
      // Services of their own, so that the edges of traces do not mix.
      service_name: `${service}${number}`,
      trace_id: id(number),
      span_id: hex(span),
      parent_span_id: parent ? hex(parent) : '',
      links: links.map(link => `${id(number)}/${hex(link)}`),
    })),
  )
  await store(clickhouse, 'span', records)
  const bus = { lag: async () => [] }
  await makeSpanEdges({ reader: clickhouse, inserter: clickhouse, bus, group: 'enricher', log: quietLog, now: () => hour + 3_000_000 })
  const { rows } = await clickhouse.query<{ trace: number; edge: string; calls: number }>(
    `SELECT toUInt32(extract(concat(src_name, dst_name), '[0-9]+')) AS trace,
      concat(paired, ' ', extract(src_name, '[a-z]'), ' ', extract(dst_name, '[a-z]')) AS edge, sum(calls) AS calls FROM span_edge GROUP BY trace, edge`,
  )
  const found = Map.groupBy(rows, row => row.trace)
  for (const [number, spans] of traces.entries()) {
    const edges = Object.fromEntries((found.get(number) ?? []).map(({ edge, calls }) => [edge, calls]))
    t.deepEqual(edges, addedUp(edgesOf(spans)), JSON.stringify(spans))
  }
})
