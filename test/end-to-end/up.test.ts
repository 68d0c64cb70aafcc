import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { until } from '../helpers/wait.ts'
import { type TestWeir, ask, countBy, runCli, startWeir } from '../helpers/weir.ts'

interface Ready {
  status: number
  body: { ready: boolean; reasons: string[]; warnings: string[] }
}

async function readyz({ url }: TestWeir): Promise<Ready> {
  const response = await ask(`${url}/readyz`)
  return { status: response.status, body: (await response.json()) as Ready['body'] }
}

const lines = ({ output }: TestWeir, pattern: RegExp) =>
  output()
    .split('\n')
    .filter(line => pattern.test(line))
const flows = ({ url }: TestWeir) => countBy(url, 'flow', 'verdict', { from: 'now-2h', to: 'now' })
const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0)
const gone = (weir: TestWeir) => until('every process to end', () => weir.processes().length === 0, { timeoutMs: 10_000 })

/** A Node on the path that is too old for weir itself. */
function oldNode(): string | undefined {
  const found = (process.env.PATH ?? '').split(':').map(directory => path.join(directory, 'node'))
  return found.find(node => {
    try {
      return Number(/^v(\d+)/.exec(execFileSync(node, ['--version'], { encoding: 'utf8' }))?.[1]) < 24
    } catch {
      return false
    }
  })
}

test.serial('Ctrl-C, SIGTERM and kill -9 leave nothing behind, and the next start goes on with the data', async t => {
  t.timeout(400_000)
  const node = oldNode() ?? process.execPath
  t.log(node)
  await using weir = await startWeir(['--demo', '--rate', '50'], {}, { node })
  const before = await until('flows', async () => sum(await flows(weir)))

  t.is(await weir.stop(), 0)
  await gone(weir)
  t.deepEqual(lines(weir, /"level":"(warn|error)"/), [])

  await weir.start()
  t.true(sum(await flows(weir)) >= before)
  weir.kill('weir', 'SIGTERM')
  t.is(await weir.ended(), 0)
  await gone(weir)

  await weir.start()
  weir.kill('weir')
  await weir.ended()
  await weir.start()
  t.is((await readyz(weir)).status, 200)
  t.deepEqual(lines(weir, /"level":"error"|"service died"/), [])
  weir.kill('weir')
  await weir.ended()
  await gone(weir)
})

test.serial('a directory in use is refused, and readyz says what is away until it is back', async t => {
  t.timeout(400_000)
  await using weir = await startWeir(['--demo', '--rate', '50'])
  const second = await runCli(['--data', weir.dataDir, 'up', '--port', '1'])
  t.is(second.code, 2)
  t.regex(
    second.stderr,
    /^weir: data_dir \(WEIR_DATA_DIR\): data directory \S+ is in use by process \d+: stop it or choose another directory\n$/,
  )

  weir.kill('clickhouse', 'SIGSTOP')
  await until('readyz to say so', async () => (await readyz(weir)).status === 503)
  t.true((await readyz(weir)).body.reasons.some(reason => reason.startsWith('clickhouse: no answer')))
  weir.kill('clickhouse', 'SIGCONT')
  await weir.ready()

  weir.kill('enrich')
  await until(
    'readyz to say so',
    async () => (await readyz(weir)).body.reasons.some(reason => reason.includes('SIGKILL, starting again')),
    {
      everyMs: 10,
    },
  )
  await weir.ready()

  const run = (...args: string[]) => runCli(args, { WEIR_URL: weir.url })
  await until('flows', async () => sum(await flows(weir)) > 0)
  const json = await run('flows', '--from', 'now-2h', '--limit', '3', '-o', 'json', '--where', 'protocol = tcp')
  t.is(json.code, 0, json.stderr)
  t.deepEqual(
    json.stdout
      .trim()
      .split('\n')
      .map(line => (JSON.parse(line) as { protocol: string }).protocol),
    ['tcp', 'tcp', 'tcp'],
  )
  t.regex((await run('requests', '--from', 'now-2h', '--limit', '1')).stdout, /^\S+Z \S+ -> \S+ (request|response) /)
  t.regex((await run('query', 'flows,drops', '--by', 'src_namespace', '--from', 'now-2h')).stdout, /src_namespace/)
  const wrong = await run('flows', '--where', 'verdict = dropped AND nonsense = 1')
  t.is(wrong.code, 2)
  t.regex(wrong.stderr, /^weir: .*nonsense.*\n {2}verdict = dropped AND nonsense = 1\n {24}\^{8}\n$/)
  t.is((await run('query', 'nonsense')).code, 2)
  t.regex((await run('query', 'flows', '--top', 'x')).stderr, /expected a whole number from 1, got "x"/)
  t.is(await weir.stop(), 0)
})

