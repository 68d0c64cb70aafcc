import type { FastifyInstance } from 'fastify'
import { type ApiContext, clientSignal } from '../context.ts'
import { type RelatedQuery, related, relatedKinds, ways } from '../related.ts'
import { open, range, when } from './schemas.ts'

const kind = { type: 'string', enum: relatedKinds } as const
const seconds = (most: number, initial: number) => ({ type: 'integer', minimum: 0, maximum: most, default: initial }) as const

type Asked = Omit<RelatedQuery, 'kind' | 'id'>

export function relatedRoute(app: FastifyInstance, { clickhouse, now }: ApiContext): void {
  const schema = {
    summary: 'A record, and the flows, requests and spans that speak of the same exchange.',
    params: {
      type: 'object',
      properties: {
        kind: { ...kind, description: 'Kind of the record.' },
        id: { type: 'string', pattern: '^[0-9a-f]{1,16}$', description: 'Its id, as records says it.' },
      },
    },
    querystring: {
      type: 'object',
      properties: {
        time: { ...when, description: 'The time of the record, as it says itself: it is found at once.' },
        from: { ...range.from, description: 'Without the time, the range in which the record is looked for.' },
        to: range.to,
        window: { ...seconds(3600, 300), description: 'Seconds before and after the record in which others with its ids are looked for.' },
        conversation_window: {
          ...seconds(600, 10),
          description: 'The same for records of the same conversation: a connection carries many exchanges.',
        },
        limit: {
          type: 'integer',
          minimum: 1,
          maximum: 1000,
          default: 100,
          description: 'Most records of each kind that match in one way.',
        },
      },
    },
    response: {
      200: {
        type: 'object',
        properties: {
          kind,
          record: open('The record itself.'),
          related: {
            type: 'array',
            description: 'The newest first.',
            items: {
              type: 'object',
              properties: {
                kind,
                matched: {
                  type: 'array',
                  items: { type: 'string', enum: ways },
                  description:
                    'How it is known to be of the same exchange: by the same span, as parent or child of the span, by trace, by X-Request-Id, ' +
                    'or by the conversation (Community ID) of the record or of one that has its ids.',
                },
                record: open('As records says it.'),
              },
            },
          },
          truncated: { type: 'boolean', description: 'Whether there is more: then these are the nearest in time.' },
        },
      },
    },
  }
  app.get<{ Params: Pick<RelatedQuery, 'kind' | 'id'>; Querystring: Asked }>(
    '/records/:kind/:id/related',
    { schema },
    ({ params, query }, reply) => related({ ...query, ...params }, { clickhouse, now: now(), signal: clientSignal(reply) }),
  )
}
