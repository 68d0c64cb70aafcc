import { type RecordKind, kinds } from '../schema/record.ts'
import { identityChecks } from '../schema/vocabulary.ts'
import { coverage } from './coverage.ts'
import { type End, endFields, endOf } from './end.ts'
import { parseFilter } from './filter/parse.ts'
import { Parameters, filterSql } from './filter/sql.ts'
import { type Meta, mergeMeta } from './meta.ts'
import { type Asking, type Cell, statementSettings } from './query.ts'
import { readRange } from './range.ts'
import { recordId } from './records.ts'
import { writeTime } from './time.ts'
import { type Visible, keepingTo } from './visible.ts'
import { whereOf } from './where.ts'

export interface DriftQuery {
  from?: string
  to?: string
  where?: string
  limit: number
}

/** An identity that is not what it should be, on one edge. */
export interface Drift {
  /** The same for the same drift in every answer. */
  id: string
  kind: 'flow' | 'request'
  /** What is wrong, as `identity_check` has it. */
  check: string
  /** Whose identity it is. */
  end: 'client' | 'server'
  client: End
  server: End
  /** Port of the server. */
  port: number
  /** SPIFFE ID that was shown; '' where none was. */
  seen: string
  /** SPIFFE IDs that would have been right, or the policy that demanded one. */
  expected: string[]
  /** Records that tell of it, of every reporter. */
  count: number
  first_seen: string
  last_seen: string
  /** The newest of them. */
  record: { kind: 'flow' | 'request'; id: string; time: string }
}

export interface DriftAnswer {
  rows: Drift[]
  /** How often identities were checked, by what came out. */
  checks: { kind: string; check: string; count: number }[]
  meta: Meta
}

const level = 'workload'
const wrong = identityChecks.filter(check => check !== '' && check !== 'agrees')
const isWrong = (end: string) => `${end}_identity_check IN (${wrong.map(check => `'${check}'`).join(', ')})`
const between = 'time >= fromUnixTimestamp64Micro({from:Int64}) AND time < fromUnixTimestamp64Micro({to:Int64})'
const keys = ['end', 'check', 'seen', 'expected', 'port', ...['src', 'dst'].flatMap(end => endFields[level].map(name => `${end}_${name}`))]

/** Identities that are not what they should be, by edge and kind of mistake, the most frequent first. */
export async function drift(query: DriftQuery, given: Asking): Promise<DriftAnswer> {
  const asking = await keepingTo(given)
  const about = whereOf(query.where, asking.now)
  const asked = [kinds.flow, kinds.request].filter(({ name }) => about[name as 'flow'])
  const answers = await Promise.all(asked.map(kind => driftOf(kind, query, asking)))
  const rows = answers.flatMap(({ rows }) => rows).sort((a, b) => b.count - a.count || (a.id < b.id ? -1 : 1))
  const meta = mergeMeta(answers.map(({ meta }) => meta))
  return {
    rows: rows.slice(0, query.limit),
    checks: answers.flatMap(({ checks }) => checks),
    meta: { ...meta, truncated: meta.truncated || rows.length > query.limit },
  }
}

interface Source {
  kind: RecordKind
  condition: string
  params: Record<string, unknown>
}

async function driftOf(kind: RecordKind, query: DriftQuery, asking: Asking & { visible: Visible }): Promise<DriftAnswer> {
  const { now = Date.now(), clickhouse, signal, visible } = asking
  const range = readRange(query, now)
  const parameters = new Parameters()
  const filter = parseFilter(query.where ?? '', kind.fields, now)
  const asked = filter && `(${filterSql(filter, parameters)})`
  const condition = [between, visible.condition(kind, 'time'), asked].filter(Boolean).join(' AND ')
  const source: Source = { kind, condition, params: { ...parameters.values, ...range } }
  const sql = groupsSql(source, query.limit + 1)
  const rows = <T>(statement: string, more: object = {}) =>
    clickhouse.query<T>(statement, { params: { ...source.params, ...more }, signal, settings: statementSettings })
  const [groups, checks, covered] = await Promise.all([
    rows<Group>(sql),
    rows<{ check: string; count: number }>(checksSql(source)),
    coverage(clickhouse, { kind, ...range }, { now, signal }),
  ])
  const kept = groups.rows.slice(0, query.limit)
  const times = kept.map(({ last }) => last)
  const examples = kept.length ? (await rows<Example>(examplesSql(source), { times })).rows : []
  const idOf = new Map(examples.map(({ number, id }) => [number, id]))
  return {
    rows: kept.map(group => driftFrom(kind, group, idOf.get(group.number) ?? '')),
    checks: checks.rows.map(row => ({ kind: kind.name, ...row })),
    meta: {
      table: kind.name,
      resolution: 0,
      approximate: false,
      estimates: {},
      ...covered,
      from: writeTime(range.from),
      to: writeTime(range.to),
      partial: [],
      truncated: groups.rows.length > query.limit,
      sql,
      params: source.params,
      elapsed_ms: Math.round(groups.statistics.elapsed * 1000),
      rows_read: groups.statistics.rows_read,
    },
  }
}

