import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { loadConfig } from '../../runtime/config.ts'
import { ConfigError } from '../../runtime/error.ts'

const group = (properties: object, required: string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  default: {},
  properties,
  required,
})
const port = { type: 'integer', minimum: 1, maximum: 65535, expected: 'a port from 1 to 65535' }
const schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    http: group({ port: { ...port, default: 8080 }, host: { type: 'string', minLength: 1, default: 'localhost' } }),
    store: group({
      url: { type: 'string', pattern: '^https?://', expected: 'http://user:password@host:port' },
      password: { type: 'integer' },
    }),
    rate: { type: 'number', minimum: 1, maximum: 9, default: 2 },
    mode: { enum: ['slow', 'fast'], default: 'slow' },
    hosts: { type: 'array', items: { type: 'string' }, default: [] },
    tls: { expected: 'true, false or a group', anyOf: [{ type: 'boolean' }, group({ ca: { type: 'string' } })] },
    hubble: { ...group({ address: { type: 'string', expected: 'host:port' } }, ['address']), default: undefined },
  },
}
const variables = {
  WEIR_HTTP_PORT: 'http.port',
  WEIR_STORE_URL: 'store.url',
  WEIR_RATE: 'rate',
  WEIR_HOSTS: 'hosts',
  WEIR_TLS: 'tls',
  WEIR_HUBBLE_ADDRESS: 'hubble.address',
}

const directory = mkdtempSync(path.join(tmpdir(), 'weir-config-'))
test.after.always(() => rmSync(directory, { recursive: true, force: true }))
let files = 0

interface Given {
  yaml?: string
  env?: NodeJS.ProcessEnv
  overrides?: Record<string, unknown>
}

function load({ yaml, env = {}, overrides }: Given) {
  const file = yaml === undefined ? undefined : path.join(directory, `${++files}.yaml`)
  if (file) writeFileSync(file, yaml!)
  return loadConfig<Record<string, unknown>>({ schema, variables, file, env, overrides })
}

