import { type FieldType, clickhouseTypes } from '../../schema/field.ts'
import type { AddressRange, Condition, Filter, Value } from './ast.ts'

/** Values of a statement, which names them `{p1:String}` and never contains them. */
export class Parameters {
  readonly values: Record<string, unknown> = {}
  #count = 0

  /** The placeholder of a value. */
  add(type: string, value: unknown): string {
    const name = `p${++this.#count}`
    this.values[name] = value
    return `{${name}:${type}}`
  }
}

/** The filter as a condition of ClickHouse's SQL. */
export function filterSql(filter: Filter, parameters: Parameters): string {
  if ('part' in filter) return `NOT (${filterSql(filter.part, parameters)})`
  if ('parts' in filter) return filter.parts.map(part => partSql(part, parameters)).join(` ${filter.op} `)
  if (filter.key !== undefined) return keyedSql(filter, parameters)
  if (filter.op === 'EMPTY') return emptySql(filter)
  if (filter.type === 'address') return addressSql(filter, parameters)
  return filter.type === 'texts' ? textsSql(filter, parameters) : comparisonSql(filter.field, filter, parameters)
}

function partSql(part: Filter, parameters: Parameters): string {
  const sql = filterSql(part, parameters)
  return 'parts' in part || ('type' in part && part.type === 'address') ? `(${sql})` : sql
}

const emptyForms: Partial<Record<FieldType, string>> = {
  text: "''",
  label: "''",
  address: "toIPv6('::')",
  time: 'fromUnixTimestamp64Micro(0)',
}

const isList = (type: FieldType) => ['texts', 'numbers', 'attributes'].includes(type)

function emptySql({ field, type }: Condition): string {
  return isList(type) ? `empty(${field})` : `${field} = ${emptyForms[type] ?? '0'}`
}

/** A key that is not there has the empty text. */
function keyedSql(condition: Condition, parameters: Parameters): string {
  const operand = `${condition.field}[${parameters.add('String', condition.key)}]`
  return condition.op === 'EMPTY' ? `${operand} = ''` : comparisonSql(operand, condition, parameters)
}

/** `operand` is the field, or the variable that stands for one of its texts. */
function comparisonSql(operand: string, { op, type, values }: Condition, parameters: Parameters): string {
  const one = (value: Value) => placeholder(type, value, parameters)
  if (op === 'IN') return `${operand} IN (${values.map(one).join(', ')})`
  if (op === 'BETWEEN') return `${operand} BETWEEN ${one(values[0])} AND ${one(values[1])}`
  return `${operand} ${op} ${one(values[0])}`
}

function placeholder(type: FieldType, value: Value, parameters: Parameters): string {
  if (type === 'time') return `fromUnixTimestamp64Micro(${parameters.add('Int64', value)})`
  if (type === 'label' || type === 'texts') return parameters.add('String', value)
  return parameters.add(clickhouseTypes[type], typeof value === 'bigint' ? String(value) : value)
}

/** A condition on texts holds when it does for one of them. */
function textsSql(condition: Condition, parameters: Parameters): string {
  return `arrayExists(text -> ${comparisonSql('text', condition, parameters)}, ${condition.field})`
}

function addressSql({ field, values }: Condition, parameters: Parameters): string {
  const address = (hex: string) => parameters.add('IPv6', hex.match(/.{4}/g)?.join(':'))
  return (values as AddressRange[])
    .map(({ first, last }) => (first === last ? `${field} = ${address(first)}` : `${field} BETWEEN ${address(first)} AND ${address(last)}`))
    .join(' OR ')
}
