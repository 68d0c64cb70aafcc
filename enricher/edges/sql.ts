import { spanEdge, spanEndFields } from '../../schema/span-edge.ts'

/** Seconds of one window: the edges of a minute are made at once. */
export const windowSeconds = 60

/** Seconds the two halves of a pair may lie apart: clocks differ, and messages wait. */
export const reachSeconds = 120

const own = (field: string) => `if(kind IN ('server', 'consumer'), dst_${field}, src_${field})`
const other = (field: string) => `if(kind IN ('server', 'consumer'), src_${field}, dst_${field})`

/** Every span that may have a part in the window, each once: senders repeat what was not acknowledged. */
const spans = `SELECT trace_id, span_id, parent_span_id, kind, service_name, time, duration, status = 'error' AS failed, weight, links, cluster, protocol,
  peer_service, ${spanEndFields.flatMap(field => [`${own(field)} AS own_${field}`, `${other(field)} AS other_${field}`]).join(', ')}
FROM span
WHERE time >= {from:DateTime('UTC')} - ${reachSeconds} AND time < {from:DateTime('UTC')} + ${windowSeconds + reachSeconds} AND trace_id != '' AND span_id != ''
ORDER BY received
LIMIT 1 BY trace_id, span_id, kind, service_name`

/** Where the span that caused another may be: under its own id (Zipkin's shared spans), its parent, or what a consumer links to. */
const causes = `SELECT *, arrayJoin(arrayDistinct(arrayFilter(cause -> cause.3 != '', arrayConcat(
    if(kind = 'server', [('shared', trace_id, span_id)], []),
    [('parent', trace_id, parent_span_id)],
    if(kind = 'consumer', arrayMap(link -> ('link', splitByChar('/', link)[1], splitByChar('/', link)[2]), links), [])
  )))) AS cause
FROM spans
WHERE kind IN ('server', 'consumer')`

const half = (of: string) =>
  `(${['time', 'service_name', 'weight', 'trace_id', 'span_id', 'cluster', ...spanEndFields.map(field => `own_${field}`)].map(name => `${of}.${name}`).join(', ')})`
/** Fields of a half of a pair, by their place in the tuple. */
const placeOf = { time: 1, name: 2, weight: 3, trace: 4, span: 5, cluster: 6, ends: 7 } as const

/** A span that is no client of its own service contains the other, as a proxy's span does that of its application; it calls nothing. */
const isCaller = `(caller.kind IN ('client', 'producer') OR caller.service_name != callee.service_name)`

/** Each called span with who called it. A shared id says that surely; the parent of a shared span is its client's. */
const called = `SELECT callee.trace_id AS trace_id, callee.span_id AS span_id, callee.service_name AS service_name,
  any(${half('callee')}) AS self, any(callee.kind = 'consumer') AS messaging, any(callee.failed) AS failed, any(callee.duration) AS duration,
  any(callee.protocol) AS protocol, any((${['peer_service', ...spanEndFields.map(field => `other_${field}`)].map(name => `callee.${name}`).join(', ')})) AS peer,
  groupUniqArrayIf(${half('caller')}, cause.1 = 'shared' AND caller.kind = 'client') AS shared,
  groupUniqArrayIf(${half('caller')}, cause.1 != 'shared' AND caller.span_id != '' AND ${isCaller}) AS others,
  countIf(cause.1 = 'parent' AND caller.span_id != '' AND NOT ${isCaller}) AS inside
FROM causes AS callee
LEFT JOIN spans AS caller ON caller.trace_id = cause.2 AND caller.span_id = cause.3
GROUP BY trace_id, span_id, service_name`

const callers = 'if(notEmpty(shared), shared, others)'
const inWindow = (time: string) => `${time} >= {from:DateTime('UTC')} AND ${time} < {from:DateTime('UTC')} + ${windowSeconds}`
const endsOf = (tuple: string, first: number) => spanEndFields.map((_, i) => `${tuple}.${first + i}`)

interface Pair {
  cluster: string
  paired: string
  messaging: string
  protocol: string
  src: readonly string[]
  dst: readonly string[]
  weight: string
  failed: string
  duration: string
}

