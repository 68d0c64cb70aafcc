import { readFile } from 'node:fs/promises'
import { type TlsOptions, tlsSchema } from '../collectors/address.ts'
import { type KafkaBus, openKafkaBus } from '../runtime/bus/kafka.ts'
import { ConfigError } from '../runtime/error.ts'
import type { Logger } from '../runtime/log.ts'

export interface KafkaOptions {
  brokers?: string[]
  client_id: string
  group_prefix: string
  instance_id?: string
  session_seconds: number
  tls: TlsOptions
  sasl: { mechanism: string; user?: string; password?: string }
  partitions: number
  replication: number
  retention_hours: number
  max_message_bytes: number
}

/** The part of the configuration that is about Kafka. */
export const kafkaProperties = {
  brokers: {
    type: 'array',
    minItems: 1,
    items: { type: 'string', pattern: '^(\\[[0-9a-fA-F:.]+\\]|[^:/\\s@]+):\\d+$', expected: 'host:port' },
    description: 'Some brokers of a Kafka cluster, as host:port: the bus is on it. Without any, the bus is a file.',
  },
  client_id: { type: 'string', minLength: 1, default: 'weir', description: 'Name of this client in the logs and quotas of Kafka.' },
  group_prefix: { type: 'string', default: 'weir-', description: 'What the names of its consumer groups begin with.' },
  instance_id: {
    type: 'string',
    minLength: 1,
    description: 'Name of this process in its groups, such as that of its pod: partitions stay with it while it is restarted.',
  },
  session_seconds: {
    type: 'number',
    minimum: 1,
    maximum: 1800,
    default: 10,
    description: 'After so long without a sign of life others have the partitions of a process.',
  },
  tls: { ...tlsSchema, default: false },
  sasl: {
    type: 'object',
    additionalProperties: false,
    default: {},
    properties: {
      mechanism: {
        enum: ['plain', 'scram-sha-256', 'scram-sha-512'],
        default: 'scram-sha-512',
        description: 'How user and password are shown to the broker.',
      },
      user: { type: 'string', minLength: 1, description: 'User on Kafka; nobody by default.' },
      password: { type: 'string', description: 'Password of the user.' },
    },
    dependentRequired: { user: ['password'], password: ['user'] },
  },
  partitions: {
    type: 'integer',
    minimum: 1,
    maximum: 1000,
    default: 3,
    description: 'Partitions of a topic that weir migrate makes: as many as there shall be enrichers. More make more and smaller INSERTs.',
  },
  replication: { type: 'integer', minimum: 1, maximum: 9, default: 3, description: 'Brokers that hold each of them.' },
  retention_hours: {
    type: 'number',
    exclusiveMinimum: 0,
    default: 72,
    description: 'How long Kafka keeps records, read or not: as long as ClickHouse may be away.',
  },
  max_message_bytes: {
    type: 'integer',
    minimum: 1 << 20,
    maximum: 64 << 20,
    default: 8 << 20,
    description: 'Largest message of a topic that weir migrate makes; larger ones travel in pieces.',
  },
} as const

export const kafkaVariables = {
  WEIR_KAFKA_BROKERS: 'bus.kafka.brokers',
  WEIR_KAFKA_CLIENT_ID: 'bus.kafka.client_id',
  WEIR_KAFKA_INSTANCE_ID: 'bus.kafka.instance_id',
  WEIR_KAFKA_SASL_MECHANISM: 'bus.kafka.sasl.mechanism',
  WEIR_KAFKA_SASL_USER: 'bus.kafka.sasl.user',
  WEIR_KAFKA_SASL_PASSWORD: 'bus.kafka.sasl.password',
  WEIR_KAFKA_PARTITIONS: 'bus.kafka.partitions',
  WEIR_KAFKA_REPLICATION: 'bus.kafka.replication',
} as const

/** The bus on the Kafka of this configuration. With `create` it makes topics that are missing. */
export function openKafka(options: KafkaOptions, brokers: readonly string[], log: Logger, { create = false } = {}): KafkaBus {
  const { tls, sasl, partitions, replication, max_message_bytes: maxMessageBytes } = options
  return openKafkaBus({
    brokers,
    clientId: options.client_id,
    groupPrefix: options.group_prefix,
    instanceId: options.instance_id,
    sessionMs: options.session_seconds * 1000,
    log,
    ...(tls && { tls: () => certificates(tls === true ? {} : tls) }),
    ...(sasl.user !== undefined && { sasl: { mechanism: sasl.mechanism, username: sasl.user, password: sasl.password ?? '' } }),
    ...(create && { create: { partitions, replication, maxMessageBytes } }),
  })
}

async function certificates({ ca, cert, key, server_name: servername, insecure }: Exclude<TlsOptions, boolean>) {
  const [authorities, certificate, privateKey] = await Promise.all([pem('ca', ca), pem('cert', cert), pem('key', key)])
  return {
    ca: authorities,
    cert: certificate,
    key: privateKey,
    ...(servername !== undefined && { servername }),
    rejectUnauthorized: !insecure,
  }
}

const pem = (setting: string, file: string | undefined) =>
  file === undefined
    ? undefined
    : readFile(file).catch(error => {
        throw new ConfigError(`bus.kafka.tls.${setting}: expected a PEM file, got ${JSON.stringify(file)}`, { cause: error })
      })
