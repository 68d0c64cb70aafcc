import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { describe } from '../../runtime/log.ts'
import { type KindName, kinds } from '../../schema/record.ts'
import { type ApiContext, clientSignal } from '../context.ts'
import { parseFilter } from '../filter/parse.ts'
import { type LiveOptions, live } from '../live.ts'
import { kindName, where } from './schemas.ts'

const mostStreams = 32
const quietBatches = 15

interface Asked {
  kind: KindName
  where?: string
}

/** Records as they are stored, as server-sent events: `record`, and `skipped` with how many were left out. */
export function liveRoute(app: FastifyInstance, { clickhouse, log, objectsWaitMs }: ApiContext): void {
  const querystring = { type: 'object', properties: { kind: { ...kindName, default: 'flow' }, where } }
  const schema = { summary: 'Records as they are stored: server-sent events record, skipped and error.', querystring }
  let streams = 0
  app.get<{ Querystring: Asked }>('/live', { schema }, async ({ query }, reply) => {
    const kind = kinds[query.kind]
    parseFilter(query.where ?? '', kind.fields)
    if (streams >= mostStreams)
      return reply.code(503).send({ error: { code: 'too_many_streams', message: `${mostStreams} clients watch already` } })
    streams++
    reply.raw.once('close', () => streams--)
    const events = eventsOf({ clickhouse, kind, where: query.where, objectsWaitMs, signal: clientSignal(reply) }, error =>
      log.warn({ error }, 'a live stream failed'),
    )
    return reply.header('cache-control', 'no-store').type('text/event-stream').send(Readable.from(events))
  })
}

async function* eventsOf(options: LiveOptions, failed: (error: unknown) => void): AsyncGenerator<string> {
  yield ': weir\n\n'
  let quiet = 0
  try {
    for await (const { rows, skipped } of live(options)) {
      quiet = rows.length > 0 ? 0 : quiet + 1
      for (const row of rows) yield event('record', row)
      if (skipped > 0) yield event('skipped', { records: skipped })
      // Proxies close what is silent.
      if (quiet > 0 && quiet % quietBatches === 0) yield ': nothing new\n\n'
    }
  } catch (error) {
    if (options.signal.aborted) return
    failed(error)
    yield event('error', { message: describe(error) })
  }
}

const event = (name: string, data: object) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
