import type { FastifyInstance } from 'fastify'
import { type ApiContext, clientSignal } from '../context.ts'
import { type SignalsQuery, signalGroups, signals } from '../signals.ts'
import { list, meta, range, seriesEvery, seriesTimes, where } from './schemas.ts'

export function signalsRoute(app: FastifyInstance, { clickhouse, now }: ApiContext): void {
  const querystring = {
    type: 'object',
    properties: {
      ...range,
      by: { type: 'string', enum: signalGroups, default: 'workload', description: 'What is called, or edges to it.' },
      where,
      every: seriesEvery,
      limit: { type: 'integer', minimum: 1, maximum: 500, default: 100 },
    },
  }
  const properties = {
    times: seriesTimes,
    rows: list('Golden signals of a target, of an edge with its source: metrics over the range, and series of some of them.'),
    meta,
  }
  const schema = { summary: 'Golden signals: traffic, errors and latency.', querystring, response: { 200: { type: 'object', properties } } }
  app.get<{ Querystring: SignalsQuery }>('/signals', { schema }, ({ query }, reply) =>
    signals(query, { clickhouse, now: now(), signal: clientSignal(reply) }),
  )
}