const wrong: Record<string, [Given, string | RegExp]> = {
  'a setting that does not exist': [{ yaml: 'htp: {}' }, /^htp: no such setting, expected one of http, store, rate, /],
  'a nested one': [{ yaml: 'http: {prot: 1}' }, 'http.prot: no such setting, expected one of port, host'],
  'a wrong type': [{ yaml: 'http: {port: eighty}' }, 'http.port: expected a port from 1 to 65535, got "eighty"'],
  'a truth value for a number': [{ yaml: 'http: {port: true}' }, 'http.port: expected a port from 1 to 65535, got true'],
  'a list for a group': [{ yaml: 'http: [1]' }, 'http: expected a group of settings, got a list'],
  'a group for a text': [{ yaml: 'http: {host: {a: 1}}' }, 'http.host: expected a text, got a group of settings'],
  'out of range': [{ yaml: 'http: {port: 65536}' }, 'http.port: expected a port from 1 to 65535, got 65536'],
  'too little': [{ yaml: 'rate: 0' }, 'rate: expected at least 1, got 0'],
  'too much': [{ yaml: 'rate: 10' }, 'rate: expected at most 9, got 10'],
  'none of the choices': [{ yaml: 'mode: medium' }, 'mode: expected one of slow, fast, got "medium"'],
  'an empty text': [{ yaml: 'http: {host: ""}' }, 'http.host: expected a text that is not empty, got ""'],
  'none of the alternatives': [{ yaml: 'tls: 5' }, 'tls: expected true, false or a group, got 5'],
  'a group without what it needs': [{ yaml: 'hubble: {}' }, 'hubble.address: expected host:port, got nothing'],
  'a variable of the wrong type': [
    { env: { WEIR_HTTP_PORT: 'abc' } },
    'http.port (WEIR_HTTP_PORT): expected a port from 1 to 65535, got "abc"',
  ],
  'a variable out of range': [{ env: { WEIR_RATE: '0' } }, 'rate (WEIR_RATE): expected at least 1, got 0'],
  'a blank variable': [{ env: { WEIR_RATE: ' ' } }, 'rate (WEIR_RATE): expected a number, got " "'],
  'a variable within what is no group': [{ yaml: 'http: 5', env: { WEIR_HTTP_PORT: '80' } }, 'http: expected a group of settings, got 5'],
  'an option over a variable': [{ env: { WEIR_RATE: '3' }, overrides: { rate: 'x' } }, 'rate: expected a number, got "x"'],
  'a password in a URL': [
    { env: { WEIR_STORE_URL: 'htp://weir:hunt/er@2@db:8123' } },
    'store.url (WEIR_STORE_URL): expected http://user:password@host:port, got "htp://(hidden)@db:8123"',
  ],
  'a password without a scheme': [{ yaml: 'store: {url: "weir:hunter2@db"}' }, /got "\(hidden\)@db"$/],
  'a secret by its name': [{ yaml: 'store: {password: hunter2}' }, 'store.password: expected a whole number, got a secret'],
  'a very long value': [{ env: { WEIR_RATE: 'x'.repeat(1000) } }, /^.{130,180}…"$/],
  'a file that is no mapping': [{ yaml: '- 1' }, /yaml: expected a mapping of settings$/],
  'broken YAML': [{ yaml: 'http:\n  port: 1\n bad' }, /^cannot read the configuration .*yaml: .*at line 3, column 1$/],
  'a secret in broken YAML': [{ yaml: 'a: b\nstore: {password: "hunter2' }, /at line 2, column 27$/],
  'a key twice': [{ yaml: 'rate: 1\nrate: 2' }, /unique at line 2/],
}

for (const [what, [given, message]] of Object.entries(wrong))
  test(`${what} is refused on one line that says where and what was expected`, async t => {
    const error = await t.throwsAsync(load(given), { instanceOf: ConfigError })
    if (typeof message === 'string') t.is(error.message, message)
    else t.regex(error.message, message)
    t.notRegex(error.message, /\n|hunt/)
  })

test('a file that cannot be read is named', async t => {
  const read = (file: string) => loadConfig({ schema, variables, file, env: {} })
  await t.throwsAsync(read('/nowhere/weir.yaml'), {
    instanceOf: ConfigError,
    message: /^cannot read the configuration \/nowhere\/weir.yaml: ENOENT/,
  })
  await t.throwsAsync(read(directory), { instanceOf: ConfigError, message: /EISDIR/ })
})

const right: Record<string, [Given, Record<string, unknown>]> = {
  'defaults fill what is not said': [{}, { http: { port: 8080, host: 'localhost' }, rate: 2 }],
  'an empty file and empty groups are as if they were not there': [
    { yaml: 'http:\nrate:\nhubble:\n' },
    { http: { port: 8080, host: 'localhost' }, rate: 2 },
  ],
  'options win over variables, which win over the file': [
    {
      yaml: 'rate: 3\nhttp: {port: 1, host: a}\nhosts: [x]',
      env: { WEIR_RATE: '4', WEIR_HTTP_PORT: '2' },
      overrides: { 'http.port': '5' },
    },
    { rate: 4, http: { port: 5, host: 'a' }, hosts: ['x'] },
  ],
  'an empty variable is none': [{ yaml: 'rate: 3', env: { WEIR_RATE: '' } }, { rate: 3 }],
  'an undefined option is none': [{ yaml: 'rate: 3', overrides: { rate: undefined } }, { rate: 3 }],
  'a list in a variable is separated by commas': [{ env: { WEIR_HOSTS: 'a, b,' } }, { hosts: ['a', 'b'] }],
  'a variable makes its group': [{ env: { WEIR_HUBBLE_ADDRESS: 'relay:80' } }, { hubble: { address: 'relay:80' } }],
}

for (const [what, [given, expected]] of Object.entries(right)) test(what, async t => t.like(await load(given), expected))
