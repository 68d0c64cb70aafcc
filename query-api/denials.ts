import { createHash } from 'node:crypto'
import { type End, endOf, fieldsOfBothEnds } from './end.ts'
import { type Meta, mergeMeta } from './meta.ts'
import { pointLength } from './range.ts'
import { type Answer, type Asking, type Cell, ask, named, pointsOf } from './query.ts'

export interface DenialsQuery {
  from?: string
  to?: string
  where?: string
  every?: number
  limit: number
}

/** What a policy denied on one edge, for one reason. */
export interface Denial {
  /** The same for the same denial in every answer. */
  id: string
  source: End
  target: End
  /** Port of the server and transport protocol. */
  port: number
  protocol: string
  direction: string
  /** Why, in the words of the source. */
  reason: string
  /** `l7` when a proxy denied a request. */
  event: string
  policy: { kind: string; namespace: string; name: string; source: string }
  count: number
  /** To the interval of the table that answered. */
  first_seen: string
  last_seen: string
  series: number[]
}

export interface DenialsAnswer {
  times: string[]
  rows: Denial[]
  meta: Meta
}

const policyFields = ['policy_kind', 'policy_namespace', 'policy_name', 'policy_source']
const by = [...fieldsOfBothEnds('workload'), 'server_port', 'protocol', 'direction', 'drop_reason', 'event', ...policyFields]
const level = 'workload'

/** Denials per edge, policy and reason, the most frequent first. */
export async function denials({ from, to, where, every: asked, limit }: DenialsQuery, asking: Asking): Promise<DenialsAnswer> {
  const every = asked ?? pointLength({ from, to }, asking.now)
  const question = { from, to, where, by, metrics: ['denials'] }
  const options = { dimensions: by.length }
  const [totals, series] = await Promise.all([
    ask(question, asking, { ...options, seen: true }),
    ask({ ...question, every, top: limit }, asking, options),
  ])
  const times = pointsOf(series, every)
  const drawn = seriesByGroup(series, times)
  const all = named(totals)
  const rows = all.slice(0, limit).map(row => denialOf(row, drawn.get(keyOf(row)) ?? times.map(() => 0)))
  const meta = mergeMeta([totals.meta, series.meta])
  return { times, rows, meta: { ...meta, truncated: totals.meta.truncated || all.length > limit } }
}

type Row = Record<string, Cell>

const keyOf = (row: Row) => JSON.stringify(by.map(name => row[name]))

function seriesByGroup(series: Answer, times: readonly string[]): Map<string, number[]> {
  const groups = new Map<string, number[]>()
  for (const row of named(series)) {
    const counts = groups.get(keyOf(row)) ?? times.map(() => 0)
    groups.set(keyOf(row), counts)
    counts[times.indexOf(String(row.time))] = Number(row.denials)
  }
  return groups
}

function denialOf(row: Row, series: number[]): Denial {
  const text = (name: string) => String(row[name] ?? '')
  return {
    id: createHash('sha256').update(keyOf(row)).digest('hex').slice(0, 16),
    source: endOf(row, 'src', level),
    target: endOf(row, 'dst', level),
    port: Number(row.server_port),
    protocol: text('protocol'),
    direction: text('direction'),
    reason: text('drop_reason'),
    event: text('event'),
    policy: { kind: text('policy_kind'), namespace: text('policy_namespace'), name: text('policy_name'), source: text('policy_source') },
    count: Number(row.denials),
    first_seen: text('first_seen'),
    last_seen: text('last_seen'),
    series,
  }
}
