import type { ColumnDefinition } from './clickhouse.ts'

/** Fields of each end of a pair of spans, as the spans have them. */
export const spanEndFields = ['cluster', 'namespace', 'workload', 'workload_kind', 'service', 'entity', 'network'] as const

/** Which halves of a call made a span. */
export const pairings = ['both', 'client_only', 'server_only'] as const
export type Pairing = (typeof pairings)[number]

/** Days the edges are kept: as long as the finest rollups. */
export const spanEdgeDays = 30

const label = 'LowCardinality(String)'
const ends = (['src', 'dst'] as const).flatMap(end => [
  {
    name: `${end}_name`,
    type: label,
    about: `Service at the ${end === 'src' ? 'calling' : 'called'} end, as its spans name it, or as the other end's do.`,
  },
  ...spanEndFields.map(field => ({ name: `${end}_${field}`, type: label, about: `As ${end}_${field} of spans.` })),
])

/** Who calls whom, as pairs of spans tell, added up by minutes. */
export const spanEdge = {
  name: 'span_edge',
  about: 'Calls and messages between services by minutes, as pairs of spans tell.',
  columns: [
    { name: 'bucket', type: "DateTime('UTC')", about: 'Minute in which the client, or the server where there is no client, began.' },
    { name: 'cluster', type: label, about: 'Cluster of the reporter.' },
    { name: 'paired', type: label, about: 'Which halves made a span: both, client_only, server_only.' },
    { name: 'messaging', type: 'Bool', about: 'A message from a producer to a consumer, not a call.' },
    { name: 'protocol', type: label, about: 'Application protocol.' },
    ...ends,
    { name: 'calls', type: 'Float64', about: 'Calls or messages, by the lesser weight of the two spans.' },
    { name: 'errors', type: 'Float64', about: 'Those of which the server, or the client where there is no server, says they failed.' },
    {
      name: 'duration',
      type: 'AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), UInt64)',
      about: 'Distribution of how long the server took, or the client where there is no server, relative error 1 %.',
    },
    {
      name: 'revision',
      type: 'UInt32',
      about: 'Which attribution of the ends it is of: 0, or more where its spans were attributed again.',
    },
  ] satisfies ColumnDefinition[],
  order: ['bucket', 'dst_namespace', 'dst_name', 'src_namespace', 'src_name'],
} as const
