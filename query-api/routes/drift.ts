import type { FastifyInstance } from 'fastify'
import { identityChecks } from '../../schema/vocabulary.ts'
import { type ApiContext, clientSignal } from '../context.ts'
import { type DriftQuery, drift } from '../drift.ts'
import { list, meta, open, range, where } from './schemas.ts'

const time = { type: 'string', format: 'date-time' }
const checks = identityChecks.filter(check => check !== '')
const wrong = checks.filter(check => check !== 'agrees')
const kind = { type: 'string', enum: ['flow', 'request'] }

const row = {
  type: 'object',
  properties: {
    id: { type: 'string', description: 'The same for the same drift in every answer.' },
    kind: { ...kind, description: 'Kind of the records that tell of it.' },
    check: { type: 'string', enum: wrong, description: 'What is wrong.' },
    end: { type: 'string', enum: ['client', 'server'], description: 'Whose identity it is.' },
    client: open('Who called.'),
    server: open('Who was called.'),
    port: { type: 'integer', description: 'Port of the server.' },
    seen: { type: 'string', description: 'SPIFFE ID that was shown; empty where none was.' },
    expected: {
      type: 'array',
      items: { type: 'string' },
      description: 'SPIFFE IDs that would have been right, or the policy that demanded one.',
    },
    count: { type: 'integer', description: 'Records that tell of it, of every reporter.' },
    first_seen: time,
    last_seen: time,
    record: {
      type: 'object',
      properties: { kind, id: { type: 'string' }, time },
      description: 'The newest of these records.',
    },
  },
} as const

export function driftRoute(app: FastifyInstance, { clickhouse, now }: ApiContext): void {
  const querystring = {
    type: 'object',
    properties: { ...range, where, limit: { type: 'integer', minimum: 1, maximum: 1000, default: 200 } },
  }
  const properties = {
    rows: { type: 'array', items: row },
    checks: list(`How often identities were checked, by kind of record and what came out: ${checks.join(', ')}.`),
    meta,
  }
  const schema = {
    summary: 'Identities that are not what they should be: certificates that belong to others, were revoked, or are missing.',
    querystring,
    response: { 200: { type: 'object', properties } },
  }
  app.get<{ Querystring: DriftQuery }>('/drift', { schema }, ({ query }, reply) =>
    drift(query, { clickhouse, now: now(), signal: clientSignal(reply) }),
  )
}
