import type { FastifyInstance } from 'fastify'
import type { ClickHouse } from '../../runtime/clickhouse/client.ts'
import { type KindName, type RecordKind, kinds } from '../../schema/record.ts'
import { type ApiContext, clientSignal } from '../context.ts'
import { type Candidate, complete, quoteWord } from '../filter/complete.ts'
import { fieldsNamed } from '../filter/parse.ts'
import { Parameters } from '../filter/sql.ts'
import { kindName, list, where } from './schemas.ts'

const mostValues = 20
/** Values are looked for among this many records at most. */
const mostRecords = 2_000_000

interface Asked {
  kind: KindName
  where: string
  position?: number
}

export function completeRoute(app: FastifyInstance, { clickhouse, now }: ApiContext): void {
  const querystring = {
    type: 'object',
    properties: {
      kind: { ...kindName, default: 'flow' },
      where: { ...where, default: '' },
      position: { type: 'integer', minimum: 0, description: 'Where in the filter; its end when absent.' },
    },
  }
  const properties = {
    offset: { type: 'integer' },
    length: { type: 'integer' },
    field: { type: 'string' },
    candidates: list('A text that may replace it.'),
  }
  const schema = { summary: 'What may stand at a position of a filter.', querystring, response: { 200: { type: 'object', properties } } }
  app.get<{ Querystring: Asked }>('/complete', { schema }, async ({ query: { kind, where: text, position = text.length } }, reply) => {
    const { typed, ...completion } = complete(text, Math.min(position, text.length), kinds[kind].fields)
    const { field, candidates } = completion
    if (!field || candidates.length > 0) return completion
    return { ...completion, candidates: await valuesOf(clickhouse, kinds[kind], { field, typed, now: now(), signal: clientSignal(reply) }) }
  })
}

/** The most frequent values of the last hour that contain what was typed. */
async function valuesOf(
  clickhouse: ClickHouse,
  kind: RecordKind,
  { field, typed, now, signal }: { field: string; typed: string; now: number; signal: AbortSignal },
): Promise<Candidate[]> {
  const names = fieldsNamed(field, kind.fields).filter(name => ['label', 'uint16', 'uint32'].includes(kind.fields[name].type))
  if (names.length === 0) return []
  const rolledUp = kind.measures && names.every(name => kind.fields[name].rollup)
  const [table, time] = rolledUp ? [`${kind.name}_1m`, 'bucket'] : [kind.name, kind.expires ?? 'time']
  const parameters = new Parameters()
  const since = `${time} >= fromUnixTimestamp({p0:UInt32})`
  const source = `SELECT arrayJoin([${names.map(name => `toString(${name})`).join(', ')}]) AS value FROM ${table} WHERE ${since} LIMIT ${mostRecords}`
  const like = parameters.add('String', typed)
  const { rows } = await clickhouse.query<{ value: string }>(
    `SELECT value FROM (${source}) WHERE value != '' AND positionCaseInsensitiveUTF8(value, ${like}) > 0
GROUP BY value ORDER BY count() DESC, value LIMIT ${mostValues}`,
    { params: { ...parameters.values, p0: Math.floor(now / 1000) - 3600 }, signal, settings: { max_execution_time: 3 } },
  )
  return rows.map(({ value }) => ({ text: quoteWord(value), what: 'value' }))
}
