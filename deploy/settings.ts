import { configSchema } from './config.ts'

/** The parts of JSON Schema the configuration is described with. */
export interface SettingSchema {
  type?: string
  description?: string
  default?: unknown
  /** The default in words, where it differs from machine to machine. */
  defaultIs?: string
  /** What a value must be, in words. */
  expected?: string
  enum?: readonly unknown[]
  minimum?: number
  maximum?: number
  items?: SettingSchema
  properties?: Readonly<Record<string, SettingSchema>>
  additionalProperties?: boolean | SettingSchema
  anyOf?: readonly SettingSchema[]
}

export interface Setting {
  /** Such as http.port; what is in a list has [] in it. */
  path: string
  /** For people. */
  type: string
  schema: SettingSchema
}

/** Every setting, in the order of the schema; of a group without a description, what is in it. */
export function* settings(schema: SettingSchema = configSchema as SettingSchema, path = ''): Generator<Setting> {
  for (const [name, inner] of Object.entries(propertiesOf(schema))) {
    const own = path ? `${path}.${name}` : name
    if (inner.description || !inner.properties) yield { path: own, type: typeOf(inner), schema: inner }
    yield* settings(inner, own)
    if (inner.items?.properties) yield* settings(inner.items, `${own}[]`)
  }
}

/** The settings within a group, whatever else it may be instead. */
export function propertiesOf({ properties, anyOf = [] }: SettingSchema): Readonly<Record<string, SettingSchema>> {
  return properties ?? anyOf.find(({ properties }) => properties)?.properties ?? {}
}

function typeOf({ type, expected, items, properties, additionalProperties, enum: values, anyOf, minimum, maximum }: SettingSchema): string {
  if (expected) return expected
  if (values) return `one of ${values.join(', ')}`
  if (anyOf) return anyOf.map(typeOf).join(' or ')
  if (items) return items.properties ? 'list of groups' : `list of ${typeOf(items)}`
  if (properties) return 'group'
  if (typeof additionalProperties === 'object') return `${typeOf(additionalProperties)} by name`
  return [type, rangeOf(minimum, maximum)].filter(Boolean).join(' ')
}

function rangeOf(minimum?: number, maximum?: number): string {
  if (minimum !== undefined && maximum !== undefined) return `from ${minimum} to ${maximum}`
  return minimum ? `from ${minimum}` : ''
}
