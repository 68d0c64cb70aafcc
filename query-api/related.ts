import { type RecordKind, kinds } from '../schema/record.ts'
import { NotFound, QueryError } from './error.ts'
import { type Asking, statementSettings } from './query.ts'
import { readRange } from './range.ts'
import { type Row, recordColumns, toRow } from './records.ts'
import { readTime, timeForms } from './time.ts'
import { type Visible, keepingTo } from './visible.ts'

/** Kinds of record that speak of exchanges. */
export const relatedKinds = ['flow', 'request', 'span'] as const
export type RelatedKind = (typeof relatedKinds)[number]

/** How a record is known to speak of the same exchange, the surest first. */
export const ways = ['span_id', 'parent', 'trace_id', 'request_id', 'conversation'] as const
export type Way = (typeof ways)[number]

export interface RelatedRecord {
  kind: RelatedKind
  matched: Way[]
  record: Row
}

export interface RelatedAnswer {
  kind: RelatedKind
  record: Row
  /** The newest first. */
  related: RelatedRecord[]
  /** Whether there was more than could be given; then it is what is nearest in time. */
  truncated: boolean
}

export interface RelatedQuery {
  kind: RelatedKind
  id: string
  /** Time of the record as it says itself, by which it is found at once. */
  time?: string
  /** Else the range it lies in. */
  from?: string
  to?: string
  /** Seconds before and after the record in which others have its ids. */
  window: number
  /** The same for records of the same conversation. */
  conversation_window: number
  /** Records of each kind and way. */
  limit: number
}

/** A record with what it can be found by. */
interface Found {
  kind: RelatedKind
  row: Row
  conversation: string
  micros: number
}

type Keeping = Asking & { visible: Visible }

const mostConversations = 32
const keyOf = ({ kind, row }: Found) => `${kind}/${row.id}`

/**
 * A record and those that speak of the same exchange: first by the ids it has, then by the conversations of all that were found.
 * Rejects with NotFound when no such record is there any more.
 */
export async function related(query: RelatedQuery, given: Asking): Promise<RelatedAnswer> {
  const asking = await keepingTo(given)
  const record = await findRecord(query, asking)
  const around = { micros: record.micros, limit: query.limit + 2 }
  const byId = await Promise.all(lookups(record).map(lookup => lookUp(lookup, { ...around, seconds: query.window }, asking)))
  const conversations = conversationsOf([record, ...byId.flat()])
  const byConversation = await Promise.all(
    conversations.length
      ? relatedKinds.map(kind => lookUp({ kind, conversations }, { ...around, seconds: query.conversation_window }, asking))
      : [],
  )
  const ofConversation = byConversation.map(list => list.filter(found => !conversations.some(one => isOfOthers(found, one))))
  const lists = [...byId, ...ofConversation].map(list => list.filter(found => keyOf(found) !== keyOf(record)))
  const known = new Map<string, Found>()
  for (const found of lists.flatMap(list => list.slice(0, query.limit))) known.set(keyOf(found), found)
  const related = [...known.values()].sort((a, b) => b.micros - a.micros)
  return {
    kind: record.kind,
    record: record.row,
    related: related.map(found => ({ kind: found.kind, matched: matchedBy(record, found, conversations), record: found.row })),
    truncated: lists.some(list => list.length > query.limit),
  }
}

async function findRecord(
  { kind, id, ...query }: RelatedQuery,
  { clickhouse, now = Date.now(), signal, visible }: Keeping,
): Promise<Found> {
  const { from, to } = query.time === undefined ? readRange(query, now) : momentOf(query.time, now)
  const { rows } = await clickhouse.query<Record<string, unknown>>(
    `SELECT ${columnsOf(kind)} FROM ${kind} WHERE ${seenBetween(kind, visible)} AND id = {id:String} LIMIT 1`,
    { params: { from, to, id }, signal, settings: statementSettings },
  )
  if (rows.length === 0) throw new NotFound(`there is no ${kind} ${JSON.stringify(id)} at that time`)
  return foundOf(kind, rows[0])
}

function momentOf(time: string, now: number): { from: number; to: number } {
  const from = readTime(time, now)
  if (from === undefined || from < 0) throw new QueryError('time', `expected ${timeForms}, got ${JSON.stringify(time)}`)
  return { from, to: from + 1 }
}

const between = 'time >= fromUnixTimestamp64Micro({from:Int64}) AND time < fromUnixTimestamp64Micro({to:Int64})'
const seenBetween = (kind: RelatedKind, visible: Visible) => [between, visible.condition(kinds[kind], 'time') ?? []].flat().join(' AND ')
const columnsOf = (kind: RelatedKind) => `${recordColumns(kinds[kind])}, conversation`

const foundOf = (kind: RelatedKind, row: Record<string, unknown>): Found => ({
  kind,
  row: toRow(kinds[kind], row),
  conversation: String(row.conversation),
  micros: Number(row.time_micros),
})

