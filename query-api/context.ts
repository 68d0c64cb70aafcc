import type { FastifyReply } from 'fastify'
import type { Bus } from '../runtime/bus/bus.ts'
import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import type { Logger } from '../runtime/log.ts'
import type { ServiceStatuses } from '../runtime/service.ts'

/** What routes answer from. */
export interface ApiContext {
  clickhouse: ClickHouse
  bus?: Bus
  services: () => ServiceStatuses
  log: Logger
  /** How long the enricher makes records wait for objects, milliseconds. */
  objectsWaitMs?: number
  /** Milliseconds since 1970. */
  now: () => number
}

/** Aborted when the client goes away before it has its answer. */
export function clientSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort()
  })
  return gone.signal
}
