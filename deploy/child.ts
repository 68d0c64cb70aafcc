import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Logger } from '../runtime/log.ts'
import { type ServiceMessage, type ServiceStatus, type ServiceStatuses, exitCodes } from '../runtime/service.ts'

const cli = fileURLToPath(new URL('cli.ts', import.meta.url))
const firstPauseMs = 100
const longestPauseMs = 5000
const steadyMs = 30_000

export interface ChildOptions {
  /** Of the service; the first argument of the script. */
  name: string
  /** The configuration as a whole, given to the service on its standard input: a variable holds no more than 128 KiB. */
  config: unknown
  log: Logger
  /** Called with what the service last said of itself. */
  onStatus(status: ServiceStatus): void
  /** Called when the service says that its configuration is wrong: there is no use in trying again. */
  onMisconfigured(): void
  stopWithinMs?: number
  script?: string
}

export interface Child extends AsyncDisposable {
  readonly pid: number | undefined
  tell(statuses: ServiceStatuses): void
}

/** Set for services below a supervisor, whose configuration is on their standard input. */
export const supervisedVariable = 'WEIR_SUPERVISED'

/** A service in a process of its own, started again whenever it dies, after pauses that grow as long as it does not live long. */
export function startChild(options: ChildOptions): Child {
  const { name, log, onStatus, onMisconfigured, stopWithinMs = 10_000 } = options
  const stop = new AbortController()
  let child: ChildProcess

  async function supervise() {
    for (let failures = 0; !stop.signal.aborted; failures++) {
      const started = Date.now()
      child = spawnService(options)
      const { code, why } = await ended(child)
      if (stop.signal.aborted) return
      onStatus({ ready: false, reason: `ended with ${why}, starting again`, metrics: [] })
      if (code === exitCodes.misconfigured) return onMisconfigured()
      if (Date.now() - started > steadyMs) failures = 0
      log.warn({ name, why }, 'a service died, starting it again')
      await sleep(Math.min(longestPauseMs, firstPauseMs * 2 ** failures), undefined, { signal: stop.signal }).catch(() => {})
    }
  }

  const supervised = supervise()
  return {
    get pid() {
      return child.pid
    },
    tell(statuses) {
      if (child.connected) child.send({ statuses } satisfies ServiceMessage, () => {})
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      child.kill('SIGTERM')
      const killer = setTimeout(() => {
        log.warn({ name, afterMs: stopWithinMs }, 'a service does not stop, killing it')
        child.kill('SIGKILL')
      }, stopWithinMs)
      await supervised
      clearTimeout(killer)
    },
  }
}

function spawnService({ name, config, onStatus, script = cli }: ChildOptions): ChildProcess {
  const child = fork(script, [name], {
    env: { ...process.env, [supervisedVariable]: 'yes' },
    stdio: ['pipe', 'inherit', 'inherit', 'ipc'],
  })
  child.stdin!.on('error', () => {}).end(JSON.stringify(config))
  child.on('message', (message: ServiceMessage) => 'status' in message && onStatus(message.status))
  return child
}

function ended(child: ChildProcess): Promise<{ code: number | null; why: string }> {
  return new Promise(resolve => {
    child.on('error', error => child.pid === undefined && resolve({ code: null, why: error.message }))
    child.on('exit', (code, signal) => resolve({ code, why: signal ?? `exit code ${code}` }))
  })
}
