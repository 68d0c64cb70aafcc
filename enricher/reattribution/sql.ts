import { claimableFields } from '../../schema/ends.ts'
import { type Reattribution, hourSeconds, replacedSql, seenSql } from '../../schema/reattribution.ts'
import type { Field } from '../../schema/field.ts'
import { type RecordKind, collectedFields } from '../../schema/record.ts'
import { toldDirection } from '../steps/vantage.ts'

/** What an end is known by, to see whether that has changed. */
export const namedBy = ['namespace', 'pod', 'workload', 'node', 'service'] as const

/** What a column is called that holds what was stored, beside one of what the source said. */
export const stored = (name: string) => `stored_${name}`

export const storedColumns: ReadonlySet<string> = new Set(
  ['src', 'dst'].flatMap(end => [...namedBy, 'attribution_reason'].map(name => stored(`${end}_${name}`))),
)

/** What of a column is not its default. */
function usedSql(name: string, { type, values, default: number = 0 }: Field): string {
  if (type === 'label' || type === 'text') return `${name} != '${values?.[0] ?? ''}'`
  if (type === 'address') return `${name} != toIPv6('::')`
  if (type === 'time') return `toUnixTimestamp64Micro(${name}) != 0`
  return ['texts', 'numbers', 'attributes'].includes(type) ? `notEmpty(${name})` : `${name} != ${number}`
}

/** Columns a collector writes, and those that say how an end was known. */
const readNames = (kind: RecordKind) => [
  ...collectedFields(kind).map(([name]) => name),
  ...[...storedColumns].map(name => name.slice(stored('').length)).filter(name => kind.fields[name].filledBy),
]

/** For each column of records for which the condition holds whether one of them has more in it than the default: what nobody filled is not read. */
export function usedColumnsSql(kind: RecordKind, table: string, condition: string): string {
  const ends = ['src_claimed', 'dst_claimed'].map(name => `groupBitOr(${name}) AS ${name}`)
  const columns = readNames(kind).map(name => `max(${usedSql(`row.${name}`, kind.fields[name])}) AS used_${name}`)
  return `SELECT ${[...columns, ...ends].join(', ')}\nFROM ${table} AS row\nWHERE ${condition}`
}

/** A row of `usedColumnsSql`. */
export type UsedColumns = Readonly<Record<string, number | boolean>>

/** Records of `table`, the earlier ones first as far as they are sorted so, as their collector wrote them: what the enricher had completed is taken back. With them how each end was known. */
export function collectedSql(kind: RecordKind, table: string, condition: string, used: UsedColumns): string {
  const isUsed = (name: string) => name === 'time' || Boolean(used[`used_${name}`])
  const isClaimed = (name: string) => {
    const { end, bit } = claimOf(name)
    return bit < 0 || (Number(used[`${end}_claimed`]) & (1 << bit)) > 0
  }
  const collected = collectedFields(kind).map(([name]) => name)
  const columns = collected.filter(name => isUsed(name) && isClaimed(name)).map(name => `${givenSql(kind, name)} AS ${name}`)
  const before = [...storedColumns]
    .filter(name => isUsed(name.slice(stored('').length)))
    .map(name => `row.${name.slice(stored('').length)} AS ${name}`)
  return `SELECT ${[...columns, ...before].join(', ')}\nFROM ${table} AS row\nWHERE ${condition}\nORDER BY toStartOfFiveMinutes(row.time)`
}

/** A name that was found stays: what answers of DNS said then may be forgotten. */
const kept = 'dns_name'

function claimOf(name: string): { end: string; bit: number } {
  const [, end = '', field] = /^(src|dst)_(\w+)$/.exec(name) ?? []
  if (field === kept) return { end, bit: -1 }
  return { end, bit: claimableFields.indexOf(field as (typeof claimableFields)[number]) }
}

function givenSql(kind: RecordKind, name: string): string {
  if (name === 'direction' && 'direction_found' in kind.fields) return toldDirection(kind, 'row')
  const { end, bit } = claimOf(name)
  if (bit < 0) return `row.${name}`
  return `CAST(if(bitTest(row.${end}_claimed, ${bit}), row.${name}, ''), 'LowCardinality(String)')`
}

const at = (seconds: number) => `toDateTime(${seconds}, 'UTC')`
const withinSql = (time: string, from: number, to: number) => `${time} >= ${at(from)} AND ${time} < ${at(to)}`

/** Rows of an hour that are to be replaced. */
export const replacedIn = (state: Pick<Reattribution, 'tag' | 'provisional'>, hour: number, time = 'time') =>
  `${withinSql(time, hour, hour + hourSeconds)} AND ${replacedSql(state)}`

/** Rows of hours that show what replaces them, and shall not be seen any more. */
export const hiddenIn = (state: Reattribution, to: number, time: string) =>
  `${withinSql(time, state.cleaned, to)} AND NOT ${seenSql(state, time) ?? '1'}`
