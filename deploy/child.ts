import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Logger } from '../runtime/log.ts'
import type { ServiceStatus, ServiceStatuses } from '../runtime/service.ts'
import type { ServiceName } from './services.ts'

const cli = fileURLToPath(new URL('cli.ts', import.meta.url))
const misconfigured = 2

export interface ChildOptions {
  name: ServiceName
  env: NodeJS.ProcessEnv
  log: Logger
  /** Called with what the service last said of itself. */
  onStatus(status: ServiceStatus): void
  /** Called when the service says that its configuration is wrong: there is no use in trying again. */
  onMisconfigured(): void
  stopWithinMs?: number
}

export interface Child extends AsyncDisposable {
  readonly pid: number | undefined
  tell(statuses: ServiceStatuses): void
}

/** A service in a process of its own, started again whenever it dies. */
export function startChild({ name, env, log, onStatus, onMisconfigured, stopWithinMs = 10_000 }: ChildOptions): Child {
  const stop = new AbortController()
  let child: ChildProcess

  async function supervise() {
    for (let failures = 0; !stop.signal.aborted; failures++) {
      const started = Date.now()
      const { code, signal } = await lifetime()
      if (stop.signal.aborted) return
      onStatus({ ready: false, reason: 'restarting', metrics: [] })
      if (code === misconfigured) return onMisconfigured()
      if (Date.now() - started > 30_000) failures = 0
      log.warn({ name, code, signal }, 'a service died, starting it again')
      await sleep(Math.min(5000, 100 * 2 ** failures), undefined, { signal: stop.signal }).catch(() => {})
    }
  }

  function lifetime() {
    child = fork(cli, [name], { env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    child.on('message', (message: { status: ServiceStatus }) => onStatus(message.status))
    return new Promise<{ code: number | null; signal: string | null }>(resolve =>
      child.once('exit', (code, signal) => resolve({ code, signal })),
    )
  }

  const supervised = supervise()
  return {
    get pid() {
      return child.pid
    },
    tell(statuses) {
      if (child.connected) child.send({ statuses }, () => {})
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      child.kill('SIGTERM')
      const killer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
      await supervised
      clearTimeout(killer)
    },
  }
}