type Lookup = { kind: RelatedKind; conversations: readonly Conversation[] } | { kind: RelatedKind; field: string; value: string }

/** The ids of a record, each in the kinds that have such. */
function lookups({ row }: Found): Lookup[] {
  return ['trace_id', 'request_id'].flatMap(field => {
    const value = String(row[field] ?? '')
    const having = relatedKinds.filter(kind => value && field in (kinds[kind] as RecordKind).fields)
    return having.map(kind => ({ kind, field, value }))
  })
}

interface Conversation {
  id: string
  /** Records it is known from. */
  of: string[]
  ends: readonly [string, number, string, number]
  /** The pods that had its addresses, as far as these records say. */
  holders: Map<string, string>
}

/** The pods a record names for sure, by their addresses. */
const holdersOf = ({ row }: Found): [address: string, pod: string][] =>
  ['src', 'dst'].flatMap(end =>
    row[`${end}_pod`] && row[`${end}_attribution`] !== 'ambiguous'
      ? [[String(row[`${end}_address`]), `${String(row[`${end}_namespace`])}/${String(row[`${end}_pod`])}`]]
      : [],
  )

/** Whether it is of a later or an earlier conversation of the same addresses and ports, when another pod had one of them. */
const isOfOthers = (found: Found, { id, holders }: Conversation) =>
  found.conversation === id && holdersOf(found).some(([address, pod]) => (holders.get(address) ?? pod) !== pod)

function conversationsOf(found: readonly Found[]): Conversation[] {
  const known = new Map<string, Conversation>()
  for (const one of found) {
    const { conversation: id, row } = one
    const has = known.get(id)
    if (has) {
      has.of.push(keyOf(one))
      for (const [address, pod] of holdersOf(one)) if (!has.holders.has(address)) has.holders.set(address, pod)
    } else if (id && row.src_port && row.dst_port && row.src_address && row.dst_address && known.size < mostConversations)
      known.set(id, {
        id,
        of: [keyOf(one)],
        ends: [String(row.src_address), Number(row.src_port), String(row.dst_address), Number(row.dst_port)],
        holders: new Map(holdersOf(one)),
      })
  }
  return [...known.values()]
}

interface Around {
  micros: number
  seconds: number
  limit: number
}

/** Those that are nearest in time. */
async function lookUp(lookup: Lookup, { micros, seconds, limit }: Around, { clickhouse, signal, visible }: Keeping): Promise<Found[]> {
  const { sql, params } = 'field' in lookup ? idSql(lookup) : conversationSql(lookup.conversations)
  const { rows } = await clickhouse.query<Record<string, unknown>>(
    `SELECT ${columnsOf(lookup.kind)} FROM ${lookup.kind} WHERE ${seenBetween(lookup.kind, visible)} AND ${sql}
ORDER BY abs(time_micros - {micros:Int64}), time, id LIMIT ${limit}`,
    {
      params: { ...params, micros, from: micros - seconds * 1e6, to: micros + seconds * 1e6 + 1 },
      signal,
      settings: statementSettings,
    },
  )
  return rows.map(row => foundOf(lookup.kind, row))
}

const idSql = ({ field, value }: { field: string; value: string }) => ({ sql: `${field} = {value:String}`, params: { value } })

/** The ends first, which are columns: only of rows that have them is the conversation computed. */
function conversationSql(conversations: readonly Conversation[]) {
  const params: Record<string, unknown> = {}
  const tuples = conversations.flatMap(({ ends: [a, aPort, b, bPort] }, i) => {
    Object.assign(params, { [`a${i}`]: a, [`a_port${i}`]: aPort, [`b${i}`]: b, [`b_port${i}`]: bPort, [`id${i}`]: conversations[i].id })
    const [one, other] = [`toIPv6({a${i}:String}), {a_port${i}:UInt16}`, `toIPv6({b${i}:String}), {b_port${i}:UInt16}`]
    return [`(${one}, ${other})`, `(${other}, ${one})`]
  })
  const ids = conversations.map((_, i) => `{id${i}:String}`)
  return {
    sql: `(src_address, src_port, dst_address, dst_port) IN (${tuples.join(', ')}) AND conversation IN (${ids.join(', ')})`,
    params,
  }
}

function matchedBy(record: Found, found: Found, conversations: readonly Conversation[]): Way[] {
  const [a, b] = [record.row, found.row]
  const same = (field: string, other = field) => Boolean(a[field]) && a[field] === b[other]
  const ofTrace = same('trace_id')
  const is: Record<Way, boolean> = {
    span_id: ofTrace && same('span_id'),
    parent: ofTrace && (same('span_id', 'parent_span_id') || same('parent_span_id', 'span_id')),
    trace_id: ofTrace,
    request_id: same('request_id'),
    conversation: conversations.some(({ id, of }) => id === found.conversation && of.some(key => key !== keyOf(found))),
  }
  return ways.filter(way => is[way])
}
