import type { FastifyInstance } from 'fastify'
import { type ApiContext, clientSignal } from '../context.ts'
import { type SignalsQuery, signalGroups, signals } from '../signals.ts'
import { list, meta, range, where } from './schemas.ts'

export function signalsRoute(app: FastifyInstance, { clickhouse, now }: ApiContext): void {
  const querystring = {
    type: 'object',
    properties: {
      ...range,
      by: { type: 'string', enum: signalGroups, default: 'workload', description: 'What is called, or edges to it.' },
      where,
      every: {
        type: 'integer',
        minimum: 60,
        multipleOf: 60,
        description: 'Seconds per point of the series; about thirty points when absent.',
      },
      limit: { type: 'integer', minimum: 1, maximum: 500, default: 100 },
    },
  }
  const properties = {
    times: { type: 'array', items: { type: 'string' }, description: 'Times of the points of every series.' },
    rows: list('Golden signals of a target, of an edge with its source: metrics over the range, and series of some of them.'),
    meta,
  }
  const schema = { summary: 'Golden signals: traffic, errors and latency.', querystring, response: { 200: { type: 'object', properties } } }
  app.get<{ Querystring: SignalsQuery }>('/signals', { schema }, ({ query }, reply) =>
    signals(query, { clickhouse, now: now(), signal: clientSignal(reply) }),
  )
}
