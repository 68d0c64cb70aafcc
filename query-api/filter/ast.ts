import type { FieldType } from '../../schema/field.ts'

/** Addresses from the first to the last, both in 16-byte form as lower-case hexadecimal. */
export interface AddressRange {
  first: string
  last: string
}

/** A time is microseconds since 1970. */
export type Value = string | number | bigint | boolean | AddressRange

export const comparisons = ['=', '<', '<=', '>', '>='] as const
export type Operator = (typeof comparisons)[number] | 'IN' | 'LIKE' | 'ILIKE' | 'BETWEEN' | 'EMPTY'

/** `!=`, `NOT IN` and their like are the negation of their positive form. */
export interface Condition {
  op: Operator
  field: string
  /** Of a map, the key whose value is meant: '' where it has none. */
  key?: string
  /** Type of the field, or of the map's value. */
  type: FieldType
  values: Value[]
}

export type Filter = Condition | { op: 'AND' | 'OR'; parts: Filter[] } | { op: 'NOT'; part: Filter }

/** Names of the fields a filter reads. */
export function fieldsOf(filter: Filter): string[] {
  if ('parts' in filter) return filter.parts.flatMap(fieldsOf)
  return 'part' in filter ? fieldsOf(filter.part) : [filter.field]
}

/** Whether all that passes a filter has one and the same value of a field. */
export function isOneOf(filter: Filter | undefined, field: string): boolean {
  if (!filter || 'part' in filter) return false
  if (!('parts' in filter)) return filter.field === field && (filter.op === '=' || filter.op === 'IN') && filter.values.length === 1
  return filter.op === 'AND'
    ? filter.parts.some(part => isOneOf(part, field))
    : filter.parts.length === 1 && isOneOf(filter.parts[0], field)
}
