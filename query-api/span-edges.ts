import type { Fields } from '../schema/field.ts'
import { kinds } from '../schema/record.ts'
import { type Pairing, pairings, spanEdge, spanEndFields } from '../schema/span-edge.ts'
import { type End, endFields, endOf } from './end.ts'
import { FilterError } from './filter/error.ts'
import { parseFilter } from './filter/parse.ts'
import { Parameters, filterSql } from './filter/sql.ts'
import type { Meta } from './meta.ts'
import { type Asking, type Cell, statementSettings } from './query.ts'
import { readRange } from './range.ts'
import { writeTime } from './time.ts'
import { keepingTo } from './visible.ts'

/** What pairs of spans tell of an edge between services. */
export interface SpanEdge {
  source: End
  target: End
  /** Calls by which halves of them made a span. */
  spans: Record<Pairing, number>
  requests: number
  errors: number
  error_ratio: number | null
  latency_p50: number | null
  latency_p95: number | null
  latency_p99: number | null
}

/** What a filter on such edges may be about. */
const fields: Fields = {
  ...Object.fromEntries(Object.entries(kinds.span.fields).filter(([name]) => spanEdge.columns.some(column => column.name === name))),
  src_name: { type: 'label', about: 'Service at the calling end, as spans name it.' },
  dst_name: { type: 'label', about: 'Service at the called end, as spans name it.' },
  paired: { type: 'label', values: pairings, about: 'Which halves of a call made a span.' },
}

/** Whether a filter is about edges of spans. */
export function isAboutSpanEdges(where: string | undefined, now?: number): boolean {
  try {
    parseFilter(where ?? '', fields, now)
    return true
  } catch (error) {
    if (error instanceof FilterError) return false
    throw error
  }
}

const minute = 60e6
const level = 'service'

const ofSpans = endFields[level].filter(name => name !== 'cluster' && (spanEndFields as readonly string[]).includes(name))

/** An end that is known by the name its spans give it alone keeps that name; of one that is known better it would tell apart what is one. */
const endSql = (end: 'src' | 'dst') => [
  `if(${end}_cluster = '' AND ${end}_namespace != '', cluster, toString(${end}_cluster)) AS ${end}_end_cluster`,
  ...ofSpans.map(name => `${end}_${name}`),
  `if(${['service', 'workload', 'namespace'].map(name => `${end}_${name} = ''`).join(' AND ')}, toString(${end}_name), '') AS ${end}_end_name`,
]
const keysOf = (end: 'src' | 'dst') => endSql(end).map(column => column.split(' AS ').at(-1)!)

/** Edges between services as their spans tell, with where that comes from. Throws FilterError or QueryError. */
export async function spanEdges(
  { from, to, where }: { from?: string; to?: string; where?: string },
  asking: Asking,
  most: number,
): Promise<{ edges: SpanEdge[]; meta: Meta }> {
  const { clickhouse, now = Date.now(), signal, visible } = await keepingTo(asking)
  const range = readRange({ from, to }, now)
  const aligned = { from: Math.floor(range.from / minute) * minute, to: Math.ceil(range.to / minute) * minute }
  const parameters = new Parameters()
  const filter = parseFilter(where ?? '', fields, now)
  const conditions = [visible.condition(spanEdge, 'bucket'), filter && `(${filterSql(filter, parameters)})`].filter(Boolean)
  const sql = `SELECT ${[...endSql('src'), ...endSql('dst')].join(', ')},
  ${pairings.map(name => `sumIf(calls, paired = '${name}') AS ${name}`).join(', ')},
  sum(calls) AS requests, sum(errors) AS failed, quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(duration) AS durations
FROM ${spanEdge.name}
WHERE bucket >= toDateTime({from:UInt32}, 'UTC') AND bucket < toDateTime({to:UInt32}, 'UTC')${conditions.map(one => `\n  AND ${one}`).join('')}
GROUP BY ${[...keysOf('src'), ...keysOf('dst')].join(', ')}
LIMIT ${most + 1}`
  const params = { ...parameters.values, from: aligned.from / 1e6, to: aligned.to / 1e6 }
  const { rows, statistics } = await clickhouse.query<Row>(sql, { params, signal, settings: statementSettings })
  const meta: Meta = {
    table: spanEdge.name,
    resolution: 60,
    approximate: true,
    estimates: {},
    watermark: null,
    reattribution: visible.window(spanEdge, aligned),
    lost: 0,
    gaps: 0,
    from: writeTime(aligned.from),
    to: writeTime(aligned.to),
    partial: [],
    truncated: rows.length > most,
    sql,
    params,
    elapsed_ms: Math.round(statistics.elapsed * 1000),
    rows_read: statistics.rows_read,
  }
  return { edges: rows.slice(0, most).map(edgeOf), meta }
}

type Row = Record<string, Cell> & { durations?: unknown }

function edgeOf(row: Row): SpanEdge {
  const { requests, failed, durations } = row as unknown as { requests: number; failed: number; durations: (number | null)[] }
  const seconds = (nanoseconds: number | null) => (nanoseconds ? nanoseconds / 1e9 : null)
  return {
    source: spanEnd(row, 'src'),
    target: spanEnd(row, 'dst'),
    spans: Object.fromEntries(pairings.map(name => [name, Number(row[name])])) as Record<Pairing, number>,
    requests,
    errors: failed,
    error_ratio: requests > 0 ? failed / requests : null,
    latency_p50: seconds(durations[1]),
    latency_p95: seconds(durations[2]),
    latency_p99: seconds(durations[3]),
  }
}

/** The end of other records, or a service known by the name in its spans alone. */
function spanEnd(row: Row, end: 'src' | 'dst'): End {
  const known = endOf({ ...row, [`${end}_cluster`]: row[`${end}_end_cluster`] }, end, level)
  const name = String(row[`${end}_end_name`])
  return name ? { ...known, id: `${known.cluster}/span/${name}`, name, kind: level } : known
}
