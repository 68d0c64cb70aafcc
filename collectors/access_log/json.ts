import { ConfigError } from '../../runtime/error.ts'
import { Fields, numberOf } from './fields.ts'
import { type Format, compileFormat } from './format.ts'

/** A format for JSON as Envoy takes it: what each key holds, as a format string or again by keys. */
export interface JsonFormat {
  readonly [key: string]: string | JsonFormat
}

export type JsonObject = Readonly<Record<string, unknown>>

/** Values of a JSON log, those of nested objects under keys joined by dots. */
export type FlatObject = ReadonlyMap<string, string>

const maxKeys = 256
const maxDepth = 8
const maxValueBytes = 1 << 16

/** Names that other products give in their defaults to what Istio's format names otherwise. */
const aliases: Readonly<Record<string, string>> = {
  ':authority': 'authority',
  ':method': 'method',
  ':path': 'path',
  'x-envoy-origin-path': 'path',
  'x-envoy-original-path': 'path',
  'x-envoy-upstream-service-time': 'upstream_service_time',
  'x-forwarded-for': 'x_forwarded_for',
  'x-request-id': 'request_id',
  'user-agent': 'user_agent',
  grpc_status_number: 'grpc_status',
  upstream_request_attempt_count: 'attempts',
  upstream_remote_address: 'upstream_host',
}

/** What a log of Envoy has at least one of, besides its time. */
const telling = ['response_code', 'response_flags', 'upstream_cluster', 'bytes_sent', 'downstream_remote_address']

/** Whether a JSON log that cannot be read to its end was one of ours. */
export const looksLikeJsonLog = (text: string) => /"(?:start_time|response_code|upstream_cluster|src\.addr|client\.addr)"\s*:/.test(text)

/** Flattens an object: numbers and truth values as text, null and lists of nothing left out. */
export function flatten(object: JsonObject, prefix = '', into = new Map<string, string>(), depth = 0): Map<string, string> {
  for (const [key, value] of Object.entries(object)) {
    if (into.size >= maxKeys) break
    const name = prefix + key
    if (typeof value === 'string') into.set(name, value.slice(0, maxValueBytes))
    else if (typeof value === 'number' || typeof value === 'boolean') into.set(name, String(value))
    else if (Array.isArray(value)) into.set(name, JSON.stringify(value).slice(0, maxValueBytes))
    else if (value && depth < maxDepth) flatten(value as JsonObject, `${name}.`, into, depth + 1)
  }
  return into
}

/** Compiled JSON formats: the first that has all keys of a line reads it, else the names that are known do. */
export class JsonFormats {
  readonly #formats: readonly ReadonlyMap<string, Format>[]

  /** Throws ConfigError with the key of what cannot be compiled. */
  constructor(formats: readonly JsonFormat[], where: string) {
    this.#formats = formats.map((format, index) => compileJson(format, `${where}.${index}`))
  }

  /** Finds the fields. False when the object is no access log. */
  read(values: FlatObject, fields: Fields): boolean {
    fields.beginTexts()
    const format = this.#formats.find(keys => [...values.keys()].every(key => keys.has(key)))
    if (format) return readBy(format, values, fields)
    const has = (name: string) => values.has(name)
    if (!has('start_time') || !telling.some(has)) return false
    for (const [key, value] of values) {
      const field = numberOf(Object.hasOwn(aliases, key) ? aliases[key] : key)
      if (field >= 0) fields.setText(field, value)
      else addOther(fields, key, value)
    }
    return true
  }
}

function compileJson(format: JsonFormat, where: string, prefix = '', into = new Map<string, Format>()): Map<string, Format> {
  for (const [key, value] of Object.entries(format)) {
    if (value === null || !['string', 'object'].includes(typeof value))
      throw new ConfigError(`${where}.${prefix}${key}: expected a format string or a mapping, got ${JSON.stringify(value)}`)
    if (typeof value !== 'string') compileJson(value, where, `${prefix}${key}.`, into)
    else if (value.includes('%')) into.set(prefix + key, compileFormat(value, `${where}.${prefix}${key}`))
    else into.set(prefix + key, constant)
  }
  if (!into.size && !prefix) throw new ConfigError(`${where}: expected at least one key`)
  return into
}

/** A value without operators is the same in each line and tells nothing. */
const constant: Format = { scan: () => true }

function readBy(format: ReadonlyMap<string, Format>, values: FlatObject, fields: Fields): boolean {
  for (const [key, value] of values) {
    const { only, scan } = format.get(key)!
    if (value === '' || value === '-') continue
    if (only) {
      if (only.readTime) fields.time = only.readTime(value)
      else if (only.field >= 0) fields.setText(only.field, value)
      else addOther(fields, key, value)
      continue
    }
    const parts = partsOf(scan, value)
    if (!parts) addOther(fields, key, value)
    else take(parts, fields)
  }
  return true
}

/** What a value of several operators holds, found apart so that the fields found before stay. */
function partsOf(scan: Format['scan'], value: string): Fields | undefined {
  const parts = new Fields()
  return scan(Buffer.from(value), parts) ? parts : undefined
}

function take(parts: Fields, fields: Fields): void {
  if (parts.time) fields.time = parts.time
  for (let field = 0; field < parts.starts.length; field++) if (parts.has(field)) fields.setText(field, parts.text(field))
  for (const [name, value] of parts.others) addOther(fields, name, value)
}

function addOther(fields: Fields, name: string, value: string): void {
  if (value !== '' && value !== '-') fields.others.push([name, value])
}
