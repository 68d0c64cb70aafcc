import { type Fields, type RecordOf, bothEnds } from './field.ts'
import { ends } from './ends.ts'
import { directions, layers, observationPoints, phases, policySources, protocols, requestProtocols, verdicts } from './vocabulary.ts'

/** One L7 exchange, or one half of it, as one reporter saw it. `src_` is the client, `dst_` the server, whatever way the message went. */
export const requestFields = {
  time: { type: 'time', about: 'When it was seen, by the clock of the reporter.' },
  received: { type: 'time', about: 'When the collector got it.' },
  source: { type: 'label', about: 'Kind of agent that reported it.', rollup: true },
  reporter: { type: 'label', about: 'Node or proxy that saw it.' },
  cluster: { type: 'label', about: 'Cluster of the reporter.', rollup: true },
  layer: { type: 'label', values: layers, about: 'Where in the stack it was seen.', rollup: true },
  observation_point: { type: 'label', values: observationPoints, about: 'Where on its path it was seen.' },
  direction: { type: 'label', values: directions, about: 'Side of the proxy: ingress at the server, egress at the client.', rollup: true },
  phase: {
    type: 'label',
    values: phases,
    about: 'What the record tells: the request, the response, or the whole exchange.',
    rollup: true,
  },
  verdict: { type: 'label', values: verdicts, about: 'What the proxy decided.', rollup: true },
  protocol: { type: 'label', values: requestProtocols, about: 'Application protocol.', rollup: true },
  protocol_version: { type: 'label', about: 'Its version, such as HTTP/1.1.' },
  transport: { type: 'label', values: protocols, about: 'Transport protocol.' },
  ip_version: { type: 'uint8', about: '4, 6, or 0 for what is no IP.' },
  method: { type: 'label', about: 'HTTP method, DNS query type, Kafka API key.', rollup: true },
  host: { type: 'label', about: 'Host of the URL.' },
  path: { type: 'text', about: 'Path and query of the URL.' },
  status_code: { type: 'uint32', about: 'HTTP status, DNS response code, Kafka error code.', rollup: true },
  error: { type: 'bool', about: 'The server failed: HTTP 5xx, DNS other than NOERROR and NXDOMAIN, a Kafka error.' },
  latency: { type: 'uint64', about: 'From request to response.', unit: 'ns' },
  request_bytes: { type: 'uint64', about: 'Bytes of the request.', unit: 'By' },
  response_bytes: { type: 'uint64', about: 'Bytes of the response.', unit: 'By' },
  user_agent: { type: 'label', about: 'User agent of the client.' },
  request_id: { type: 'text', about: 'X-Request-Id.' },
  trace_id: { type: 'text', about: 'W3C trace the request belongs to, in hexadecimal.' },
  dns_query: { type: 'label', about: 'Name that was asked for.' },
  dns_answers: { type: 'texts', about: 'Addresses and names that were answered.' },
  dns_ttl: { type: 'uint32', about: 'Time to live of the answer.', unit: 's' },
  kafka_topic: { type: 'label', about: 'Kafka topic.' },
  correlation_id: { type: 'uint32', about: 'Kafka correlation id.' },
  weight: { type: 'float64', default: 1, about: 'How many the record stands for: 1 divided by the sampling rate.' },
  proxy_port: { type: 'uint16', about: 'Port of the proxy that saw it.' },
  policy_kind: { type: 'label', about: 'Kind of the policy that decided.', rollup: true },
  policy_namespace: { type: 'label', about: 'Namespace of the policy that decided.', rollup: true },
  policy_name: { type: 'label', about: 'Name of the policy that decided.', rollup: true },
  policy_source: { type: 'label', values: policySources, about: 'Who named the policy.' },
  ...bothEnds({
    address: { type: 'address', about: 'Address of the end; IPv4 as ::ffff:a.b.c.d.' },
    port: { type: 'uint16', about: 'Port of the end.' },
  }),
  server_port: { type: 'uint16', about: 'Port of the end that was called.', filledBy: 'orientation', rollup: true },
  ...ends,
} as const satisfies Fields

export type Request = RecordOf<typeof requestFields>
