import { ConfigError } from './error.ts'
import { listenHealth } from './health.ts'
import { type Logger, describe, openLog } from './log.ts'
import { type Metric, collectMetrics, startTelemetry } from './telemetry.ts'

/** How one service is doing, as it says itself. */
export interface ServiceStatus {
  ready: boolean
  /** Why it is not ready, or what is wrong although it works. */
  reason?: string
  detail?: unknown
  metrics: Metric[]
}

export type ServiceStatuses = Record<string, ServiceStatus>

type PartStatus = Omit<ServiceStatus, 'metrics'>

export interface ServiceContext {
  log: Logger
  /** Aborted when the service shall stop. */
  signal: AbortSignal
  /** Says how a part of the service is doing; the service is ready when all its parts are. */
  status(part: string, status: PartStatus): void
  /** What the other services last said of themselves, this one included. */
  statuses(): ServiceStatuses
}

export interface ServiceOptions {
  healthHost?: string
  /** Where a service that runs alone answers for itself. */
  healthPort?: number
  /** Below a supervisor a service reports its status over IPC, and leaves it to the supervisor to be stopped by Ctrl-C. */
  supervised?: boolean
}

const reportEveryMs = 1000
export const exitCodes = { stopped: 0, failed: 1, misconfigured: 2, interrupted: 130 }

/** What a supervisor and its services tell one another. */
export type ServiceMessage = { statuses: ServiceStatuses } | { status: ServiceStatus }

/**
 * Runs a service until SIGTERM, SIGINT, SIGHUP or the end of its parent, then exits: 0 when it was stopped, 1 when it failed, 2 when its
 * configuration is wrong.
 */
export async function runService(
  name: string,
  { healthHost = '127.0.0.1', healthPort, supervised = false }: ServiceOptions,
  run: (context: ServiceContext) => Promise<void>,
): Promise<never> {
  startTelemetry()
  const log = openLog({ context: { service: name } })
  process.on('uncaughtException', (error: Error) => {
    log.error({ error, stack: error.stack }, 'the service failed')
    process.exit(exitCodes.failed)
  })
  const signal = stopSignal({ supervised })
  const reporter = startReporter(name, { supervised, log })
  const work = async () => {
    if (healthPort !== undefined && !supervised) await listenHealth({ host: healthHost, port: healthPort, name, status: reporter.current })
    await run({ log, signal, status: reporter.status, statuses: reporter.statuses })
    return exitCodes.stopped
  }
  process.exit(await work().catch(error => exitCodeOf(error, signal, log)))
}

/** Aborted when this process is asked to stop or loses the parent it talks to. A second Ctrl-C means at once. */
export function stopSignal({ supervised = false } = {}): AbortSignal {
  const stop = new AbortController()
  process.on('SIGTERM', () => stop.abort())
  process.once('disconnect', () => stop.abort())
  // The parent may have gone while this process was starting.
  if (process.send && !process.connected) stop.abort()
  for (const signal of ['SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => {
      // A terminal sends these to all of its processes; the supervisor stops its services one after the other.
      if (supervised) return
      if (stop.signal.aborted && signal === 'SIGINT') process.exit(exitCodes.interrupted)
      stop.abort()
    })
  return stop.signal
}

function exitCodeOf(error: unknown, signal: AbortSignal, log: Logger): number {
  if (signal.aborted && (error as Error).name === 'AbortError') return exitCodes.stopped
  log.error({ reason: describe(error) }, error instanceof ConfigError ? 'wrong configuration' : 'the service failed')
  return error instanceof ConfigError ? exitCodes.misconfigured : exitCodes.failed
}

/** Keeps what the service says of itself and passes it on to the supervisor: every second, and at once when it is ready or no longer. */
function startReporter(name: string, { supervised, log }: { supervised: boolean; log: Logger }) {
  const parts = new Map<string, PartStatus>()
  let others: ServiceStatuses = {}
  let latest: ServiceStatus = { ...summary(parts), metrics: [] }
  const current = async () => (latest = { ...summary(parts), metrics: await collectMetrics() })
  const report = () =>
    current().then(
      // Without a callback a parent that is gone would be an error nobody catches.
      status => supervised && process.send?.({ status } satisfies ServiceMessage, undefined, {}, () => {}),
      error => log.warn({ error }, 'cannot collect metrics'),
    )
  if (supervised)
    process.on('message', (message: ServiceMessage) => {
      if ('statuses' in message) others = message.statuses
    })
  setInterval(report, reportEveryMs)
  return {
    current,
    status(part: string, status: PartStatus) {
      parts.set(part, status)
      const { ready, reason } = summary(parts)
      if (ready !== latest.ready || reason !== latest.reason) void report()
    },
    statuses: () => ({ ...others, [name]: latest }),
  }
}

function summary(parts: ReadonlyMap<string, PartStatus>): PartStatus {
  const wrong = [...parts].filter(([, { reason }]) => reason).map(([part, { reason }]) => `${part}: ${reason}`)
  return {
    ready: parts.size > 0 && [...parts.values()].every(({ ready }) => ready),
    reason: wrong.join('; ') || (parts.size ? undefined : 'starting'),
    detail: Object.fromEntries([...parts].filter(([, { detail }]) => detail !== undefined).map(([part, { detail }]) => [part, detail])),
  }
}

/** Resolves when the signal is aborted, also when it was before. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })))
}
