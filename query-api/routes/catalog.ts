import type { FastifyInstance } from 'fastify'
import { catalog } from '../../schema/catalog.ts'
import { list } from './schemas.ts'

export function catalogRoute(app: FastifyInstance): void {
  const response = {
    200: {
      type: 'object',
      properties: {
        kinds: list('A kind of record.'),
        dimensions: list('What one can group and filter by.'),
        metrics: list('A unit and a calculation over many records; the description says how it is counted once.'),
      },
    },
  }
  const published = catalog()
  app.get('/catalog', { schema: { summary: 'Every kind of record, dimension and metric.', response } }, () => published)
}
