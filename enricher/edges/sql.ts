import { spanEdge, spanEndFields } from '../../schema/span-edge.ts'

/** Seconds of one window, the edges of which are made at once. */
export const windowSeconds = 300

/** Seconds the two halves of a pair may lie apart: clocks differ, and messages wait. */
export const reachSeconds = 120

const own = (field: string) => `if(kind IN ('server', 'consumer'), dst_${field}, src_${field})`
const other = (field: string) => `if(kind IN ('server', 'consumer'), src_${field}, dst_${field})`

/** Who made a span, and who it says was at the other end, as numbers: pairs are found by numbers alone, and get their names at the end. */
const makerOf = ['service_name', ...spanEndFields.map(own), 'cluster', 'protocol']
const peerOf = ['peer_service', ...spanEndFields.map(other), "''", "''"]
const maker = `cityHash64('maker', ${makerOf.join(', ')})`
const peer = `cityHash64('peer', ${peerOf.slice(0, -2).join(', ')})`

/** Where the condition on spans that shall be seen stands, while some are attributed again. */
const seenHere = '/* seen */'

/** Where the revision of the edges stands. */
const revisionHere = '/* revision */'

const source = `span
WHERE time >= {from:DateTime('UTC')} - ${reachSeconds} AND time < {from:DateTime('UTC')} + ${windowSeconds + reachSeconds} AND trace_id != '' AND span_id != '' ${seenHere}`

/** What is known of a span, in the order of the tuple that stands for it. */
const columns = {
  id: 'sipHash64(trace_id, span_id)',
  calls: "kind IN ('client', 'producer')",
  serves: "kind IN ('server', 'consumer')",
  messaging: "kind IN ('producer', 'consumer')",
  service: 'cityHash64(service_name)',
  began: 'time',
  weight: 'weight',
  failed: "status = 'error'",
  duration: 'duration',
  maker,
  peer,
} as const
const names = Object.keys(columns) as (keyof typeof columns)[]

/** A part of the tuple that stands for a span. */
const part = (span: string, name: keyof typeof columns) => `${span}.${names.indexOf(name) + 1}`

/** In which way a span touches an id: it has it; it is below it, may share it, or links to it as what was called; it is a client below it. */
const way = { itself: 0, below: 1, shares: 2, links: 3, contained: 4, alone: 5 } as const
const link = "sipHash64(splitByChar('/', link)[1], splitByChar('/', link)[2])"
const below = "if(parent_span_id = '', 0, sipHash64(trace_id, parent_span_id))"

/** Each span once for every id it touches. */
const touches = `SELECT (${names.map(name => columns[name]).join(', ')}) AS span,
  arrayJoin(arrayFilter(touch -> touch.1 != 0, arrayConcat(
    [(${columns.id}, ${way.itself})],
    if(${columns.serves}, [(${below}, ${way.below})], []),
    if(${columns.serves}, [(${columns.id}, ${way.shares})], []),
    if(kind = 'consumer', arrayMap(link -> (${link}, ${way.links}), links), []),
    if(${columns.calls}, [(${below}, ${way.contained})], [])
  ))) AS touch
FROM ${source}`

/** What meets at an id. A span that was sent twice is there once. */
const meetings = `SELECT groupUniqArrayIf(span, touch.2 = ${way.itself}) AS spans,
  groupUniqArrayIf((span, touch.2), touch.2 IN (${way.below}, ${way.shares}, ${way.links})) AS called,
  countIf(touch.2 = ${way.contained}) > 0 AS contains
FROM (${touches})
GROUP BY touch.1`

/** Below an id that client and server share (Zipkin) is what the server caused. */
const parents = `if(arrayExists(one -> ${part('one', 'serves')}, spans), arrayFilter(one -> ${part('one', 'serves')}, spans), spans)`
const sharing = `arrayFilter(one -> ${part('one', 'calls')} AND NOT ${part('one', 'messaging')} AND NOT ${part('callee.1', 'messaging')}, spans)`
const nearest = `multiIf(callee.2 = ${way.shares}, ${sharing}, callee.2 = ${way.below}, ${parents}, spans)`

/** A span of the same service that is no client contains the other, as a proxy's span does that of its application: it does not call it. */
const isCaller = (one: string) => `${part(one, 'calls')} OR ${part(one, 'service')} != ${part('callee.1', 'service')}`

/** What a pair needs of its caller, and which it is. */
const callerOf = (one: string) => `(${(['maker', 'weight', 'began', 'id'] as const).map(name => part(one, name)).join(', ')})`

