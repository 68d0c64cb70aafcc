import { edgeNumber } from '../schema/ranking.ts'
import { type End, type Level, endNumber, endOf, fieldsOfBothEnds } from './end.ts'
import { type Group, planQuery } from './plan.ts'
import { type Asking, type Cell, statementSettings } from './query.ts'
import { viewsStatement } from './sql.ts'
import { conditionOf, keepingTo } from './visible.ts'

/** Who told of an edge, and from which end of it: every view, those too that do not count. */
export interface Witness {
  kind: 'flow' | 'request'
  source: string
  layer: string
  reporter_kind: string
  /** `ingress` at the server, `egress` at the client. */
  direction: string
  /** Rows as received, unweighted. */
  records: number
}

/** Two ends, and who told of them. Of flows for each port and way. */
export interface Pair {
  source: End
  target: End
  port: number
  protocol: string
  seen_by: Witness[]
}

const witnessed = ['source', 'layer', 'reporter_kind', 'direction'] as const

/** What else the edges of flows are apart by. */
const ofFlows = ['orientation', 'server_port', 'protocol'] as const

/**
 * Which records are of one pair. Of flows the edges of the views, which rollups have as a number and which are no coarser than ends at any
 * level but pods: counts add up. Of requests the ends alone, for ratios and latencies do not.
 */
export function pairGroup(kind: 'flow' | 'request', level: Level): Group {
  const ends = `${endNumber('src', level)}, ${endNumber('dst', level)}`
  const fields = fieldsOfPair(kind, level)
  if (kind === 'request') return { fields, sql: () => `cityHash64(${ends})` }
  const edge = (stored: boolean) => (stored ? 'edge' : edgeNumber('flow'))
  if (level === 'pod') return { fields, sql: () => `cityHash64(${ends}, ${ofFlows.join(', ')})` }
  return { fields, sql: stored => (level === 'service' ? `cityHash64(${edge(stored)}, src_service, dst_service)` : edge(stored)) }
}

const fieldsOfPair = (kind: 'flow' | 'request', level: Level) => [...fieldsOfBothEnds(level), ...(kind === 'flow' ? ofFlows : [])]

interface Question {
  kind: 'flow' | 'request'
  level: Level
  from?: string
  to?: string
  where?: string
}

/** The pairs by their numbers; those whose source is the server are turned round. */
export async function pairs(
  { kind, level, from, to, where }: Question,
  asking: Asking,
  most: number,
): Promise<{ pairs: Map<string, Pair>; truncated: boolean }> {
  const { clickhouse, now = Date.now(), signal, visible } = await keepingTo(asking)
  const by = fieldsOfPair(kind, level)
  const planned = planQuery({ kind, from, to, where, metrics: ['records'], by }, now, {
    dimensions: by.length,
    group: pairGroup(kind, level),
  })
  const plan = { ...planned, visible: conditionOf(visible, planned) }
  const { sql, params } = viewsStatement(plan, witnessed, most + 1)
  const { rows } = await clickhouse.query<Row>(sql, { params, signal, settings: statementSettings })
  const pairs = rows.slice(0, most).map((row): [string, Pair] => [row.pair, pairOf(row, kind, level)])
  return { pairs: new Map(pairs), truncated: rows.length > most }
}

type Row = Record<string, Cell> & { pair: string; seen_by: [...string[], number][] }

function pairOf(row: Row, kind: Question['kind'], level: Level): Pair {
  const [from, to] = row.orientation === 'reply' ? (['dst', 'src'] as const) : (['src', 'dst'] as const)
  const seen_by = row.seen_by.map(([source, layer, reporter_kind, direction, records]) => ({
    kind,
    source: String(source),
    layer: String(layer),
    reporter_kind: String(reporter_kind),
    direction: String(direction),
    records: Number(records),
  }))
  return {
    source: endOf(row, from, level),
    target: endOf(row, to, level),
    port: Number(row.server_port ?? 0),
    protocol: String(row.protocol ?? ''),
    seen_by,
  }
}

/** Adds what was told to what is known of an edge. */
export function addWitnesses(known: Witness[], more: readonly Witness[]): void {
  for (const witness of more) {
    const same = known.find(other => other.kind === witness.kind && witnessed.every(name => other[name] === witness[name]))
    if (same) same.records += witness.records
    else known.push({ ...witness })
  }
}
