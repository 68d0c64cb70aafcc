import type { Field, Fields } from './field.ts'
import { flowFields } from './flow.ts'
import { lossFields } from './loss.ts'
import { objectFields } from './object.ts'
import { requestFields } from './request.ts'

/** A number the rollups keep: `raw` computes it from records, `merge` adds up what a rollup holds. */
export interface Measure {
  about: string
  /** Type of the rollup's column. */
  type: string
  raw: string
  merge: string
}

export interface RecordKind {
  name: string
  about: string
  /** Part of the topic's name; a block of another version is not read as this one. */
  version: number
  fields: Fields
  /** Sorting key of the raw table. */
  order: readonly string[]
  /** Days the raw table keeps. */
  days: number
  /** Present when the kind has rollups of a minute and an hour. */
  measures?: Readonly<Record<string, Measure>>
  /** Only the newest version of a record counts: the key that identifies it. */
  replacing?: readonly string[]
}

const summed = (about: string, raw: string, type = 'Float64', name = ''): Measure => ({
  about,
  type: `SimpleAggregateFunction(sum, ${type})`,
  raw,
  merge: `sum(${name})`,
})

const states = {
  latency: 'quantilesDD(0.01, 0.5, 0.95, 0.99)',
}

const opening = "orientation != 'reply' AND (bitAnd(tcp_flags, 18) = 2 OR (protocol != 'tcp' AND trace_reason = 'new'))"

export const flow: RecordKind = {
  name: 'flow',
  about: 'What one observation point saw of one direction of a conversation, or one event of it.',
  version: 1,
  fields: flowFields,
  order: ['toStartOfFiveMinutes(time)', 'dst_namespace', 'dst_workload', 'src_namespace', 'src_workload', 'verdict', 'time'],
  days: 7,
  measures: {
    records: summed('Records as received, every view.', 'count()', 'UInt64', 'records'),
    flows: summed('Records, each by its weight.', 'sum(weight)', 'Float64', 'flows'),
    bytes: summed('Bytes, weighted.', 'sum(bytes * weight)', 'Float64', 'bytes'),
    packets: summed('Packets, weighted.', 'sum(packets * weight)', 'Float64', 'packets'),
    connections: summed('Conversations that began.', `sumIf(weight, ${opening})`, 'Float64', 'connections'),
    src_addresses: {
      about: 'Distinct source addresses.',
      type: 'AggregateFunction(uniqCombined(14), IPv6)',
      raw: 'uniqCombinedState(14)(src_address)',
      merge: 'uniqCombinedMerge(14)(src_addresses)',
    },
    dst_addresses: {
      about: 'Distinct destination addresses.',
      type: 'AggregateFunction(uniqCombined(14), IPv6)',
      raw: 'uniqCombinedState(14)(dst_address)',
      merge: 'uniqCombinedMerge(14)(dst_addresses)',
    },
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
    records: summed('Records as received, every view.', 'count()', 'UInt64', 'records'),
    requests: summed('Requests.', "sumIf(weight, phase IN ('request', 'exchange'))", 'Float64', 'requests'),
    responses: summed('Responses.', "sumIf(weight, phase IN ('response', 'exchange'))", 'Float64', 'responses'),
    errors: summed(
      'Responses that say the server failed.',
      "sumIf(weight, error AND phase IN ('response', 'exchange'))",
      'Float64',
      'errors',
    ),
    latency: {
      about: 'Distribution of the latency of responses, relative error 1 %.',
      type: `AggregateFunction(${states.latency}, UInt64)`,
      raw: `${states.latency.replace('quantilesDD', 'quantilesDDStateIf')}(latency, phase IN ('response', 'exchange') AND latency > 0)`,
      merge: `${states.latency.replace('quantilesDD', 'quantilesDDMerge')}(latency)`,
    },
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
  replacing: ['cluster', 'kind', 'uid', 'valid_from'],
}

/** Every kind of record. */
export const kinds = { flow, request, loss, object } as const
export type KindName = keyof typeof kinds

/** The topic a kind travels on. */
export const topicOf = (kind: RecordKind) => `weir-${kind.name}-v${kind.version}`

/** Where what could not be read is kept, with the reason. */
export const deadLetterTopic = 'weir-dead-letter-v1'

/** The fields a collector writes: all but those a step of the enricher fills. */
export function collectedFields(kind: RecordKind): [name: string, field: Field][] {
  return Object.entries(kind.fields).filter(([, field]) => !field.filledBy)
}
