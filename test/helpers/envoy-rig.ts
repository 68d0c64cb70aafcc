import { execFile } from 'node:child_process'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import type { Traffic } from '../collectors/envoy/recordings.ts'
import { program } from './hubble-rig.ts'

const run = promisify(execFile)
const rig = '../shared/rigs/envoy'
const binary = process.env.WEIR_ENVOY ?? program('envoy')

/** Says whether a real Envoy is there; without it a test is skipped, and fails where it is required. */
export async function isEnvoyThere(t: ExecutionContext): Promise<boolean> {
  const isFound = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    )
  if ((await isFound(binary)) && (await isFound(rig))) return true
  t.log(`skipped: no ${binary}, or no ${rig}`)
  if (process.env.CI) t.fail()
  else t.pass()
  return false
}

export interface EnvoyRig extends AsyncDisposable {
  /** Sends so many requests and connections of each kind, and says what came of them. */
  traffic(count: number): Promise<Traffic>
}

/** A client's and a server's Envoy with a backend, whose access logs go to a port; configured as Istio does. */
export async function openEnvoyRig(alsPort: number, switches: Record<string, string> = {}): Promise<EnvoyRig> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-envoy-rig-'))
  const base = 20_000 + 100 * Math.floor(Math.random() * 100)
  const off = ['WITH_OTEL_LOGS', 'WITH_FILE_LOGS', 'WITH_METRICS_SERVICE', 'WITH_OTEL_METRICS'].map(name => [name, '0'])
  const env = {
    ...process.env,
    ...Object.fromEntries(off),
    ENVOY_BIN: binary,
    RUN_DIR: directory,
    BASE_PORT: String(base),
    COLLECTOR_ALS_PORT: String(alsPort),
    ...switches,
  }
  const script = (name: string, ...args: string[]) => run('bash', [join(rig, name), ...args], { env, timeout: 45_000 })
  const close = async () => {
    await script('down.sh')
    await rm(directory, { recursive: true, force: true })
  }
  await script('up.sh').catch(async error => {
    await close()
    throw error
  })
  return {
    traffic: async count => JSON.parse((await script('traffic.sh', String(count))).stdout) as Traffic,
    [Symbol.asyncDispose]: close,
  }
}
