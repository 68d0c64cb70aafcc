import type { FastifyInstance } from 'fastify'
import { type ApiContext, clientSignal } from '../context.ts'
import { type DenialsQuery, denials } from '../denials.ts'
import { list, meta, range, seriesEvery, seriesTimes, where } from './schemas.ts'

export function denialsRoute(app: FastifyInstance, { clickhouse, now }: ApiContext): void {
  const querystring = {
    type: 'object',
    properties: {
      ...range,
      where,
      every: seriesEvery,
      limit: { type: 'integer', minimum: 1, maximum: 1000, default: 200 },
    },
  }
  const properties = {
    times: seriesTimes,
    rows: list('What a policy denied on one edge, for one reason: who, which policy, how often, since when.'),
    meta,
  }
  const schema = { summary: 'What policies denied.', querystring, response: { 200: { type: 'object', properties } } }
  app.get<{ Querystring: DenialsQuery }>('/denials', { schema }, ({ query }, reply) =>
    denials(query, { clickhouse, now: now(), signal: clientSignal(reply) }),
  )
}
