import type { FieldType } from '../../schema/field.ts'
import type { AddressRange, Condition, Filter, Value } from '../../query-api/filter/ast.ts'
import { readRange } from '../../query-api/filter/value.ts'

export type Predicate = (record: Readonly<Record<string, unknown>>) => boolean

/** What a filter means, as a function of records as plain objects: what `filterSql` is held to. An absent field is its type's zero. */
export function filterPredicate(filter: Filter): Predicate {
  if ('part' in filter) {
    const part = filterPredicate(filter.part)
    return record => !part(record)
  }
  if ('parts' in filter) {
    const parts = filter.parts.map(filterPredicate)
    return filter.op === 'AND' ? record => parts.every(part => part(record)) : record => parts.some(part => part(record))
  }
  return conditionPredicate(filter)
}

type Test = (value: never) => boolean

function conditionPredicate(condition: Condition): Predicate {
  const { field, key, type } = condition
  if (type === 'texts') return textsPredicate(condition)
  const test = (type === 'address' ? addressTest(condition) : scalarTest(condition)) as (value: unknown) => boolean
  const zero = zeros[type] ?? 0
  if (key !== undefined) return record => test((record[field] as Record<string, string> | undefined)?.[key] ?? zero)
  return record => test(record[field] ?? zero)
}

const zeros: Partial<Record<FieldType, unknown>> = { text: '', label: '', address: '', bool: false }

function textsPredicate(condition: Condition): Predicate {
  const { field, op } = condition
  const texts = (record: Readonly<Record<string, unknown>>) => (record[field] ?? []) as string[]
  if (op === 'EMPTY') return record => texts(record).length === 0
  const test = scalarTest(condition) as (text: string) => boolean
  return record => texts(record).some(test)
}

function addressTest({ op, values }: Condition): Test {
  const ranges = op === 'EMPTY' ? [readRange('') as AddressRange] : (values as AddressRange[])
  return (text: string) => {
    const address = readRange(text)?.first ?? ''
    return ranges.some(({ first, last }) => address >= first && address <= last)
  }
}

function scalarTest({ op, type, values }: Condition): Test {
  if (op === 'LIKE' || op === 'ILIKE') {
    const expression = likeExpression(String(values[0]), op === 'ILIKE')
    return (text: string) => expression.test(text)
  }
  const to = (value: unknown, i = 0) => compare(value as Value, values[i])
  const tests: Record<Exclude<Condition['op'], 'LIKE' | 'ILIKE'>, (value: unknown) => boolean> = {
    '=': value => to(value) === 0,
    '<': value => to(value) < 0,
    '<=': value => to(value) <= 0,
    '>': value => to(value) > 0,
    '>=': value => to(value) >= 0,
    IN: value => values.some((_, i) => to(value, i) === 0),
    BETWEEN: value => to(value) >= 0 && to(value, 1) <= 0,
    EMPTY: value => value === (zeros[type] ?? 0),
  }
  return tests[op]
}

/** Texts by their bytes, as ClickHouse does; numbers and big numbers by their value. */
function compare(a: Value, b: Value): number {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}

/** LIKE as ClickHouse reads it: `%` any text, `_` any character, `\` before `%`, `_` or `\` takes it as it is. */
function likeExpression(pattern: string, ignoreCase: boolean): RegExp {
  const body = pattern.replace(/\\([%_\\])|%|_|[\s\S]/gu, (part, escaped: string | undefined) => {
    if (escaped) return literal(escaped)
    if (part === '%') return '.*'
    return part === '_' ? '.' : literal(part)
  })
  return new RegExp(`^${body}$`, ignoreCase ? 'sui' : 'su')
}

const literal = (character: string) => character.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
