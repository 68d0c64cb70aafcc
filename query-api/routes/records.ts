import type { FastifyInstance } from 'fastify'
import { type KindName, kinds } from '../../schema/record.ts'
import { type ApiContext, clientSignal } from '../context.ts'
import { type RecordsQuery, readRecords } from '../records.ts'
import { kindName, list, range, where } from './schemas.ts'

export function recordsRoute(app: FastifyInstance, { clickhouse, now }: ApiContext): void {
  const schema = {
    summary: 'Records as they were stored, newest first.',
    params: { type: 'object', properties: { kind: kindName } },
    querystring: {
      type: 'object',
      properties: {
        ...range,
        where,
        limit: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
        cursor: { type: 'string', maxLength: 200, description: 'The next of the page before.' },
      },
    },
    response: {
      200: {
        type: 'object',
        properties: {
          rows: list('A record; its id is the same whenever it is read.'),
          next: { type: 'string', description: 'Cursor of the next page.' },
        },
      },
    },
  }
  app.get<{ Params: { kind: KindName }; Querystring: RecordsQuery }>('/records/:kind', { schema }, ({ params, query }, reply) =>
    readRecords(kinds[params.kind], query, { clickhouse, now: now(), signal: clientSignal(reply) }),
  )
}
