import type { Field, FieldType } from './field.ts'
import { type Metric, metrics } from './metric.ts'
import { type KindName, type RecordKind, kinds } from './record.ts'

/** What one can group and filter by. */
export interface Dimension {
  name: string
  kind: KindName
  type: FieldType
  about: string
  /** low: kept in the rollups. medium: repeats. high: nearly every record its own. */
  cardinality: 'low' | 'medium' | 'high'
  /** Whether the rollups can answer questions about it. */
  rollup: boolean
  /** Whether one can ask by it, and not filter only. */
  groupable: boolean
  unit?: string
  values?: readonly string[]
  /** How many distinct texts of a source are kept in an hour; the others are one, `__overflow__`. */
  distinct?: number
}

export interface Catalog {
  kinds: { name: KindName; about: string; rollups: boolean; days: number }[]
  dimensions: Dimension[]
  metrics: Omit<Metric, 'calculation'>[]
}

function cardinalityOf({ rollup, type, values }: Field): Dimension['cardinality'] {
  if (rollup || values || type === 'bool') return 'low'
  return type === 'label' || type === 'uint8' ? 'medium' : 'high'
}

/** Dimensions of a kind, in the order of its fields. */
export function dimensionsOf(kind: KindName): Dimension[] {
  const { fields, measures }: RecordKind = kinds[kind]
  return Object.entries(fields).map(([name, field]) => ({
    name,
    kind,
    type: field.type,
    about: field.about,
    cardinality: cardinalityOf(field),
    rollup: Boolean(measures && field.rollup),
    groupable: !['time', 'texts', 'float64', 'numbers', 'attributes'].includes(field.type) && !field.unit,
    unit: field.unit,
    values: field.values,
    distinct: field.distinct,
  }))
}

const described = ({ name, title, kinds, about, unit, signal, approximate, within }: Metric) => ({
  name,
  title,
  kinds,
  about,
  unit,
  signal,
  approximate,
  within,
})

/** Everything one can ask, as the API publishes it. */
export function catalog(): Catalog {
  const all: [string, RecordKind][] = Object.entries(kinds)
  return {
    kinds: all.map(([name, { about, measures, days }]) => ({ name: name as KindName, about, rollups: Boolean(measures), days })),
    dimensions: all.flatMap(([name]) => dimensionsOf(name as KindName)),
    metrics: [...metrics.values()].map(described),
  }
}
