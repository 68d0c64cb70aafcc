import type { FastifyInstance } from 'fastify'
import { type ApiContext, clientSignal } from '../context.ts'
import { quality } from '../quality.ts'
import { list, open, range } from './schemas.ts'

export function qualityRoute(app: FastifyInstance, context: ApiContext): void {
  const properties = {
    from: { type: 'string' },
    to: { type: 'string' },
    lateness: list('Seconds from being seen to being received, per kind of agent.'),
    attribution: list('How surely the ends of flows are known, and why not.'),
    clocks: list('Reporters whose clocks are ahead, by how many seconds at least.'),
    losses: list('What was not seen, by where and why.'),
    services: open('How each service is doing.'),
    bus: list('How far the readers of the bus are behind.'),
    tables: list('Rows and bytes of each table, and how far back it reaches.'),
  }
  const schema = {
    summary: 'How good the data are; the last 15 minutes when nothing is said.',
    querystring: { type: 'object', properties: range },
    response: { 200: { type: 'object', properties } },
  }
  app.get<{ Querystring: { from?: string; to?: string } }>('/quality', { schema }, ({ query }, reply) =>
    quality(query, context, clientSignal(reply)),
  )
}
