import { kinds } from '../../schema/record.ts'
import { queryLimits } from '../plan.ts'

/** Pieces of JSON Schema the routes share. */

const text = { type: 'string', maxLength: 8192 } as const
export const when = { type: 'string', maxLength: 64, description: 'RFC 3339 or relative to now, such as now-15m.' } as const
export const where = {
  ...text,
  description: "A filter, such as verdict = dropped AND dst_port IN (80, 443) AND src_namespace LIKE 'shop%'.",
} as const
export const range = { from: when, to: when } as const
export const kindName = { type: 'string', enum: Object.keys(kinds), description: 'Kind of record.' } as const

const seconds = { type: 'integer', minimum: 1, maximum: 400 * 86_400 } as const

export const question = {
  type: 'object',
  required: ['metrics'],
  additionalProperties: false,
  properties: {
    ...range,
    kind: kindName,
    metrics: {
      type: 'array',
      items: { type: 'string', maxLength: 64 },
      minItems: 1,
      maxItems: queryLimits.metrics,
      description: 'Names of metrics.',
    },
    by: { type: 'array', items: { type: 'string', maxLength: 64 }, maxItems: queryLimits.dimensions, description: 'Names of dimensions.' },
    where,
    every: { ...seconds, description: 'Seconds per point. Without it the answer has one row per group.' },
    top: { type: 'integer', minimum: 1, maximum: 1000, description: 'Groups to keep, by the first metric; the others add up to Other.' },
    compare: { ...seconds, description: 'Seconds by which the range lies earlier that the answer is compared with.' },
  },
} as const

export const meta = {
  type: 'object',
  description: 'Where the answer comes from and how far it can be trusted.',
  additionalProperties: true,
  properties: {
    table: { type: 'string' },
    resolution: { type: 'integer', description: 'Seconds per row of the table; 0 for records as they came.' },
    approximate: { type: 'boolean' },
    watermark: { type: 'string', nullable: true, description: 'Everything received before is in the answer.' },
    lost: { type: 'number', description: 'Records known to be lost in the range.' },
    gaps: { type: 'number', description: 'Gaps in the range of unknown size.' },
    reattribution: {
      type: 'object',
      description: 'The window in the range that is attributed again at present; absent when none is.',
      properties: { from: { type: 'string' }, to: { type: 'string' } },
    },
  },
} as const

export const answer = {
  type: 'object',
  properties: {
    columns: {
      type: 'array',
      items: { type: 'object', properties: { name: { type: 'string' }, type: { type: 'string' }, unit: { type: 'string' } } },
    },
    rows: { type: 'array', items: { type: 'array', items: {} } },
    meta,
  },
} as const

/** Objects whose properties the description of the route names. */
export const open = (description: string) => ({ type: 'object', additionalProperties: true, description }) as const
export const list = (description: string) => ({ type: 'array', items: open(description) }) as const

/** Seconds between the points of the series an answer carries; whole minutes, which a rollup answers. */
export const seriesEvery = {
  type: 'integer',
  minimum: 60,
  multipleOf: 60,
  description: 'Seconds per point of the series; about thirty points when absent.',
}

export const seriesTimes = { type: 'array', items: { type: 'string' }, description: 'Times of the points of every series.' }
