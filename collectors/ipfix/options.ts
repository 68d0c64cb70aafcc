import type { ExporterOptions } from './session.ts'

/** Where datagrams of one kind are expected; each port takes any of them. */
export interface ListenerOptions {
  host?: string
  port?: number
}

export interface FlowExportOptions {
  netflow?: ListenerOptions | false
  ipfix?: (ListenerOptions & { tcp?: boolean }) | false
  sflow?: ListenerOptions | false
  cluster?: string
  receive_buffer_bytes?: number
  queue_bytes?: number
  exporters?: Record<string, ExporterOptions>
  max_exporters?: number
  max_templates?: number
  max_template_fields?: number
  template_seconds?: number
  hold_seconds?: number
  hold_bytes?: number
}

export const defaults = {
  host: '127.0.0.1',
  ports: { netflow: 2055, ipfix: 4739, sflow: 6343 },
  receiveBufferBytes: 32 << 20,
  queueBytes: 32 << 20,
  maxExporters: 4096,
  maxTemplates: 1024,
  maxTemplateFields: 512,
  /** Of all exporters together, about 100 bytes each. */
  allTemplateFields: 1 << 20,
  templateSeconds: 86_400,
  holdSeconds: 600,
  holdBytes: 16 << 20,
} as const

const integer = (minimum: number, maximum: number, value: number, description: string) => ({
  type: 'integer',
  minimum,
  maximum,
  default: value,
  description,
})

const listener = (name: keyof typeof defaults.ports, protocol: string, more: object = {}) => ({
  anyOf: [
    {
      type: 'object',
      additionalProperties: false,
      properties: {
        host: { type: 'string', default: defaults.host, description: 'Address it listens on.' },
        port: integer(0, 65535, defaults.ports[name], 'Its UDP port; 0 for a free one.'),
        ...more,
      },
    },
    { const: false },
  ],
  default: {},
  expected: 'host and port, or false',
  description: `Where ${protocol} is expected, false for nowhere; every port takes all of the protocols.`,
})

const exporterSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    name: { type: 'string', minLength: 1, description: 'What it is called instead of its address.' },
    sampling_rate: {
      type: 'number',
      minimum: 1,
      description: 'One packet in so many is looked at, where the exporter does not say it.',
    },
  },
}

export const optionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    netflow: listener('netflow', 'NetFlow 5 and 9'),
    ipfix: listener('ipfix', 'IPFIX', {
      tcp: { type: 'boolean', default: false, description: 'Whether to take IPFIX over TCP too, on the port of the same number.' },
    }),
    sflow: listener('sflow', 'sFlow 5'),
    cluster: { type: 'string', default: '', description: 'Cluster of the exporters.' },
    receive_buffer_bytes: integer(
      65_536,
      1 << 30,
      defaults.receiveBufferBytes,
      'Bytes the kernel is asked to keep for each port; it gives no more than net.core.rmem_max.',
    ),
    queue_bytes: integer(
      1 << 20,
      1 << 30,
      defaults.queueBytes,
      'Bytes of datagrams that may wait to be read, rounded up to a power of two; beyond that the kernel keeps them, and then drops them.',
    ),
    exporters: {
      type: 'object',
      default: {},
      additionalProperties: exporterSchema,
      description: 'What is known of exporters, by their address.',
    },
    max_exporters: integer(1, 1 << 20, defaults.maxExporters, 'Exporting processes and domains that are known at once.'),
    max_templates: integer(1, 65_536, defaults.maxTemplates, 'Templates of one of them.'),
    max_template_fields: integer(1, 16_384, defaults.maxTemplateFields, 'Fields of a template.'),
    template_seconds: integer(
      60,
      31_536_000,
      defaults.templateSeconds,
      'Seconds after which a template that was not sent again is forgotten.',
    ),
    hold_seconds: integer(0, 86_400, defaults.holdSeconds, 'Seconds data waits for its template.'),
    hold_bytes: integer(0, 1 << 30, defaults.holdBytes, 'Bytes of data that may wait for templates; 256 are counted for each set besides.'),
  },
}
