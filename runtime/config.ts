import { readFile } from 'node:fs/promises'
import { Ajv, type ErrorObject } from 'ajv'
import { parse } from 'yaml'
import { ConfigError } from './error.ts'
import { describe } from './log.ts'
import { withoutPasswords } from './secret.ts'

/** Which setting each environment variable stands for, such as WEIR_HTTP_PORT: 'http.port'. */
export type Variables = Readonly<Record<string, string>>

export interface ConfigSource {
  /** JSON Schema of the whole configuration, with defaults. `expected` says in words what a value must be. */
  schema: object
  variables: Variables
  file?: string
  env?: NodeJS.ProcessEnv
  /** Settings from the command line, by path. They win over variables, which win over the file. */
  overrides?: Readonly<Record<string, unknown>>
}

interface Schema {
  type?: string
  expected?: string
  properties?: Record<string, Schema>
}

/** Reads the file, the variables and the command line, fills in defaults and checks the whole. Throws ConfigError. */
export async function loadConfig<T>({ schema, variables, file, env = process.env, overrides = {} }: ConfigSource): Promise<T> {
  const config = file ? await readYaml(file) : {}
  const origin = new Map<string, string>()
  for (const [name, path] of Object.entries(variables)) {
    const value = env[name]
    if (value === undefined || value === '') continue
    assign(config, path, typed(value, schemaAt(schema, path)))
    origin.set(path, name)
  }
  for (const [path, value] of Object.entries(overrides)) {
    if (value === undefined) continue
    assign(config, path, typed(value, schemaAt(schema, path)))
    origin.delete(path)
  }
  const validate = new Ajv({ useDefaults: true, strict: false, verbose: true }).compile(schema)
  // The last error is the outermost: of alternatives, that none fits.
  if (!validate(config)) throw new ConfigError(explain(validate.errors!.at(-1)!, origin))
  return config as T
}

async function readYaml(file: string): Promise<Record<string, unknown>> {
  try {
    const config: unknown = withoutEmpty(parse(await readFile(file, 'utf8'), { logLevel: 'error' }) ?? {})
    if (typeof config !== 'object' || Array.isArray(config)) throw new Error('expected a mapping of settings')
    return config as Record<string, unknown>
  } catch (error) {
    // Errors of YAML name the line, and go on with what stands there: it may be a secret.
    const [reason] = describe(error).split(/:?\n/)
    throw new ConfigError(`cannot read the configuration ${file}: ${reason}`)
  }
}

/** Without the settings and groups that have nothing behind their name: those are as if they were not there. */
function withoutEmpty(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const filled = Object.entries(value).filter(([, inner]) => inner !== null)
  return Object.fromEntries(filled.map(([key, inner]) => [key, withoutEmpty(inner)]))
}

function schemaAt(schema: Schema, path: string): Schema | undefined {
  return path.split('.').reduce<Schema | undefined>((at, key) => at?.properties?.[key], schema)
}

/** What a text means to a setting: variables and options have no types. */
function typed(value: unknown, { type }: Schema = {}): unknown {
  if (typeof value !== 'string') return value
  if ((type === 'number' || type === 'integer') && value.trim() && Number.isFinite(Number(value))) return Number(value)
  if (type === 'boolean' && ['true', 'false'].includes(value)) return value === 'true'
  if (type === 'array') return value.split(',').flatMap(part => part.trim() || [])
  return value
}

/** Leaves alone what is no group, for the check to complain about. */
function assign(config: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop()!
  let at = config
  for (const key of keys) {
    at = (at[key] ??= {}) as Record<string, unknown>
    if (typeof at !== 'object') return
  }
  at[last] = value
}

/** One line: the key, where it was set, the value (unless it is a secret) and what was expected. */
function explain(error: ErrorObject, origin: ReadonlyMap<string, string>): string {
  const at = error.instancePath.slice(1).split('/').map(unescaped).join('.')
  const within = (key: string) => (at ? `${at}.${key}` : key)
  const { properties = {} } = error.parentSchema as Schema
  if (error.keyword === 'additionalProperties') {
    const { additionalProperty } = error.params as { additionalProperty: string }
    return `${within(additionalProperty)}: no such setting, expected one of ${Object.keys(properties).join(', ')}`
  }
  if (error.keyword === 'required') {
    const { missingProperty } = error.params as { missingProperty: string }
    return `${within(missingProperty)}: expected ${properties[missingProperty]?.expected ?? 'a value'}, got nothing`
  }
  const name = origin.get(at)
  return `${at || 'the configuration'}${name ? ` (${name})` : ''}: expected ${expectation(error)}, got ${shown(at, error.data)}`
}

/** Keys in a JSON Pointer. */
const unescaped = (key: string) => key.replaceAll('~1', '/').replaceAll('~0', '~')

const longest = 100

function shown(at: string, value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a group of settings'
  if (/password|secret|token/i.test(at)) return 'a secret'
  if (typeof value !== 'string') return String(value)
  // Before the last @ of what shall be an address is a password, however wrong the rest is.
  const text = withoutPasswords(value).replace(/^(\w+:\/\/)?.*@/s, '$1(hidden)@')
  return JSON.stringify(text.length > longest ? `${text.slice(0, longest)}…` : text)
}

const types: Record<string, string> = {
  object: 'a group of settings',
  array: 'a list',
  string: 'a text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
}

function expectation({ keyword, params, parentSchema, message = '' }: ErrorObject): string {
  const { expected } = parentSchema as Schema
  if (expected) return expected
  if (keyword === 'type') return types[String(params.type)] ?? String(params.type)
  if (keyword === 'enum') return `one of ${(params.allowedValues as unknown[]).join(', ')}`
  if (keyword === 'minimum') return `at least ${String(params.limit)}`
  if (keyword === 'maximum') return `at most ${String(params.limit)}`
  if (keyword === 'exclusiveMinimum') return `more than ${String(params.limit)}`
  if (keyword === 'minLength') return 'a text that is not empty'
  return `a value that ${message}`
}
