import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect, createServer } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { ExecutionContext } from 'ava'
import type { Recording } from './hubble-truth.ts'
import { until } from './wait.ts'

const directory = process.env.WEIR_RIGS ?? join(homedir(), '.cache/weir-rigs/bin')

/** Where a program of the rig is: hubble-replay, hubble-relay or hubble. */
export const program = (name: string) => join(directory, name)

/** Says whether the real Hubble is there; without it a test is skipped, and fails where it is required. */
export async function isThere(t: ExecutionContext): Promise<boolean> {
  const found = await access(program('hubble-replay')).then(
    () => true,
    () => false,
  )
  if (found) return true
  t.log(`no ${program('hubble-replay')}: skipped`)
  if (process.env.CI) t.fail()
  else t.pass()
  return false
}

/** What a node says it generated. */
export interface Generated {
  flows: number
  verdict: Record<string, number>
  type: Record<string, number>
  l7: Record<string, number>
  lost_events: Record<string, number>
}

export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await once(child, 'exit')
}

/** One node of the rig with its control server. */
export async function openNode({ host = '127.0.0.1', port, args }: { host?: string; port: number; args: string[] }) {
  const control = await freePort(host)
  const child = spawn(program('hubble-replay'), ['-listen', `${host}:${port}`, '-control', `${host}:${control}`, ...args], {
    stdio: 'ignore',
  })
  const ask = (path: string, method = 'GET') => fetch(`http://${host}:${control}${path}`, { method })
  await until('the node', () =>
    ask('/counts').then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  return {
    address: `${host}:${port}`,
    generated: async () => ((await (await ask('/counts')).json()) as { generated: Generated }).generated,
    /** Flows a second from now on. */
    setRate: (rate: number) => ask(`/rate?v=${rate}`, 'POST'),
    kill: () => stop(child),
    [Symbol.asyncDispose]: () => stop(child),
  }
}

/** A Unix socket that leads to the Hubble at a port. */
export async function openSocket(path: string, port: number): Promise<AsyncDisposable> {
  const server = createServer(from => {
    const to = connect(port, '127.0.0.1')
    pipeline(from, to, from).catch(() => {})
  }).listen(path)
  await once(server, 'listening')
  return {
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}

/** A Relay in front of the nodes that the Hubble at `peers` lists. */
export async function openRelay(peers: string): Promise<{ address: string } & AsyncDisposable> {
  const address = `127.0.0.1:${await freePort()}`
  const options = ['--listen-address', address, '--health-listen-address', `127.0.0.1:${await freePort()}`, '--peer-service', peers]
  const rest = ['--cluster-name', 'default', '--retry-timeout', '1s', '--gops=false', '--disable-client-tls', '--disable-server-tls']
  const child = spawn(program('hubble-relay'), ['serve', ...options, ...rest], { stdio: 'ignore' })
  return { address, [Symbol.asyncDispose]: () => stop(child) }
}

/** Records what Hubble tells its own command line, beside us and without any code of ours; from the oldest event it still has. */
export function openRecorder(address: string) {
  const args = ['observe', '--server', address, '--since', '1h', '--follow', '--output', 'jsonpb']
  const child = spawn(program('hubble'), args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const recording: Recording = { flows: [], losses: [] }
  createInterface({ input: child.stdout }).on('line', line => {
    const { flow, lost_events: lost } = JSON.parse(line)
    if (flow) recording.flows.push(flow)
    if (lost) recording.losses.push(lost)
  })
  return { recording, [Symbol.asyncDispose]: () => stop(child) }
}