/**
 * What was called, with its callers there and whether something contains it; and clients, which are alone when nothing was called and no
 * other client is below them, as that of a proxy is below that of its application.
 */
const found = `SELECT arrayJoin(arrayConcat(
    arrayMap(callee -> (callee.1, callee.2, arrayMap(one -> ${callerOf('one')}, callee.3), callee.4), met),
    arrayMap(one -> (one, ${way.alone}, arrayMap(one -> ${callerOf('one')}, arraySlice(spans, 1, 0)), false),
      arrayFilter(one -> ${part('one', 'calls')} AND NOT contains AND NOT arrayExists(callee -> has(callee.3, one), met), spans))
  )) AS finding,
  arrayMap(callee -> (callee.1, callee.2, arrayFilter(one -> ${isCaller('one')}, ${nearest}), notEmpty(${nearest})), called) AS met
FROM (${meetings})`

const kept = ['maker', 'peer', 'weight', 'began', 'failed', 'duration', 'messaging'] as const

/** Each of them once, with all its callers. A shared id says surely who called; else it is the parent, or all it links to. */
const resolved = `SELECT ${kept.map(name => `any(${part('finding.1', name)}) AS ${name}`).join(', ')}, finding.2 = ${way.alone} AS alone,
  groupUniqArrayArrayIf(finding.3, finding.2 = ${way.shares}) AS sharing, groupUniqArrayArrayIf(finding.3, finding.2 != ${way.shares}) AS others,
  max(finding.4 AND finding.2 = ${way.below}) AS inside
FROM (${found})
GROUP BY ${part('finding.1', 'id')}, ${part('finding.1', 'service')}, alone`

/**
 * A pair is of the caller's time, and counts by the lesser weight: whichever end was sampled less tells the calls that it alone saw as such,
 * so that no call counts twice.
 */
const edges = `SELECT multiIf(alone, 'client_only', caller.1 != 0, 'both', 'server_only') AS paired, messaging, failed, duration,
  multiIf(alone, maker, caller.1 != 0, caller.1, peer) AS src, if(alone, peer, maker) AS dst,
  if(caller.1 != 0, least(caller.2, weight), weight) AS calls, if(caller.1 != 0, caller.3, began) AS began
FROM (${resolved})
LEFT ARRAY JOIN if(notEmpty(sharing), sharing, others) AS caller
WHERE NOT inside OR caller.1 != 0`

const added = `SELECT toStartOfMinute(began) AS bucket, paired, messaging, src, dst, sum(edges.calls) AS calls, sumIf(edges.calls, failed) AS errors,
  quantilesDDStateIf(0.01, 0.5, 0.95, 0.99)(edges.duration, edges.duration > 0) AS duration
FROM (${edges}) AS edges
WHERE began >= {from:DateTime('UTC')} AND began < {from:DateTime('UTC')} + ${windowSeconds}
GROUP BY bucket, paired, messaging, src, dst`

const nameFields = ['name', ...spanEndFields]
const named = (tuple: string, first: string) => nameFields.map((field, i) => `${tuple}.${i + 1} AS ${first}_${field}`)

/** The names of all numbers. */
const naming = `SELECT end.1 AS number, any(end.2) AS names
FROM (SELECT arrayJoin([(${maker}, (${makerOf.map(text).join(', ')})), (${peer}, (${peerOf.map(text).join(', ')}))]) AS end FROM ${source})
GROUP BY number`

function text(value: string): string {
  return `toString(${value})`
}

/** Cluster and protocol are those of the span that was called, or of the client that is alone. */
const teller = `if(paired = 'client_only', source.names, target.names)`

/**
 * The edges of the window that begins at `{from:DateTime('UTC')}`, with the columns of the table, as of a revision; `seen` is a condition on
 * the spans.
 */
export const edgesSql = ({ seen, revision = 0 }: { seen?: string; revision?: number } = {}) =>
  statement.replaceAll(seenHere, seen ? `AND ${seen}` : '').replace(revisionHere, String(revision))

const statement = `WITH naming AS (${naming})
SELECT bucket, ${teller}.${nameFields.length + 1} AS cluster, paired, messaging, ${teller}.${nameFields.length + 2} AS protocol,
  ${[...named('source.names', 'src'), ...named('target.names', 'dst')].join(', ')}, calls, errors, duration, toUInt32(${revisionHere}) AS revision
FROM (${added}) AS added
JOIN naming AS source ON source.number = added.src
JOIN naming AS target ON target.number = added.dst
ORDER BY ${spanEdge.order.join(', ')}`
