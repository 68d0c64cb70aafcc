import test from 'ava'
import { Random } from '../../collectors/demo/random.ts'
import type { Edge, Topology } from '../../query-api/topology.ts'
import { hasClickHouse } from '../helpers/clickhouse.ts'
import type { Row } from '../helpers/mesh/ends.ts'
import { type Truth, makeModes } from '../helpers/mesh/modes.ts'
import { enriched } from '../helpers/mesh/stored.ts'
import { type TestApi, openTestApi } from './api.ts'
import { at, now, range } from './traffic.ts'

const seed = 20_261_122
const all = makeModes(seed, at(120))

const levels = ['workload', 'service'] as const
const tables = { 'from the rollups': '', 'from the records': '&where=time%20%3E%3D%20now-400d' }

let api: TestApi
/** What the map is, by level and where it comes from. */
const maps = new Map<string, Topology>()
test.before(async t => {
  if (!(await hasClickHouse(t))) return
  api = await openTestApi({ now: () => now })
  const objects = [...all.values()].flatMap(({ world }) => world.objects())
  for (const kind of ['flow', 'request', 'span'] as const) {
    const rows = [...all.values()].flatMap(({ reported }) => reported[kind])
    const stored = shuffled(await enriched(kind, rows, objects))
    const half = Math.floor(stored.length / 2)
    for (const part of [stored.slice(0, half), stored.slice(half)]) await api.store(kind, part)
  }
  for (const level of levels)
    for (const [from, where] of Object.entries(tables)) {
      const { status, body } = await api.get<Topology>(`/api/v1/topology?level=${level}&from=${range.from}&to=${range.to}${where}`)
      t.is(status, 200, JSON.stringify(body))
      maps.set(`${level} ${from}`, body)
    }
})
test.after.always(() => api?.[Symbol.asyncDispose]())

/** In no order, so that one end's account comes before the other's or after, in one insert or in two. */
function shuffled(rows: Row[]): Row[] {
  const random = new Random(seed, 1)
  return rows
    .map(row => [random.next(), row] as const)
    .sort(([a], [b]) => a - b)
    .map(([, row]) => row)
}

/** The edges of a mode by `from → to`; two of one name are one too many. */
function edgesOf({ nodes, edges }: Topology, mode: string): Map<string, Edge[]> {
  const known = new Map(nodes.map(node => [node.id, node]))
  const nameOf = (id: string) =>
    known.get(id)!.namespace ? known.get(id)!.name.replace(/^.*\//, '') : known.get(id)!.kind === 'outside' ? 'outside' : id
  const own = edges.filter(({ source, target }) => [source, target].some(id => known.get(id)!.namespace === mode))
  return Map.groupBy(own, ({ source, target }) => `${nameOf(source)} → ${nameOf(target)}`)
}

const close = (a: number, b: number) => Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b))

function differences(edges: Map<string, Edge[]>, truth: Record<string, Truth>): string[] {
  const pairs = [...new Set([...edges.keys(), ...Object.keys(truth)])]
  return pairs.flatMap(pair => {
    const found = edges.get(pair) ?? []
    if (!truth[pair] || found.length !== 1) return [`${pair}: ${found.length} edges, ${truth[pair] ? 1 : 0} expected`]
    return Object.entries(truth[pair]).flatMap(([name, value]) => {
      const told = Number(found[0][name as keyof Truth])
      return close(told, value) ? [] : [`${pair}: ${name} ${told}, ${value} expected`]
    })
  })
}

for (const [mode, { truth }] of all)
  test(`counted once, on one edge for each pair: ${mode.replaceAll('-', ' ')}`, t => {
    if (!api) return t.pass()
    for (const [which, map] of maps) t.deepEqual(differences(edgesOf(map, mode), truth), [], which)
    return undefined
  })
