import type { Field, Fields } from './field.ts'
import { flowFields } from './flow.ts'
import { lossFields } from './loss.ts'
import { objectFields } from './object.ts'
import { requestFields } from './request.ts'
import { sampleFields } from './sample.ts'
import { spanFields } from './span.ts'

/** A number the rollups keep: `raw` computes it from records, `merge` reads what a rollup holds, `state` adds that up for a coarser one. */
export interface Measure {
  about: string
  /** Type of the rollup's column. */
  type: string
  raw: string
  merge: string
  state: string
}

export interface RecordKind {
  name: string
  about: string
  /** Part of the topic's name; a block of another version is not read as this one. */
  version: number
  fields: Fields
  /** Sorting key of the raw table. */
  order: readonly string[]
  /** Days the raw table keeps, counted from `expires`. */
  days: number
  /** The time a record's days are counted from; `time` when absent. */
  expires?: string
  /** Present when the kind has rollups of a minute and an hour. */
  measures?: Readonly<Record<string, Measure>>
  /** Only the newest version of a record counts: the key that identifies it. */
  replacing?: readonly string[]
}

/** A sum; `name` is the column of the rollups that holds it. */
const sum = (name: string, about: string, raw: string, type = 'Float64'): Record<string, Measure> => ({
  [name]: { about, type: `SimpleAggregateFunction(sum, ${type})`, raw, merge: `sum(${name})`, state: `sum(${name})` },
})

/** What is kept as the state of an aggregate function, for what no sum can tell; `when` chooses the records. */
const state = (
  name: string,
  about: string,
  of: { aggregate: string; column: string; type: string; when?: string },
): Record<string, Measure> => {
  const [, aggregate, parameters] = /^(\w+)(.*)$/.exec(of.aggregate)!
  return {
    [name]: {
      about,
      type: `AggregateFunction(${of.aggregate}, ${of.type})`,
      raw: of.when ? `${aggregate}StateIf${parameters}(${of.column}, ${of.when})` : `${aggregate}State${parameters}(${of.column})`,
      merge: `${aggregate}Merge${parameters}(${name})`,
      state: `${aggregate}MergeState${parameters}(${name})`,
    },
  }
}

const distinct = (name: string, about: string, column: string) =>
  state(name, about, { aggregate: 'uniqCombined(14)', column, type: 'IPv6' })

/**
 * Buckets merged by their bounds. That each came is counted as well, since a sum by keys leaves out what is zero, and a bound that nothing was
 * below still says where the next bucket begins. Bounds and counts that do not belong together are in no rollup.
 */
const buckets = (name: string, about: string, bounds: string, counts: string): Record<string, Measure> => ({
  [name]: {
    about,
    type: 'SimpleAggregateFunction(sumMap, Tuple(Array(Float64), Array(Float64), Array(UInt64)))',
    raw: `sumMapIf(${bounds}, ${counts}, arrayWithConstant(length(${bounds}), toUInt64(1)), length(${bounds}) = length(${counts}))`,
    merge: `sumMap(${name})`,
    state: `sumMap(${name})`,
  },
})

const opening = "orientation != 'reply' AND (bitAnd(tcp_flags, 18) = 2 OR (protocol != 'tcp' AND trace_reason = 'new'))"

const answered = "phase IN ('response', 'exchange')"

export const flow: RecordKind = {
  name: 'flow',
  about: 'What one observation point saw of one direction of a conversation, or one event of it.',
  version: 1,
  fields: flowFields,
  order: ['toStartOfFiveMinutes(time)', 'dst_namespace', 'dst_workload', 'src_namespace', 'src_workload', 'verdict', 'time'],
  days: 7,
  measures: {
    ...sum('records', 'Records as received, every view.', 'count()', 'UInt64'),
    ...sum('flows', 'Records, each by its weight.', 'sum(weight)'),
    ...sum('bytes', 'Bytes, weighted.', 'sum(bytes * weight)'),
    ...sum('packets', 'Packets, weighted.', 'sum(packets * weight)'),
    ...sum('connections', 'Conversations that began.', `sum(weight * if(${opening}, greatest(connections, 1), connections))`),
    ...distinct('src_addresses', 'Distinct source addresses.', 'src_address'),
    ...distinct('dst_addresses', 'Distinct destination addresses.', 'dst_address'),
    ...state('conversations', 'Distinct conversations, where exporters told of them.', {
      aggregate: 'uniqCombined(14)',
      column: 'cityHash64(src_address, src_port, dst_address, dst_port, protocol)',
      type: 'UInt64',
      when: "exporter != ''",
    }),
  },
}

