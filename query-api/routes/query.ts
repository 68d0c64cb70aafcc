import type { FastifyInstance } from 'fastify'
import { type ApiContext, clientSignal } from '../context.ts'
import type { Query } from '../plan.ts'
import { ask } from '../query.ts'
import { answer, question } from './schemas.ts'

export function queryRoute(app: FastifyInstance, { clickhouse, now }: ApiContext): void {
  const schema = { summary: 'Answers a question: metrics by dimensions over a range.', body: question, response: { 200: answer } }
  app.post<{ Body: Query }>('/query', { schema }, ({ body }, reply) => ask(body, { clickhouse, now: now(), signal: clientSignal(reply) }))
}