const edgeEnds = (end: 'src' | 'dst') => ['name', ...spanEndFields].map(field => `${end}_${field}`)

/** One row for each pair, with the names the table has. */
function pairSql({ cluster, paired, messaging, protocol, src, dst, weight, failed, duration }: Pair): string {
  const named = (values: readonly string[], names: readonly string[]) => values.map((value, i) => `${value} AS ${names[i]}`)
  return [
    `${cluster} AS cluster`,
    `'${paired}' AS paired`,
    `${messaging} AS messaging`,
    `${protocol} AS protocol`,
    ...named(src, edgeEnds('src')),
    ...named(dst, edgeEnds('dst')),
    `${weight} AS pair_weight`,
    `${failed} AS pair_failed`,
    `${duration} AS pair_duration`,
  ].join(', ')
}

/** Counted by the caller's minute. Whichever end was sampled more counts the pair by less: the calls it saw alone are counted as such. */
const pairs = `SELECT ${pairSql({
  cluster: 'self.6',
  paired: 'both',
  messaging: 'called.messaging',
  protocol: 'called.protocol',
  src: [`caller.${placeOf.name}`, ...endsOf('caller', placeOf.ends)],
  dst: [`self.${placeOf.name}`, ...endsOf('self', placeOf.ends)],
  weight: `least(caller.${placeOf.weight}, self.${placeOf.weight})`,
  failed: 'called.failed',
  duration: 'called.duration',
})}
FROM called ARRAY JOIN ${callers} AS caller
WHERE ${inWindow(`caller.${placeOf.time}`)}`

const serversOnly = `SELECT ${pairSql({
  cluster: 'self.6',
  paired: 'server_only',
  messaging: 'called.messaging',
  protocol: 'called.protocol',
  src: ['peer.1', ...endsOf('peer', 2)],
  dst: [`self.${placeOf.name}`, ...endsOf('self', placeOf.ends)],
  weight: `self.${placeOf.weight}`,
  failed: 'called.failed',
  duration: 'called.duration',
})}
FROM called
WHERE empty(${callers}) AND inside = 0 AND ${inWindow(`self.${placeOf.time}`)}`

/** A client that contains another client, as an application's span does its proxy's, is told by that one. */
const clientsOnly = `SELECT ${pairSql({
  cluster: 'spans.cluster',
  paired: 'client_only',
  messaging: "spans.kind = 'producer'",
  protocol: 'spans.protocol',
  src: ['spans.service_name', ...spanEndFields.map(field => `spans.own_${field}`)],
  dst: ['spans.peer_service', ...spanEndFields.map(field => `spans.other_${field}`)],
  weight: 'spans.weight',
  failed: 'spans.failed',
  duration: 'spans.duration',
})}
FROM spans
WHERE kind IN ('client', 'producer') AND ${inWindow('time')}
  AND (trace_id, span_id) NOT IN (SELECT caller.${placeOf.trace}, caller.${placeOf.span} FROM called ARRAY JOIN ${callers} AS caller)
  AND (trace_id, span_id) NOT IN (SELECT trace_id, parent_span_id FROM spans WHERE kind IN ('client', 'producer'))`

const keys = ['cluster', 'paired', 'messaging', 'protocol', ...edgeEnds('src'), ...edgeEnds('dst')]

/** The edges of the window that begins at `{from:DateTime('UTC')}`, with the columns of the table. */
export const edgesSql = `WITH
spans AS (${spans}),
causes AS (${causes}),
called AS (${called})
SELECT {from:DateTime('UTC')} AS bucket, ${keys.join(', ')}, sum(pair_weight) AS calls, sumIf(pair_weight, pair_failed) AS errors,
  quantilesDDStateIf(0.01, 0.5, 0.95, 0.99)(pair_duration, pair_duration > 0) AS duration
FROM (
${[pairs, serversOnly, clientsOnly].join('\nUNION ALL\n')}
)
GROUP BY ${keys.join(', ')}
ORDER BY ${spanEdge.order.filter(name => name !== 'bucket').join(', ')}`
