import type { ServiceContext } from '../../runtime/service.ts'
import { quietLog } from './clickhouse.ts'

/** What a service that runs within a test is given, and what it says of itself. */
export function testService(): { context: ServiceContext; statuses: Map<string, { ready: boolean; reason?: string }>; stop: () => void } {
  const stop = new AbortController()
  const statuses = new Map<string, { ready: boolean; reason?: string }>()
  const context: ServiceContext = {
    log: quietLog,
    signal: stop.signal,
    status: (part, status) => void statuses.set(part, status),
    statuses: () => ({}),
  }
  return { context, statuses, stop: () => stop.abort() }
}
