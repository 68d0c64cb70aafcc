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

/** Modes in which one agent alone tells of each hop and layer, so that adding up is right. */
const alone = new Set([
  'only-the-client-has-a-sidecar',
  'only-the-server-has-a-sidecar',
  'ztunnel-waypoint-ztunnel',
  'sidecar-and-ztunnel',
  'ipfix-alone',
  'two-routers-that-share-the-flows',
])

/** What comes out when every account is added up. */
function addedUp({ flow, request }: { flow: Row[]; request: Row[] }): Truth {
  const sum = (rows: Row[], of: (row: Row) => unknown) =>
    rows.reduce((total, row) => total + Number(of(row) ?? 0) * Number(row.weight ?? 1), 0)
  return {
    requests: sum(request, () => 1),
    errors: sum(request, ({ error }) => (error ? 1 : 0)),
    bytes: sum(flow, ({ bytes }) => bytes),
    flows: sum(flow, () => 1),
  }
}

test('who adds up all accounts is wrong in every mixture', t => {
  for (const [mode, { reported, truth }] of all) {
    const naive = addedUp(reported)
    const names = ['requests', 'errors', 'bytes', 'flows'] as const
    const total = (name: keyof Truth) => Object.values(truth).reduce((sum, edge) => sum + (edge[name] ?? 0), 0)
    const wrong = names.filter(name => Object.values(truth).some(edge => edge[name] !== undefined) && !close(naive[name]!, total(name)))
    t.is(wrong.length === 0, alone.has(mode), `${mode}: ${wrong.join(', ')}`)
  }
})

test('each edge says who saw it, at which end and how much', t => {
  if (!api) return t.pass()
  const [[found]] = [...edgesOf(maps.get('workload from the rollups')!, 'sidecars-and-the-kernel').values()]
  const { flow, request } = all.get('sidecars-and-the-kernel')!.reported
  const told = (rows: Row[], source: string) => rows.filter(row => row.source === source).length
  const seen = (kind: string, source: string, direction?: string) =>
    found.seen_by
      .filter(witness => witness.kind === kind && witness.source === source && (!direction || witness.direction === direction))
      .reduce((sum, { records }) => sum + records, 0)
  t.is(seen('flow', 'hubble'), told(flow, 'hubble'))
  t.is(seen('flow', 'netobserv'), told(flow, 'netobserv'))
  t.is(seen('flow', 'envoy'), told(flow, 'envoy'))
  t.is(seen('request', 'envoy'), told(request, 'envoy'))
  t.is(seen('flow', 'hubble', 'ingress'), seen('flow', 'hubble', 'egress'))
  t.deepEqual([...new Set(found.seen_by.map(({ layer }) => layer))].sort(), ['kernel', 'l4_proxy', 'l7_proxy'])
  return undefined
})

test('without objects a proxy that knows its own pod and the service it calls has one edge, of one name', async t => {
  if (!(await hasClickHouse(t))) return
  await using own = await openTestApi({ now: () => now })
  const { reported, truth } = all.get('sidecar-and-sidecar')!
  for (const kind of ['flow', 'request'] as const) await own.store(kind, await enriched(kind, reported[kind], []))
  const { body } = await own.get<Topology>(`/api/v1/topology?from=${range.from}&to=${range.to}`)
  t.deepEqual(differences(edgesOf(body, 'sidecar-and-sidecar'), truth), [])
  t.deepEqual(body.nodes.map(({ id, workload_kind }) => [id, workload_kind]).sort(), [
    ['one/sidecar-and-sidecar/client', 'Deployment'],
    ['one/sidecar-and-sidecar/server', 'Deployment'],
  ])
  const onlyClient = all.get('only-the-client-has-a-sidecar')!
  await own.store('request', await enriched('request', onlyClient.reported.request, []))
  const { body: more } = await own.get<Topology>(
    `/api/v1/topology?from=${range.from}&to=${range.to}&where=src_namespace%20%3D%20'only-the-client-has-a-sidecar'`,
  )
  t.deepEqual(more.nodes.map(({ name, kind, namespace }) => [name, kind, namespace]).sort(), [
    ['client', 'workload', 'only-the-client-has-a-sidecar'],
    ['server', 'service', 'only-the-client-has-a-sidecar'],
  ])
})
