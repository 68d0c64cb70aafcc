import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from './wait.ts'

const cli = path.resolve('deploy/weir.js')

export type ProcessName = 'collect' | 'enrich' | 'serve' | 'demo' | 'clickhouse'

/** A whole weir in processes of its own, as a user starts it. */
export interface TestWeir extends AsyncDisposable {
  url: string
  dataDir: string
  /** Output so far. */
  output(): string
  pidOf(name: ProcessName): number | undefined
  /** Every process of it that runs, as ps shows it. */
  processes(): string[]
  kill(name: ProcessName | 'weir', signal?: NodeJS.Signals): void
  /** Starts it again over the same data, after `kill('weir')` or `stop`. */
  start(): Promise<void>
  /** As Ctrl-C on a terminal does; resolves to the exit code. */
  stop(): Promise<number | null>
  /** Resolves to the exit code. */
  ended(): Promise<number | null>
  ready(): Promise<void>
  /** Resolves when the demo, or the Hubble it is told of, is read: what is sent from now on counts. */
  following(): Promise<void>
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** Runs the command line once; resolves to what it printed and its exit code. */
export async function runCli(
  args: string[],
  env: NodeJS.ProcessEnv = {},
  { node = process.execPath, cli: script = cli, cwd = process.cwd() } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(node, [script, ...args], { env: { ...process.env, ...env }, cwd })
  const out = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) child[stream].on('data', chunk => (out[stream] += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...out }
}

export async function startWeir(args: string[], env: NodeJS.ProcessEnv = {}, { node = process.execPath } = {}): Promise<TestWeir> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'weir-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  let child: ChildProcess
  /** Of each start. */
  const groups = new Set<string>()
  let output = ''

  async function start() {
    const printed = output.length
    child = spawn(node, [cli, '--data', dataDir, 'up', '--port', String(port), ...args], {
      env: { ...process.env, ...env },
      // A process group of its own, as a shell gives it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    groups.add(String(child.pid))
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => (output += String(chunk)))
    // Until then an earlier one that was killed may answer at the same port.
    await untilReady(() => output.includes('weir is up', printed))
  }

  const ready = () => untilReady(() => true)

  async function untilReady(isOurs: () => boolean) {
    await until(
      'weir to be ready',
      async () => {
        if (child.exitCode !== null) throw new Error(`weir ended with ${child.exitCode}: ${output.slice(-2000)}`)
        return isOurs() && (await ask(`${url}/readyz`).catch(() => undefined))?.ok
      },
      { timeoutMs: 150_000 },
    )
  }

  const processes = () => processesOf(group => group === String(child.pid))

  function processesOf(isOurs: (group: string) => boolean) {
    const lines = execFileSync('ps', ['-eo', 'pid=,pgid=,stat=,args='], { encoding: 'utf8' }).split('\n')
    return lines
      .map(line => line.trim())
      .filter(line => {
        const [, group, state] = line.split(/\s+/)
        return !state?.startsWith('Z') && (isOurs(group) || line.includes(dataDir))
      })
  }

  function pidOf(name: ProcessName): number | undefined {
    const wanted = name === 'clickhouse' ? /embedded-child.ts / : new RegExp(`cli\\.ts ${name}$`)
    return (
      Number(
        processes()
          .find(line => wanted.test(line))
          ?.split(' ')[0],
      ) || undefined
    )
  }

  async function ended() {
    if (child.exitCode === null && !child.signalCode) await once(child, 'exit')
    return child.exitCode
  }

  async function stop() {
    if (child.exitCode === null && !child.signalCode) process.kill(-child.pid!, 'SIGINT')
    return ended()
  }

  const weir: TestWeir = {
    url,
    dataDir,
    output: () => output,
    pidOf,
    processes,
    kill: (name, signal = 'SIGKILL') => void process.kill(name === 'weir' ? child.pid! : pidOf(name)!, signal),
    start,
    stop,
    ended,
    ready,
    following: async () => void (await until('Hubble to be followed', () => output.includes('following Hubble'), { timeoutMs: 150_000 })),
    async [Symbol.asyncDispose]() {
      await stop()
      // Also what an earlier start left behind.
      for (const line of processesOf(group => groups.has(group))) process.kill(Number(line.split(' ')[0]), 'SIGKILL')
      await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
    },
  }
  try {
    await start()
  } catch (error) {
    await weir[Symbol.asyncDispose]()
    throw error
  }
  return weir
}

/** Asks on a connection of its own: one that is kept may lead to a process that was killed. */
export async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, { ...init, headers: { ...init.headers, connection: 'close' } })
  } catch (error) {
    throw new Error(`cannot ask ${url}: ${String((error as Error).cause ?? error)}`, { cause: error })
  }
}

interface Question {
  kind: string
  by: string[]
  from: string
  to: string
  where?: string
}

/** Counts of records from `POST /api/v1/query`: the values of the dimensions, then how many. */
export async function counted(url: string, question: Question): Promise<[...string[], number][]> {
  const response = await ask(`${url}/api/v1/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ metrics: ['records'], ...question }),
  })
  if (!response.ok) throw new Error(await response.text())
  return ((await response.json()) as { rows: [...string[], number][] }).rows
}

/** The same by the value of its only dimension. */
export async function countBy(
  url: string,
  kind: string,
  dimension: string,
  range: { from: string; to: string },
): Promise<Record<string, number>> {
  return Object.fromEntries((await counted(url, { kind, by: [dimension], ...range })) as [string, number][])
}
