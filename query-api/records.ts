import type { RecordKind } from '../schema/record.ts'
import { QueryError } from './error.ts'
import { parseFilter } from './filter/parse.ts'
import { Parameters, filterSql } from './filter/sql.ts'
import type { Asking } from './query.ts'
import { statementSettings } from './query.ts'
import { readRange } from './range.ts'
import { jsonValue } from './value.ts'
import { keepingTo } from './visible.ts'

/** A record with `id`, which is the same whenever the record is read. */
export type Row = Record<string, unknown> & { id: string }

export interface Page {
  rows: Row[]
  /** Cursor of the next page; absent on the last. */
  next?: string
}

export interface RecordsQuery {
  from?: string
  to?: string
  where?: string
  limit: number
  cursor?: string
}

/** Where a page ended: the time and id of its last record, and how many records of that time, and of that time and id, were sent. */
interface Cursor {
  time: number
  id: string
  sent: number
  /** Records that are the same in every field have one id. */
  same: number
}

const firstWindowMicros = 60e6
const windowGrowth = 8

/** Of which attribution a record is says nothing of it. */
const notOfRecord = ['revision', 'provisional']

/** The number that stands for the whole record. */
export function recordId({ fields }: RecordKind): string {
  const own = Object.keys(fields).filter(name => !notOfRecord.includes(name))
  return `lower(hex(cityHash64(${own.join(', ')})))`
}

/** The columns of a kind as the API gives them, and the number that stands for the whole record. */
export function recordColumns(kind: RecordKind): string {
  return [...Object.keys(kind.fields), 'toUnixTimestamp64Micro(time) AS time_micros', `${recordId(kind)} AS id`].join(', ')
}

/** Newest first. Only as much is read as the page needs: the times first, in windows that grow, then the records of those times. */
export async function readRecords(kind: RecordKind, query: RecordsQuery, asking: Asking): Promise<Page> {
  const { now = Date.now(), clickhouse, signal } = asking
  const { visible } = await keepingTo(asking)
  const range = readRange(kind.replacing ? { from: 'now-400d', ...query } : query, now)
  const cursor = query.cursor === undefined ? undefined : readCursor(query.cursor)
  const parameters = new Parameters()
  const filter = parseFilter(query.where ?? '', kind.fields, now)
  const where = [filter && `(${filterSql(filter, parameters)})`, visible.condition(kind, 'time')].filter(Boolean).join(' AND ') || '1'
  const source: Source = { asking, table: `${kind.name}${kind.replacing ? ' FINAL' : ''}`, where, params: parameters.values }
  const to = Math.min(range.to, cursor ? cursor.time + 1 : Infinity)
  const from = await oldestNeeded(source, { from: range.from, to, count: query.limit + 1 + (cursor?.sent ?? 0) })
  const rest = cursor ? 'AND (time < fromUnixTimestamp64Micro({cursor_time:Int64}) OR id >= {cursor_id:String})' : ''
  const { rows } = await clickhouse.query<Record<string, unknown>>(
    `SELECT ${recordColumns(kind)} FROM ${source.table} WHERE ${between} AND ${where} ${rest} ORDER BY time DESC, id LIMIT ${query.limit + 1} OFFSET ${cursor?.same ?? 0}`,
    { params: { ...source.params, from, to, cursor_time: cursor?.time, cursor_id: cursor?.id }, signal, settings: statementSettings },
  )
  return page(kind, rows, query.limit, cursor)
}

interface Source {
  asking: Asking
  table: string
  where: string
  params: Record<string, unknown>
}

const between = 'time >= fromUnixTimestamp64Micro({from:Int64}) AND time < fromUnixTimestamp64Micro({to:Int64})'

/** The time of the last of `count` records before `to`, or `from` when there are fewer. */
async function oldestNeeded(
  { asking, table, where, params }: Source,
  { from, to, count }: { from: number; to: number; count: number },
): Promise<number> {
  for (let width = firstWindowMicros; ; width *= windowGrowth) {
    const start = Math.max(from, to - width)
    const { rows } = await asking.clickhouse.query<{ oldest: number; found: number }>(
      `SELECT toUnixTimestamp64Micro(min(time)) AS oldest, count() AS found
FROM (SELECT time FROM ${table} WHERE ${between} AND ${where} ORDER BY time DESC LIMIT ${count})`,
      { params: { ...params, from: start, to }, signal: asking.signal, settings: statementSettings },
    )
    if (rows[0].found >= count) return rows[0].oldest
    if (start === from) return from
  }
}

function page(kind: RecordKind, found: Record<string, unknown>[], limit: number, cursor?: Cursor): Page {
  const rows = found.slice(0, limit)
  if (found.length <= limit) return { rows: rows.map(row => toRow(kind, row)) }
  const last = rows[limit - 1]
  const [time, id] = [Number(last.time_micros), String(last.id)]
  const moment = rows.filter(row => row.time_micros === time)
  const sent = moment.length + (cursor?.time === time ? cursor.sent : 0)
  const same = moment.filter(row => row.id === id).length + (cursor?.time === time && cursor.id === id ? cursor.same : 0)
  return { rows: rows.map(row => toRow(kind, row)), next: writeCursor({ time, id, sent, same }) }
}

export function toRow({ fields }: RecordKind, row: Record<string, unknown>): Row {
  const values = Object.entries(fields).map(([name, { type }]) => [name, jsonValue(type, row[name])])
  return { id: String(row.id), ...Object.fromEntries(values) }
}

const writeCursor = ({ time, id, sent, same }: Cursor) => Buffer.from(`${time}.${id}.${sent}.${same}`).toString('base64url')

function readCursor(text: string): Cursor {
  const [, time, id, sent, same] =
    /^(\d{1,16})\.([0-9a-f]{1,16})\.(\d{1,9})\.(\d{1,9})$/.exec(Buffer.from(text, 'base64url').toString()) ?? []
  if (!same) throw new QueryError('cursor', `expected the next of an earlier answer, got ${JSON.stringify(text.slice(0, 80))}`)
  return { time: Number(time), id, sent: Number(sent), same: Number(same) }
}