type Group = Record<string, Cell> & { number: string; count: number; first: number; last: number }
interface Example {
  number: string
  id: string
}

/** Each wrong end of each record, with the client as `src_`: of answers the ends are swapped back. */
function wrongEnds({ kind, condition }: Source, more: readonly string[] = []): string {
  const reply = kind.name === 'flow' ? "orientation = 'reply'" : 'false'
  const ends = (['src', 'dst'] as const).map(end => {
    const facts = ['identity_check', 'spiffe_id', 'identity_expected'].map(name => `toString(${end}_${name})`)
    const isClient = end === 'src' ? `NOT (${reply})` : reply
    return `(if(${isClient}, 'client', 'server'), ${facts.join(', ')})`
  })
  const swapped = endFields[level].flatMap(name => [
    `if(${reply}, dst_${name}, src_${name}) AS client_${name}`,
    `if(${reply}, src_${name}, dst_${name}) AS server_${name}`,
  ])
  const sides = `arrayJoin(arrayFilter(each -> each.2 NOT IN ('', 'agrees'), [${ends.join(', ')}])) AS side`
  const columns = ['time', 'server_port', ...more, ...swapped, sides]
  const inner = `SELECT ${columns.join(', ')} FROM ${kind.name} WHERE ${condition} AND (${isWrong('src')} OR ${isWrong('dst')})`
  const named = ['side.1 AS end', 'side.2 AS check', 'side.3 AS seen', 'side.4 AS expected', 'server_port AS port']
  const places = endFields[level].flatMap(name => [`client_${name} AS src_${name}`, `server_${name} AS dst_${name}`])
  const number = `cityHash64(${keys.join(', ')}) AS edge`
  return `SELECT time, ${[...more.map(column => column.split(' AS ').at(-1)!), ...named, ...places, number].join(', ')}\nFROM (${inner})`
}

const groupsSql = (source: Source, limit: number) =>
  `SELECT toString(edge) AS number, ${keys.map(key => `any(${key}) AS ${key}`).join(', ')},
  count() AS count, toUnixTimestamp64Micro(min(time)) AS first, toUnixTimestamp64Micro(max(time)) AS last
FROM (${wrongEnds(source)}) GROUP BY edge ORDER BY count DESC, number LIMIT ${limit}`

/** The newest record of each group, which is at one of the times: whole records are read of those alone. */
function examplesSql(source: Source): string {
  const within = { ...source, condition: `${source.condition} AND has({times:Array(Int64)}, toUnixTimestamp64Micro(time))` }
  const records = wrongEnds(within, [`${recordId(source.kind)} AS record`])
  return `SELECT toString(edge) AS number, argMax(record, (time, record)) AS id FROM (${records}) GROUP BY edge`
}

const checksSql = ({ kind, condition }: Source) =>
  `SELECT toString(check) AS check, count() AS count
FROM (SELECT arrayJoin([src_identity_check, dst_identity_check]) AS check FROM ${kind.name} WHERE ${condition})
WHERE check != '' GROUP BY check ORDER BY count DESC, check`

function driftFrom(kind: RecordKind, group: Group, id: string): Drift {
  const text = (name: string) => String(group[name] ?? '')
  const name = kind.name as Drift['kind']
  return {
    id: `${name}-${BigInt(group.number).toString(16)}`,
    kind: name,
    check: text('check'),
    end: text('end') as Drift['end'],
    client: endOf(group, 'src', level),
    server: endOf(group, 'dst', level),
    port: Number(group.port),
    seen: text('seen'),
    expected: text('expected').split(',').filter(Boolean),
    count: group.count,
    first_seen: writeTime(group.first),
    last_seen: writeTime(group.last),
    record: { kind: name, id, time: writeTime(group.last) },
  }
}
