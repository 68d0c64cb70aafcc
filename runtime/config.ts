import { readFile } from 'node:fs/promises'
import { Ajv, type ErrorObject } from 'ajv'
import { parse } from 'yaml'
import { ConfigError } from './error.ts'

/** Which setting each environment variable stands for, such as WEIR_HTTP_PORT: 'http.port'. */
export type Variables = Readonly<Record<string, string>>

export interface ConfigSource {
  /** JSON Schema of the whole configuration, with defaults. */
  schema: object
  variables: Variables
  file?: string
  env?: NodeJS.ProcessEnv
  /** Settings from the command line, by path. They win over variables, which win over the file. */
  overrides?: Readonly<Record<string, unknown>>
}

/** Reads the file, the variables and the command line, fills in defaults and checks the whole. Throws ConfigError. */
export async function loadConfig<T>({ schema, variables, file, env = process.env, overrides = {} }: ConfigSource): Promise<T> {
  const config = file ? await readYaml(file) : {}
  const origin = new Map<string, string>()
  for (const [name, path] of Object.entries(variables)) {
    const value = env[name]
    if (value === undefined || value === '') continue
    assign(config, path, value)
    origin.set(path, name)
  }
  for (const [path, value] of Object.entries(overrides)) if (value !== undefined) assign(config, path, value)
  const ajv = new Ajv({ useDefaults: true, coerceTypes: true, allErrors: false, strict: false, verbose: true })
  const validate = ajv.compile(schema)
  if (!validate(config)) throw new ConfigError(explain(validate.errors![0], origin))
  return config as T
}

async function readYaml(file: string): Promise<Record<string, unknown>> {
  const text = await readFile(file, 'utf8').catch(error => {
    throw new ConfigError(`cannot read the configuration ${file}: ${(error as Error).message}`)
  })
  try {
    const config: unknown = parse(text) ?? {}
    if (typeof config !== 'object' || Array.isArray(config)) throw new Error('expected a mapping of settings')
    return config as Record<string, unknown>
  } catch (error) {
    throw new ConfigError(`cannot read the configuration ${file}: ${(error as Error).message}`)
  }
}

function assign(config: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop()!
  let at = config
  for (const key of keys) at = (at[key] ??= {}) as Record<string, unknown>
  at[last] = value
}

/** One line: the key, where it was set, the value (unless it is a secret) and what was expected. */
function explain(error: ErrorObject, origin: ReadonlyMap<string, string>): string {
  const at = error.instancePath.slice(1).replaceAll('/', '.')
  if (error.keyword === 'additionalProperties') {
    const key = [at, (error.params as { additionalProperty: string }).additionalProperty].filter(Boolean).join('.')
    const known = Object.keys((error.parentSchema as { properties?: object }).properties ?? {})
    return `${key}: no such setting, expected one of ${known.join(', ')}`
  }
  if (error.keyword === 'required') return `${at || 'configuration'}: ${error.message}`
  const name = origin.get(at)
  const value = /password|secret|token/i.test(at) ? 'a secret' : JSON.stringify(error.data)
  return `${at}${name ? ` (${name})` : ''}: ${expectation(error)}, got ${value}`
}

function expectation(error: ErrorObject): string {
  const described = (error.parentSchema as { expected?: string }).expected
  if (described) return `expected ${described}`
  if (error.keyword === 'enum') return `expected one of ${(error.params as { allowedValues: unknown[] }).allowedValues.join(', ')}`
  return `expected what ${error.message?.replace(/^must /, 'must ')}`
    .replace('what must be', 'a value that is')
    .replace('what must', 'a value that must')
}