export const request: RecordKind = {
  name: 'request',
  about: 'One L7 exchange, or one half of it, as one reporter saw it.',
  version: 1,
  fields: requestFields,
  order: ['toStartOfFiveMinutes(time)', 'dst_namespace', 'dst_workload', 'src_namespace', 'src_workload', 'protocol', 'time'],
  days: 7,
  measures: {
    ...sum('records', 'Records as received, every view.', 'count()', 'UInt64'),
    ...sum('requests', 'Requests.', "sumIf(weight, phase IN ('request', 'exchange'))"),
    ...sum('responses', 'Responses.', `sumIf(weight, ${answered})`),
    ...sum('errors', 'Responses that say the server failed.', `sumIf(weight, error AND ${answered})`),
    ...state('latency', 'Distribution of the latency of responses, relative error 1 %.', {
      aggregate: 'quantilesDD(0.01, 0.5, 0.95, 0.99)',
      column: 'latency',
      type: 'UInt64',
      when: `latency > 0 AND ${answered}`,
    }),
  },
}

export const span: RecordKind = {
  name: 'span',
  about: 'One span of a trace.',
  version: 1,
  fields: spanFields,
  order: ['toStartOfFiveMinutes(time)', 'service_name', 'name', 'kind', 'time'],
  days: 7,
  measures: {
    ...sum('records', 'Records as received.', 'count()', 'UInt64'),
    ...sum('spans', 'Spans, each by its weight.', 'sum(weight)'),
    ...sum('errors', 'Spans that say they failed.', "sumIf(weight, status = 'error')"),
    ...state('duration', 'Distribution of how long spans took, relative error 1 %.', {
      aggregate: 'quantilesDD(0.01, 0.5, 0.95, 0.99)',
      column: 'duration',
      type: 'UInt64',
      when: 'duration > 0',
    }),
  },
}

export const sample: RecordKind = {
  name: 'sample',
  about: 'One point of a counter, gauge or histogram, with its labels.',
  version: 1,
  fields: sampleFields,
  order: ['metric', 'toStartOfFiveMinutes(time)', 'dst_namespace', 'dst_workload', 'src_namespace', 'src_workload', 'series', 'time'],
  days: 7,
  measures: {
    ...sum('records', 'Records as received, every view.', 'count()', 'UInt64'),
    ...sum('increase', 'What counters, and counts of histograms, grew by.', 'sum(delta)'),
    ...sum('total', 'What sums of histograms grew by.', 'sum(sum)'),
    ...buckets('buckets', 'Upper bounds of buckets of histograms, what each grew by, and how often each came.', 'bounds', 'counts'),
  },
}

export const loss: RecordKind = {
  name: 'loss',
  about: 'What was not seen, with count, place and reason.',
  version: 1,
  fields: lossFields,
  order: ['time', 'source', 'reporter'],
  days: 90,
}

export const object: RecordKind = {
  name: 'object',
  about: 'One version of a Kubernetes, policy or identity object and the interval in which it was true.',
  version: 1,
  fields: objectFields,
  order: ['cluster', 'kind', 'uid', 'valid_from'],
  days: 30,
  expires: 'valid_to',
  replacing: ['cluster', 'kind', 'uid', 'valid_from'],
}

/** Every kind of record. */
export const kinds = { flow, request, span, sample, loss, object } as const
export type KindName = keyof typeof kinds

/** The topic a kind travels on. */
export const topicOf = (kind: RecordKind) => `weir-${kind.name}-v${kind.version}`

/**
 * The topics a kind is read from, the newest first: while some collectors still write the version before, and until what they wrote is
 * read, that one as well.
 */
export const topicsOf = (kind: RecordKind) => [
  topicOf(kind),
  ...(kind.version > 1 ? [topicOf({ ...kind, version: kind.version - 1 })] : []),
]

/** From so many records a second on, larger and fewer INSERTs are worth more than to see records a second after they came. */
export const manyRecords = 1_000

/** Where what could not be read is kept, with the reason. */
export const deadLetterTopic = 'weir-dead-letter-v1'

/** The fields a collector writes: all but those a step of the enricher fills. */
export function collectedFields(kind: RecordKind): [name: string, field: Field][] {
  return Object.entries(kind.fields).filter(([, field]) => !field.filledBy)
}
