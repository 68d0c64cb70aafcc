import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { runCli } from '../helpers/weir.ts'

const directory = mkdtempSync(path.join(tmpdir(), 'weir-cli-'))
test.after.always(() => rmSync(directory, { recursive: true, force: true }))
const file = path.join(directory, 'weir.yaml')
writeFileSync(file, 'http:\n  prot: 1\n')

const cases: Record<string, [args: string[], env: NodeJS.ProcessEnv, code: number, output: RegExp]> = {
  'a port that is none': [
    ['config', 'check'],
    { WEIR_HTTP_PORT: 'abc' },
    2,
    /^weir: http.port \(WEIR_HTTP_PORT\): expected a port from 1 to 65535, got "abc"\n$/,
  ],
  'an address that is none': [
    ['config', 'check'],
    { WEIR_HUBBLE_ADDRESS: 'nonsense' },
    2,
    /^weir: collect.hubble.address \(WEIR_HUBBLE_ADDRESS\): expected host:port or .*, got "nonsense"\n$/,
  ],
  'a rate out of range': [
    ['config', 'check'],
    { WEIR_DEMO_RATE: '0' },
    2,
    /^weir: demo.rate \(WEIR_DEMO_RATE\): expected flows a second from 1 to \d+, got 0\n$/,
  ],
  'an option that is no number': [['up', '--rate', 'abc'], {}, 2, /^weir: demo.rate: expected flows a second from 1 to \d+, got "abc"\n$/],
  'an unknown setting of the file': [
    ['--config', file, 'config', 'check'],
    {},
    2,
    /^weir: http.prot: no such setting, expected one of host, port, allowed_hosts\n$/,
  ],
  'a file that is not there': [
    ['config', 'check'],
    { WEIR_CONFIG: '/nowhere.yaml' },
    2,
    /^weir: cannot read the configuration \/nowhere.yaml: ENOENT.*\n$/,
  ],
  'a log level that is none': [
    ['migrate'],
    { WEIR_LOG_LEVEL: 'loud', WEIR_CLICKHOUSE_URL: 'http://127.0.0.1:1' },
    2,
    /^weir: WEIR_LOG_LEVEL: expected one of debug, info, warn, error, got "loud"\n$/,
  ],
  'a ClickHouse password in a wrong URL': [
    ['config', 'check'],
    { WEIR_CLICKHOUSE_URL: 'ftp://weir:hunter2@db:8123' },
    2,
    /got "ftp:\/\/\(hidden\)@db:8123"\n$/,
  ],
  'a ClickHouse that does not answer': [
    ['migrate'],
    { WEIR_CLICKHOUSE_URL: 'http://weir:hunter2@127.0.0.1:1' },
    1,
    /^weir: cannot reach ClickHouse at http:\/\/127.0.0.1:1: /,
  ],
  'the configuration with a password': [
    ['config', 'default'],
    { WEIR_CLICKHOUSE_URL: 'http://weir:hunter2@db:8123' },
    0,
    /url: http:\/\/\(hidden\)@db:8123/,
  ],
  'a cluster without its servers': [
    ['--data', directory, 'up'],
    { WEIR_CLICKHOUSE_CLUSTER: 'prod' },
    2,
    /^weir: clickhouse.cluster \(WEIR_CLICKHOUSE_CLUSTER\): expected with the addresses of its servers in clickhouse.url\n$/,
  ],
  'several servers without their cluster': [
    ['migrate'],
    { WEIR_CLICKHOUSE_URL: 'http://weir:hunter2@db1:8123,http://weir:hunter2@db2:8123' },
    2,
    /^weir: clickhouse.url \(WEIR_CLICKHOUSE_URL\): 2 addresses, expected one, or the name of their cluster in clickhouse.cluster\n$/,
  ],
  'the configuration with passwords': [
    ['config', 'default'],
    { WEIR_CLICKHOUSE_URL: 'http://weir:hunter2@db1:8123,http://weir:hunter2@db2:8123' },
    0,
    /url: http:\/\/\(hidden\)@db1:8123,http:\/\/\(hidden\)@db2:8123/,
  ],
  'no ClickHouse for a service alone': [['--data', directory, 'serve'], {}, 2, /clickhouse.url \(WEIR_CLICKHOUSE_URL\)/],
  'an unknown command': [['nonsense'], {}, 2, /unknown command 'nonsense'/],
  'an unknown option': [['up', '--nonsense'], {}, 2, /unknown option '--nonsense'/],
  help: [['--help'], {}, 0, /^Usage: weir /],
  version: [['--version'], {}, 0, /^\d+\.\d+\.\d+\n$/],
  'a weir that is not there': [
    ['flows', '--url', 'http://127.0.0.1:65530'],
    {},
    1,
    /^weir: cannot reach weir at http:\/\/127.0.0.1:65530: start it with weir up, or say where it is with --url: .*ECONNREFUSED/,
  ],
  'an address of weir that is none': [
    ['flows', '--follow', '--url', 'nonsense'],
    {},
    2,
    /^weir: --url \(WEIR_URL\): expected an address such as/,
  ],
}

for (const [what, [args, env, code, output]] of Object.entries(cases))
  test(`${what}: exit code ${code}`, async t => {
    const { stdout, stderr, code: actual } = await runCli(args, env)
    t.is(actual, code, stderr)
    t.regex(stderr + stdout, output)
    t.notRegex(stderr + stdout, /hunter2|\n\s+at /)
  })
