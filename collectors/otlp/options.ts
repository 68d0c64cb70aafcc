import { type ListenOptions, listenProperties } from '../listen/options.ts'
import { type SamplesOptions, samplesProperties } from '../samples/options.ts'

/** What is kept of one span, log record or point at the most. */
export interface Limits {
  attributes: number
  value_bytes: number
  events: number
  links: number
  depth: number
}

export interface OtlpOptions {
  grpc?: ListenOptions
  http?: ListenOptions
  /** Cluster of the senders that name none. */
  cluster?: string
  limits?: Partial<Limits>
  metrics?: SamplesOptions
}

export const defaultLimits: Limits = { attributes: 128, value_bytes: 8192, events: 64, links: 64, depth: 8 }

const limit = (name: keyof Limits, maximum: number, description: string) => ({
  type: 'integer',
  minimum: 1,
  maximum,
  default: defaultLimits[name],
  description,
})

const listen = (port: number, protocol: string) => ({
  type: 'object',
  additionalProperties: false,
  properties: listenProperties(port),
  description: `Where OTLP over ${protocol} is taken.`,
})

export const limitsSchema = {
  type: 'object',
  additionalProperties: false,
  description: 'What is kept of one span, log record or point at the most; what is more is discarded and counted.',
  properties: {
    attributes: limit('attributes', 4096, 'Attributes of a span, and of each of its events.'),
    value_bytes: limit('value_bytes', 1 << 20, 'Bytes of a value; longer ones are cut and end in ….'),
    events: limit('events', 4096, 'Events of a span.'),
    links: limit('links', 4096, 'Links of a span.'),
    depth: limit('depth', 64, 'Lists and maps within one another in a value; what lies deeper becomes null.'),
  },
}

export const otlpSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    grpc: listen(4317, 'gRPC'),
    http: listen(4318, 'HTTP'),
    cluster: { type: 'string', default: '', description: 'Cluster of the senders that name none.' },
    limits: limitsSchema,
    metrics: {
      type: 'object',
      additionalProperties: false,
      properties: samplesProperties,
      description: 'What is kept of metrics, and how much of them is remembered.',
    },
  },
}
