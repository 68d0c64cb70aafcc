import type { FastifyInstance } from 'fastify'
import { compareTopologies } from '../change.ts'
import { type ApiContext, clientSignal } from '../context.ts'
import { type Level, levels } from '../end.ts'
import { readRange } from '../range.ts'
import { topology } from '../topology.ts'
import { list, meta, range, when, where } from './schemas.ts'

interface Asked {
  from?: string
  to?: string
  level: Level
  where?: string
  compare_from?: string
  compare_to?: string
}

export function topologyRoute(app: FastifyInstance, { clickhouse, now }: ApiContext): void {
  const querystring = {
    type: 'object',
    properties: {
      ...range,
      level: { type: 'string', enum: levels, default: 'workload', description: 'What a node is.' },
      where,
      compare_from: { ...when, description: 'Beginning of an earlier range: nodes and edges then have a change.' },
      compare_to: when,
    },
  }
  const properties = {
    nodes: list('A namespace, workload, service or pod, a host, or a name for what is outside.'),
    edges: list(
      'From the client to the server, with counts over the range; latencies in seconds. Between services, edges with spans are told by spans alone: their ' +
        'requests, errors and latency are those of pairs of spans, some minutes late; spans says how many calls made a span at both ends, or at one. ' +
        'seen_by are the agents that told of it, those too that do not count: kind of record, source, layer, kind and direction of the reporter, records.',
    ),
    meta,
  }
  const schema = { summary: 'Who calls whom.', querystring, response: { 200: { type: 'object', properties } } }
  app.get<{ Querystring: Asked }>('/topology', { schema }, async ({ query }, reply) => {
    const { compare_from, compare_to = query.from ?? 'now-1h', ...asked } = query
    const asking = { clickhouse, now: now(), signal: clientSignal(reply) }
    if (!compare_from) return topology(asked, asking)
    const earlier = { ...asked, from: compare_from, to: compare_to }
    const [is, was] = await Promise.all([topology(asked, asking), topology(earlier, asking)])
    return compareTopologies(is, was, { now: secondsOf(asked, asking.now), before: secondsOf(earlier, asking.now) })
  })
}

function secondsOf(asked: Asked, now: number): number {
  const { from, to } = readRange(asked, now)
  return (to - from) / 1e6
}
