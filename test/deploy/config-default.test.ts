import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { parse } from 'yaml'
import { settings } from '../../deploy/settings.ts'

const run = promisify(execFile)
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WEIR_')))

const weir = (args: readonly string[], env: Record<string, string> = {}) =>
  run(process.execPath, ['deploy/cli.ts', ...args], { env: { ...environment, ...env } })

test('what config default prints is a configuration itself', async t => {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-config-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const file = path.join(directory, 'weir.yaml')
  const { stdout } = await weir(['config', 'default'])
  await writeFile(file, stdout)
  t.is((await weir(['--config', file, 'config', 'check'])).stdout, 'the configuration is right\n')
  t.is((await weir(['--config', file, 'config', 'default'])).stdout, stdout)
})

test('config default says what each setting means, also of those that have no value', async t => {
  const { stdout } = await weir(['config', 'default'], { WEIR_HUBBLE_ADDRESS: 'relay:80', WEIR_HUBBLE_SHARE_OF: '1' })
  for (const { path: setting, schema } of settings())
    if (schema.description && !/\.tls\.|\[\]|^collect\.(?!hubble\.)\w+\./.test(setting))
      t.true(stdout.includes(`# ${schema.description}`), `${setting}: ${schema.description}`)
})

test('config default prints settings in one order, wherever they come from, and no password', async t => {
  const plain = await weir(['config', 'default'])
  const { stdout } = await weir(['config', 'default'], { WEIR_CLICKHOUSE_URL: 'http://weir:swordfish@store:8123' })
  t.false(stdout.includes('swordfish'))
  t.deepEqual(Object.keys(parse(stdout) as object), Object.keys(parse(plain.stdout) as object))
  t.is((parse(stdout) as { clickhouse: { url: string } }).clickhouse.url, 'http://(hidden)@store:8123')
})
