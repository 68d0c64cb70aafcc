import { ends } from './ends.ts'
import { type Fields, type RecordOf, bothEnds } from './field.ts'
import { directions, layers, reporterKinds, requestProtocols, sampleTypes } from './vocabulary.ts'

/**
 * One point of a series of a metric. What a counter or histogram grew by since the point before it is in `delta` and `counts`, so that
 * sums of samples are right whatever was reset or aggregated. `src_` is the client, `dst_` the server.
 */
export const sampleFields = {
  time: { type: 'time', about: 'When the value was so.' },
  received: { type: 'time', about: 'When the collector got it.' },
  source: { type: 'label', about: 'Kind of agent that reported it.', rollup: true },
  reporter: { type: 'label', about: 'Proxy or process that was measured: the target.' },
  reporter_kind: { type: 'label', values: reporterKinds, about: 'What the reporter is: a sidecar, a waypoint, a ztunnel…', rollup: true },
  cluster: { type: 'label', about: 'Cluster of the reporter.', rollup: true },
  layer: { type: 'label', values: layers, about: 'Where in the stack it was measured.', rollup: true },
  direction: {
    type: 'label',
    values: directions,
    about: 'Side of the reporter: ingress at the server, egress at the client.',
    rollup: true,
  },
  metric: { type: 'label', about: 'Name of the metric, as the source names it.', rollup: true },
  type: { type: 'label', values: sampleTypes, about: 'What kind of metric it is.', rollup: true },
  unit: { type: 'label', about: 'Unit of the value, where the source says.' },
  series: { type: 'uint64', about: 'The same number for all points of one series.' },
  value: { type: 'float64', about: 'The value: of a counter since it began, of a histogram the count of all observations.' },
  delta: { type: 'float64', about: 'What a counter, or the count of a histogram, grew by since the point before.' },
  since: { type: 'time', about: 'Time of the point before, from which delta and counts are.' },
  reset: { type: 'bool', about: 'Whether the series began anew since the point before.' },
  sum: { type: 'float64', about: 'What the sum of the observations of a histogram grew by.' },
  bounds: {
    type: 'numbers',
    about:
      'Upper bounds of the buckets of a histogram that grew, and of those just below them; the last may be infinite, which JSON has as null.',
  },
  counts: { type: 'numbers', about: 'What each of these buckets grew by.' },
  protocol: { type: 'label', values: requestProtocols, about: 'Application protocol.', rollup: true },
  status_code: { type: 'uint32', about: 'HTTP status, from the labels.', rollup: true },
  grpc_status: { type: 'label', about: 'Status of gRPC, from the labels.', rollup: true },
  response_flags: { type: 'label', about: 'What a proxy says went wrong, from the labels.', rollup: true },
  security: { type: 'label', about: 'How the connection was secured, from the labels: mutual_tls, none…', rollup: true },
  labels: { type: 'attributes', about: 'All labels of the series.' },
  ...bothEnds({
    address: { type: 'address', about: 'Address of the end; IPv4 as ::ffff:a.b.c.d.' },
    port: { type: 'uint16', about: 'Port of the end.' },
  }),
  server_port: { type: 'uint16', about: 'Port of the end that was called.', filledBy: 'orientation', rollup: true },
  ...ends,
} as const satisfies Fields

export type Sample = RecordOf<typeof sampleFields>
