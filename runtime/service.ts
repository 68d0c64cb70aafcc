import { type Server, createServer } from 'node:http'
import { ConfigError } from './error.ts'
import { type Logger, describe, openLog } from './log.ts'
import { type Metric, collectMetrics, renderPrometheus, startTelemetry } from './telemetry.ts'

/** How one service is doing, as it says itself. */
export interface ServiceStatus {
  ready: boolean
  /** Why it is not ready, or what is wrong although it works. */
  reason?: string
  detail?: unknown
  metrics: Metric[]
}

export type ServiceStatuses = Record<string, ServiceStatus>

export interface ServiceContext {
  log: Logger
  /** Aborted when the service shall stop. */
  signal: AbortSignal
  /** Says how a part of the service is doing; the service is ready when all its parts are. */
  status(part: string, status: { ready: boolean; reason?: string; detail?: unknown }): void
  /** What the other services last said of themselves, this one included. */
  statuses(): ServiceStatuses
}

const reportEveryMs = 1000
const exitCodes = { stopped: 0, failed: 1, misconfigured: 2 }

type Message = { statuses: ServiceStatuses } | { status: ServiceStatus }

/**
 * Runs a service until SIGTERM, SIGINT or the end of its parent, then exits: 0 when it was stopped, 1 when it failed, 2 when
 * its configuration is wrong. Below a supervisor it reports its status over IPC; alone it may listen on `healthPort`.
 */
export async function runService(
  name: string,
  { healthHost = '127.0.0.1', healthPort }: { healthHost?: string; healthPort?: number },
  run: (context: ServiceContext) => Promise<void>,
): Promise<never> {
  startTelemetry()
  const log = openLog({ context: { service: name } })
  const stop = new AbortController()
  const parts = new Map<string, { ready: boolean; reason?: string; detail?: unknown }>()
  let others: ServiceStatuses = {}

  process.on('SIGTERM', () => stop.abort())
  process.once('disconnect', () => stop.abort())
  process.on('SIGINT', () => {
    // Below a supervisor Ctrl-C reaches both; the supervisor stops its children in order. Alone, a second one means at once.
    if (process.connected) return
    if (stop.signal.aborted) process.exit(exitCodes.failed)
    stop.abort()
  })
  process.on('message', (message: Message) => {
    if ('statuses' in message) others = message.statuses
  })

  const own = async (): Promise<ServiceStatus> => ({ ...summary(parts), metrics: await collectMetrics() })
  let latest = await own()
  const report = async () => {
    latest = await own()
    if (process.connected) process.send?.({ status: latest } satisfies Message)
  }
  const timer = setInterval(() => void report(), reportEveryMs)
  const health = healthPort === undefined ? undefined : listenHealth({ host: healthHost, port: healthPort, name, status: own, log })
  const code = await run({
    log,
    signal: stop.signal,
    status: (part, status) => void parts.set(part, status),
    statuses: () => ({ ...others, [name]: latest }),
  }).then(
    () => exitCodes.stopped,
    error => {
      if (stop.signal.aborted && (error as Error).name === 'AbortError') return exitCodes.stopped
      log.error({ reason: describe(error) }, error instanceof ConfigError ? 'wrong configuration' : 'the service failed')
      return error instanceof ConfigError ? exitCodes.misconfigured : exitCodes.failed
    },
  )
  clearInterval(timer)
  health?.close()
  process.exit(code)
}

function summary(parts: ReadonlyMap<string, { ready: boolean; reason?: string; detail?: unknown }>): Omit<ServiceStatus, 'metrics'> {
  const wrong = [...parts].filter(([, { reason }]) => reason).map(([part, { reason }]) => `${part}: ${reason}`)
  return {
    ready: parts.size > 0 && [...parts.values()].every(({ ready }) => ready),
    reason: wrong.join('; ') || (parts.size ? undefined : 'starting'),
    detail: Object.fromEntries([...parts].filter(([, { detail }]) => detail !== undefined).map(([part, { detail }]) => [part, detail])),
  }
}

interface HealthOptions {
  host: string
  port: number
  name: string
  status: () => Promise<ServiceStatus>
  log: Logger
}

/** /healthz, /readyz and /metrics for a service that runs alone. */
function listenHealth({ host, port, name, status, log }: HealthOptions): Server {
  const server = createServer((request, response) => {
    void status().then(({ ready, reason, metrics }) => {
      if (request.url === '/metrics')
        return response.setHeader('content-type', 'text/plain; version=0.0.4').end(renderPrometheus({ [name]: metrics }))
      response.statusCode = request.url === '/healthz' || ready ? 200 : 503
      return response.setHeader('content-type', 'application/json').end(JSON.stringify({ ready, reason }) + '\n')
    })
  })
  server.on('error', error => log.error({ error, host, port }, 'cannot listen for health checks'))
  return server.listen(port, host)
}
