/** What a field is. Everything else about a record derives from lists of these. */

/** Types a field can have; `clickhouseTypes` says how each is stored. */
export type FieldType =
  | 'bool'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'float64'
  | 'time'
  | 'address'
  | 'text'
  | 'label'
  | 'texts'
  | 'numbers'
  | 'attributes'

/** The column type of each field type. A `label` repeats often: fewer than about 10,000 distinct values a block. */
export const clickhouseTypes = {
  bool: 'Bool',
  uint8: 'UInt8',
  uint16: 'UInt16',
  uint32: 'UInt32',
  uint64: 'UInt64',
  float64: 'Float64',
  time: "DateTime64(6, 'UTC')",
  address: 'IPv6',
  text: 'String',
  label: 'LowCardinality(String)',
  texts: 'Array(String)',
  numbers: 'Array(Float64)',
  attributes: 'Map(String, String)',
} as const satisfies Record<FieldType, string>

export type ClickHouseType = (typeof clickhouseTypes)[FieldType]

/** In place of a text that is one too many of its field. */
export const overflow = '__overflow__'

/** Budgets of labels: of words of a protocol, and of names. */
export const distinctTexts = { few: 1_000, many: 10_000 } as const

export interface Field {
  type: FieldType
  /** One sentence for the reference, the catalogue and the column's comment. */
  about: string
  /** The closed set of values, the first of which is the default. */
  values?: readonly string[]
  /** What a number is when nobody wrote it; 0 when absent. */
  default?: number
  /** The enricher step that writes the column. Collectors leave it out of their blocks. */
  filledBy?: string
  /** The enricher step that fills the column where the source left it empty. */
  completedBy?: string
  /** Kept as a dimension of the rollups. */
  rollup?: true
  /** Looked up by its value: the table knows which of its granules cannot have it. */
  lookup?: true
  /**
   * Of a label that whoever sends traffic can make up: so many distinct texts a source keeps in an hour, and `overflow` in place of all others;
   * in a rollup each is a row of every edge and minute. Who an end is has no such budget, nor what names ends: what is folded is nobody.
   */
  distinct?: number
  /** UCUM unit of a number. */
  unit?: string
}

export type Fields = Readonly<Record<string, Field>>

type ValueOf<F extends Field> = F['type'] extends 'bool'
  ? boolean
  : F['type'] extends 'texts'
    ? string[]
    : F['type'] extends 'numbers'
      ? number[]
      : F['type'] extends 'attributes'
        ? Record<string, string>
        : F['type'] extends 'text' | 'label' | 'address'
          ? F extends { values: readonly (infer V)[] }
            ? V
            : string
          : number

/** A record as a plain object. A `time` is microseconds since 1970, an `address` its text. Absent fields are their type's zero. */
export type RecordOf<F extends Fields> = { -readonly [K in keyof F]?: ValueOf<F[K]> }

type EndNames<F extends Fields, P extends 'src_' | 'dst_'> = { [K in keyof F as `${P}${K & string}`]: F[K] }

/** The same fields for each of the two ends, as `src_…` and `dst_…`. */
export function bothEnds<const F extends Fields>(fields: F): EndNames<F, 'src_'> & EndNames<F, 'dst_'> {
  const named = (prefix: string, end: string) =>
    Object.entries(fields).map(([name, field]) => [prefix + name, { ...field, about: field.about.replace('the end', end) }])
  return Object.fromEntries([...named('src_', 'the source end'), ...named('dst_', 'the destination end')])
}
