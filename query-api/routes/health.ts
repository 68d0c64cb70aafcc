import type { FastifyInstance } from 'fastify'
import { renderPrometheus } from '../../runtime/telemetry.ts'
import type { ApiContext } from '../context.ts'

/**
 * For those who watch the process: whether it lives, whether everything works, and its metrics. Not ready is who cannot do its own part:
 * ClickHouse does not answer, the disk is full, a service is starting. An agent that is away is a warning only, for whatever was
 * collected can still be asked for.
 */
export function healthRoutes(app: FastifyInstance, { clickhouse, services }: ApiContext): void {
  app.get('/healthz', { schema: { summary: 'Whether the process answers.' } }, () => ({ status: 'ok' }))

  app.get('/readyz', { schema: { summary: 'Whether every service is ready, or why not.' } }, async (_, reply) => {
    const all = Object.entries(services())
    const reasons = all.flatMap(([name, { ready, reason }]) => (ready ? [] : [`${name}: ${reason ?? 'not ready'}`]))
    const warnings = all.flatMap(([name, { ready, reason }]) => (ready && reason ? [`${name}: ${reason}`] : []))
    if (!(await clickhouse.ping(2000))) reasons.push(`clickhouse: no answer at ${clickhouse.where}`)
    return reply.code(reasons.length > 0 ? 503 : 200).send({ ready: reasons.length === 0, reasons, warnings })
  })

  app.get('/metrics', { schema: { summary: 'Metrics of all services in the text format of Prometheus.' } }, (_, reply) => {
    const all = Object.entries(services()).map(([name, { metrics }]) => [name, metrics] as const)
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(renderPrometheus(Object.fromEntries(all)))
  })
}