test.serial('without a Hubble it is up and says how to connect one', async t => {
  await using weir = await startWeir(['--no-demo'])
  const says = /collect: sources: no source is configured.*collect.hubble.address \(WEIR_HUBBLE_ADDRESS\)/
  const { status } = await until('the warning', async () => {
    const answer = await readyz(weir)
    return says.test(answer.body.warnings.join()) && answer
  })
  t.is(status, 200)
  const reason = await until('the reason', async () => {
    const quality = (await (await ask(`${weir.url}/api/v1/quality`)).json()) as { services: Record<string, { reason?: string }> }
    return quality.services.collect?.reason
  })
  t.regex(reason, /WEIR_HUBBLE_ADDRESS/)
  t.is(await weir.stop(), 0)
})

test.serial('a Hubble out of reach is told once and does not make weir unready', async t => {
  await using weir = await startWeir(['--demo'], { WEIR_HUBBLE_ADDRESS: '127.0.0.1:1' })
  const { body } = await until('the reason', async () => {
    const answer = await readyz(weir)
    return answer.body.warnings.join().includes('ECONNREFUSED') && answer
  })
  t.true(body.ready)
  await sleep(2000)
  t.is(lines(weir, /cannot reach Hubble yet/).length, 1)
  t.is(lines(weir, /a Hubble is configured: no demo traffic/).length, 1)
  t.is(lines(weir, /127.0.0.1:1\b.*ECONNREFUSED/).length, 1)
  t.is(await weir.stop(), 0)
})

test.serial('what cannot work is told within seconds, before anything is started', async t => {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-up-'))
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  await writeFile(path.join(directory, 'file'), '')
  const cases: [string[], NodeJS.ProcessEnv, RegExp][] = [
    [
      ['--data', path.join(directory, 'a'), 'up'],
      { WEIR_HTTP_PORT: String(port) },
      new RegExp(`http.port \\(WEIR_HTTP_PORT\\): port ${port} of 127.0.0.1 is taken`),
    ],
    [
      ['--data', path.join(directory, 'b'), 'up'],
      { WEIR_HTTP_HOST: '203.0.113.9' },
      /http.host \(WEIR_HTTP_HOST\): expected an address of this machine, got "203.0.113.9"/,
    ],
    [
      ['--data', path.join(directory, 'file/c'), 'up'],
      {},
      /data_dir \(WEIR_DATA_DIR\): expected a directory that can be written to, got ".*\/file\/c": ENOTDIR/,
    ],
    [['--data', path.join(directory, 'd'), 'up', '--port', '0'], {}, /http.port: expected a port from 1 to 65535, got 0/],
    [
      ['--data', path.join(directory, 'e'), 'up'],
      { WEIR_BUS_PATH: path.join(directory, 'file/bus'), WEIR_HTTP_PORT: '65531' },
      /bus.path \(WEIR_BUS_PATH\): expected a file for the bus, got/,
    ],
  ]
  for (const [args, env, expected] of cases) {
    const start = Date.now()
    const { code, stderr } = await runCli(args, env)
    t.is(code, 2, stderr)
    t.regex(stderr, expected)
    t.is(stderr.trim().split('\n').length, 1, stderr)
    t.true(Date.now() - start < 10_000)
  }
  taken.close()
  await rm(directory, { recursive: true })
})

test.serial('it runs through a link, from any directory and with an older Node, and passes exit codes on', async t => {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-link-'))
  const link = path.join(directory, 'weir')
  await symlink(path.resolve('deploy/weir.js'), link)
  for (const node of [process.execPath, oldNode() ?? process.execPath]) {
    const run = (...args: string[]) => runCli(args, {}, { node, cli: link, cwd: directory })
    t.regex((await run('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
    t.is((await run('config', 'check')).code, 0)
    t.is((await run('nonsense')).code, 2)
  }
  await rm(directory, { recursive: true })
})
