import { ends, provisional, revision } from './ends.ts'
import { type Fields, type RecordOf, bothEnds, distinctTexts } from './field.ts'
import { layers, reporterKinds, requestProtocols, spanKinds, spanStatuses } from './vocabulary.ts'

/** One span of a trace. `src_` is who called, `dst_` who was called: the span's own end is `dst_` of a server or consumer, else `src_`. */
export const spanFields = {
  time: { type: 'time', about: 'When the span began.' },
  received: { type: 'time', about: 'When the collector got it.' },
  source: { type: 'label', about: 'Kind of agent that reported it.', rollup: true },
  reporter: { type: 'label', about: 'Who sent it: the process or proxy, as its resource names it.' },
  reporter_kind: {
    type: 'label',
    values: reporterKinds,
    about: 'What the reporter is: an application, a sidecar, a waypoint…',
    rollup: true,
  },
  cluster: { type: 'label', about: 'Cluster of the reporter.', rollup: true },
  layer: { type: 'label', values: layers, about: 'Where in the stack it was seen.', rollup: true },
  trace_id: { type: 'text', about: 'Trace, in hexadecimal.', lookup: true },
  span_id: { type: 'text', about: 'Span, in hexadecimal.' },
  parent_span_id: { type: 'text', about: 'Span that caused it; empty for the first of a trace.' },
  trace_state: { type: 'text', about: 'W3C tracestate.' },
  kind: { type: 'label', values: spanKinds, about: 'Role of the span in a call.', rollup: true },
  name: { type: 'label', distinct: distinctTexts.many, about: 'Name of the operation.', rollup: true },
  service_name: { type: 'label', about: 'Service that made the span, as it names itself.', rollup: true },
  scope: { type: 'label', distinct: distinctTexts.many, about: 'Library that made the span.' },
  duration: { type: 'uint64', about: 'How long it took.', unit: 'ns' },
  status: { type: 'label', values: spanStatuses, about: 'Whether the operation worked, as the span says.', rollup: true },
  status_message: { type: 'text', about: 'What the span says of its failure.' },
  protocol: { type: 'label', values: requestProtocols, about: 'Application protocol.', rollup: true },
  method: {
    type: 'label',
    distinct: distinctTexts.few,
    about: 'HTTP or RPC method, or operation of a database or queue.',
    rollup: true,
  },
  host: { type: 'label', distinct: distinctTexts.many, about: 'Host of the URL.' },
  path: { type: 'text', about: 'Path and query of the URL.' },
  route: { type: 'label', distinct: distinctTexts.many, about: 'Route of the server, as a template.' },
  status_code: { type: 'uint32', about: 'HTTP or gRPC status.', rollup: true },
  peer_service: {
    type: 'label',
    distinct: distinctTexts.many,
    about: 'Service at the other end, as the span names it.',
    rollup: true,
  },
  request_id: { type: 'text', about: 'X-Request-Id.', lookup: true },
  attributes: { type: 'attributes', about: 'Attributes of the span.' },
  resource: { type: 'attributes', about: 'Attributes of what made the span.' },
  events: { type: 'texts', about: 'Events within the span, each as JSON.' },
  links: { type: 'texts', about: 'Spans it is linked to, as trace/span.' },
  discarded_attributes: { type: 'uint32', about: 'Attributes, events and links the sender or we left out.' },
  weight: { type: 'float64', default: 1, about: 'How many the record stands for: 1 divided by the sampling probability.' },
  ...bothEnds({
    address: { type: 'address', about: 'Address of the end; IPv4 as ::ffff:a.b.c.d.' },
    port: { type: 'uint16', about: 'Port of the end.' },
  }),
  server_port: { type: 'uint16', about: 'Port of the end that was called.', filledBy: 'orientation', rollup: true },
  ...ends,
  provisional,
  revision,
} as const satisfies Fields

export type Span = RecordOf<typeof spanFields>
