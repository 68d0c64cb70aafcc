import { createHash } from 'node:crypto'
import { type End, endOf, fieldsOfBothEnds } from './end.ts'
import type { Meta } from './meta.ts'
import { pointLength } from './range.ts'
import { type Asking, type Cell, ask, named, pointsOf } from './query.ts'

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
const mostRows = 100_000

/** Denials per edge, policy and reason, the most frequent first. */
export async function denials({ from, to, where, every = 0, limit }: DenialsQuery, asking: Asking): Promise<DenialsAnswer> {
  const length = every || pointLength({ from, to }, asking.now)
  const question = { from, to, where, by, metrics: ['denials'], every: length }
  const answer = await ask(question, asking, { dimensions: by.length, rows: mostRows, seen: true })
  const times = pointsOf(answer, length)
  const groups = Map.groupBy(named(answer), keyOf)
  const all = [...groups.values()].map(points => denialOf(points, times)).sort((a, b) => b.count - a.count)
  return { times, rows: all.slice(0, limit), meta: { ...answer.meta, truncated: answer.meta.truncated || all.length > limit } }
}

type Row = Record<string, Cell>

const keyOf = (row: Row) => JSON.stringify(by.map(name => row[name]))

/** One denial out of its points, in order of time. */
function denialOf(points: Row[], times: readonly string[]): Denial {
  const row = points[0]
  const text = (name: string) => String(row[name] ?? '')
  const series = times.map(() => 0)
  for (const point of points) series[times.indexOf(String(point.time))] += Number(point.denials)
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
    count: series.reduce((sum, count) => sum + count, 0),
    first_seen: text('first_seen'),
    last_seen: String(points.at(-1)?.last_seen),
    series,
  }
}
