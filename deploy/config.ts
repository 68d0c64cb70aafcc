import { hostname } from 'node:os'
import path from 'node:path'
import { maxRate } from '../collectors/demo/index.ts'
import { type SourceOptions, sources } from '../collectors/index.ts'
import type { Networks } from '../enricher/steps/network.ts'
import type { IdentityOptions } from '../enricher/tables/identities.ts'
import type { MaxmindFiles } from '../enricher/tables/maxmind.ts'
import { loadConfig } from '../runtime/config.ts'
import { tables } from '../schema/clickhouse.ts'
import type { BusOptions } from './bus.ts'
import { kafkaProperties, kafkaVariables } from './kafka.ts'

/** The whole configuration: one file for every service, each of which reads its part. */
export interface Config {
  data_dir: string
  http: { host: string; port: number; allowed_hosts: string[] }
  health: { host: string; port?: number }
  bus: BusOptions
  clickhouse: {
    url?: string
    reader_url?: string
    database: string
    cluster?: string
    replicated: boolean
    http_port?: number
    days: Record<string, number>
    max_bytes?: number
  }
  collect: { name: string } & SourceOptions
  enrich: {
    networks: Networks
    egress: Networks
    maxmind: MaxmindFiles
    dns: { max_names: number; min_seconds: number }
    meshes: string[][]
    gateways: string[][]
    objects: { wait: number; history_hours: number; gone_days: number }
    identity: IdentityOptions
    batch: { max_rows: number; max_parts: number; max_wait_ms: number }
    reattribute: { every_seconds: number }
  }
  demo: { rate: number; seed: number; history: number; host: string; port: number }
}

const port = { type: 'integer', minimum: 1, maximum: 65535, expected: 'a port from 1 to 65535' }
const daysOf = (table: string, ttl: string) => ({
  type: 'integer',
  minimum: 1,
  maximum: 36_500,
  description: `Days of ${table}.`,
  defaultIs: /toIntervalDay\((\d+)\)/.exec(ttl)![1],
})
const urls = {
  type: 'string',
  pattern: '^https?://[^,]+(,https?://[^,]+)*$',
  expected: 'http://user:password@host:port, or several with commas between',
}
const groupsOfClusters = (description: string) => ({
  type: 'array',
  default: [],
  description,
  expected: 'a list of lists, each of two or more names of clusters',
  items: {
    type: 'array',
    minItems: 2,
    uniqueItems: true,
    expected: 'a list of two or more different names of clusters',
    items: { type: 'string', expected: 'the name of a cluster' },
  },
})
const group = (properties: object) => ({ type: 'object', additionalProperties: false, default: {}, properties })

/** JSON Schema of the configuration. `description` is what `weir config default` and the reference say of a setting. */
export const configSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    data_dir: {
      type: 'string',
      minLength: 1,
      default: 'data',
      description: 'Where the embedded bus, the embedded ClickHouse and the demo keep their data.',
    },
    http: group({
      host: { type: 'string', default: '127.0.0.1', description: 'Address the web app and the API listen on.' },
      port: { ...port, default: 8080, description: 'Their port.' },
      allowed_hosts: {
        type: 'array',
        items: { type: 'string' },
        default: [],
        description: 'Names by which browsers may call the API, besides localhost.',
      },
    }),
    health: group({
      host: {
        type: 'string',
        default: '127.0.0.1',
        description: 'Address a service that runs alone answers /healthz, /readyz and /metrics on.',
      },
      port: { ...port, description: 'Its port; none by default.' },
    }),
    bus: group({
      path: { type: 'string', description: 'File of the embedded bus; bus.sqlite in the data directory by default.' },
      max_age_hours: { type: 'number', exclusiveMinimum: 0, default: 6, description: 'How long what was read is kept.' },
      max_bytes: {
        type: 'integer',
        minimum: 1 << 20,
        default: 2 ** 31,
        description: 'Size of a topic: what was read is removed beyond it, and publishing waits when so much is unread.',
      },
      kafka: group(kafkaProperties),
    }),
    clickhouse: group({
      url: {
        ...urls,
        description:
          'A ClickHouse server; an embedded one by default. Of a cluster one server, beside which the others are reached by their own names, or all of them.',
      },
      reader_url: {
        ...urls,
        description: 'The same server with a read-only user, for queries. Of a cluster, those that are asked when the one before is away.',
      },
      database: {
        type: 'string',
        pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
        default: 'weir',
        expected: 'a name of letters, digits and _',
        description: 'Database of the tables; weir migrate creates it.',
      },
      cluster: {
        type: 'string',
        minLength: 1,
        expected: 'the name of a cluster in system.clusters',
        description: 'Cluster that shares the database, by its name in system.clusters; a single server by default.',
      },
      replicated: {
        type: 'boolean',
        default: false,
        description: 'Replicated tables also where no shard has a second replica yet; where one has they are anyway.',
      },
      http_port: { ...port, description: 'HTTP port of the embedded server; a free one by default.' },
      days: {
        ...group(Object.fromEntries(tables().map(({ name, ttl }) => [name, daysOf(name, ttl)]))),
        description: 'How many days each table keeps.',
      },
      max_bytes: {
        type: 'integer',
        minimum: 1 << 20,
        description:
          'Bytes all tables of a server together may take: near it the oldest hours of flows and requests go, their rollups stay. No limit by default.',
      },
    }),
    collect: group({
      name: {
        type: 'string',
        minLength: 1,
        default: hostname(),
        defaultIs: 'the name of the machine',
        description: 'Name of this collector on the bus; each needs its own.',
      },
      ...Object.fromEntries(sources.map(({ name, about, options }) => [name, { description: about, ...options }])),
    }),
    enrich: group({
      networks: {
        type: 'object',
        additionalProperties: { type: 'array', items: { type: 'string' } },
        default: {},
        description: 'Names of networks and their CIDRs, for addresses that are no pod, node or service.',
      },
      egress: {
        type: 'object',
        additionalProperties: {
          type: 'array',
          expected: 'a list of addresses or CIDRs',
          items: { type: 'string', expected: 'an address or a CIDR' },
        },
        default: {},
        description:
          'Names of egress gateways and the addresses they put in the place of those of pods; also where a node has the address.',
      },
      maxmind: group({
        asn: {
          type: 'string',
          minLength: 1,
          expected: 'the path of a file in MaxMind’s format',
          description: 'Database of autonomous systems in MaxMind’s format (GeoLite2-ASN.mmdb); read again when it is replaced.',
        },
        country: {
          type: 'string',
          minLength: 1,
          expected: 'the path of a file in MaxMind’s format',
          description: 'Database of countries in the same format (GeoLite2-Country.mmdb).',
        },
      }),
      dns: group({
        max_names: {
          type: 'integer',
          minimum: 1,
          maximum: 10_000_000,
          default: 100_000,
          description: 'Pairs of a client and an address whose name is remembered.',
        },
        min_seconds: {
          type: 'integer',
          minimum: 0,
          maximum: 86_400,
          default: 300,
          description: 'How long an answer of DNS names an address at least, however short its time to live.',
        },
      }),
      meshes: groupsOfClusters(
        'Clusters that route to each other’s pod addresses (Cluster Mesh, flat networks): what is unknown in one is looked for in the others.',
      ),
      gateways: groupsOfClusters('Clusters that reach each other by gateways alone, at the addresses of load balancers.'),
      objects: group({
        wait: {
          type: 'number',
          minimum: 0,
          maximum: 60,
          default: 3,
          expected: 'seconds from 0 to 60',
          description:
            'Seconds that records wait, at most, until all is known that is told of the pods of their cluster up to then; 0 for never. Of clusters whose source says up to when it is complete.',
        },
        history_hours: {
          type: 'number',
          minimum: 2,
          maximum: 8760,
          default: 24,
          expected: 'hours from 2 to 8760',
          description:
            'Hours for which the bus and the enrichers remember versions of objects that ended, counted back from the oldest record that is not stored yet: how late a record may come and still be attributed. ClickHouse remembers for clickhouse.days.object.',
        },
        gone_days: {
          type: 'number',
          minimum: 0,
          maximum: 3650,
          default: 7,
          expected: 'days, or 0 for never',
          description:
            'Days after which the objects of a source count as ended of which no collector has said any more that it is there, as when its cluster was given up; 0 for never. Less than 2 are 2.',
        },
      }),
      identity: group({
        trust_domains: {
          type: 'object',
          additionalProperties: { type: ['string', 'array'], items: { type: 'string' } },
          default: {},
          expected: 'trust domains by the names of clusters',
          description:
            'Trust domain of the mesh of each cluster, by the name of the cluster; of several the first is its own, and the others are trusted as well. cluster.local where nothing is said, of which nothing is then held against a certificate.',
        },
        root_namespace: {
          type: 'string',
          minLength: 1,
          default: 'istio-system',
          description: 'Namespace whose PeerAuthentications are for the whole mesh.',
        },
        spire_controller_managers: {
          type: 'object',
          default: {},
          expected: 'what is configured of them, by the names of clusters',
          description:
            'How the spire-controller-manager of a cluster is configured, by the name of the cluster: by it ClusterSPIFFEIDs are read.',
          additionalProperties: group({
            class_names: {
              type: 'array',
              items: { type: 'string' },
              description:
                "className of those it acts on, '' for those without one (watchClassless). Where nothing is said, of those that have one it is not known what they give.",
            },
            cluster_name: { type: 'string', minLength: 1, description: 'Its clusterName, for templates with .ClusterName.' },
            cluster_domain: { type: 'string', minLength: 1, description: 'Its clusterDomain, for templates with .ClusterDomain.' },
            ignore_namespaces: {
              type: 'array',
              items: { type: 'string' },
              expected: 'regular expressions',
              defaultIs: 'kube-system, kube-public, spire-system',
              description: 'Its ignoreNamespaces: regular expressions of namespaces whose pods get nothing.',
            },
          }),
        },
      }),
      batch: group({
        max_rows: { type: 'integer', minimum: 1, maximum: 1_000_000, default: 400_000, description: 'Rows of one INSERT.' },
        max_parts: { type: 'integer', minimum: 1, maximum: 16, default: 2, description: 'INSERTs at a time.' },
        max_wait_ms: {
          type: 'integer',
          minimum: 10,
          maximum: 60_000,
          default: 1000,
          description: 'Longest wait for them; five times that where a second brings 1,000 rows or more.',
        },
      }),
      reattribute: group({
        every_seconds: {
          type: 'number',
          minimum: 0,
          default: 300,
          description:
            'How often records that were stored provisionally are attributed again where they are known better now; 0 for never.',
        },
      }),
    }),
    demo: group({
      rate: {
        type: 'number',
        minimum: 1,
        maximum: maxRate,
        default: 200,
        expected: `flows a second from 1 to ${maxRate}`,
        description: 'Flows a second of the demo cluster.',
      },
      seed: { type: 'integer', minimum: 0, default: 7, description: 'The same seed makes the same traffic.' },
      history: {
        type: 'integer',
        minimum: 0,
        default: 3600,
        description: 'Seconds back from which its flows are collected at the first start.',
      },
      host: { type: 'string', default: '127.0.0.1', description: 'Address its Hubble endpoint listens on.' },
      port: { type: 'integer', minimum: 0, maximum: 65535, default: 0, description: 'Its port; a free one by default.' },
    }),
  },
} as const

export const variables = {
  WEIR_DATA_DIR: 'data_dir',
  WEIR_HTTP_HOST: 'http.host',
  WEIR_HTTP_PORT: 'http.port',
  WEIR_HEALTH_HOST: 'health.host',
  WEIR_HEALTH_PORT: 'health.port',
  WEIR_BUS_PATH: 'bus.path',
  ...kafkaVariables,
  WEIR_CLICKHOUSE_URL: 'clickhouse.url',
  WEIR_CLICKHOUSE_READER_URL: 'clickhouse.reader_url',
  WEIR_CLICKHOUSE_DATABASE: 'clickhouse.database',
  WEIR_CLICKHOUSE_CLUSTER: 'clickhouse.cluster',
  WEIR_CLICKHOUSE_REPLICATED: 'clickhouse.replicated',
  WEIR_CLICKHOUSE_HTTP_PORT: 'clickhouse.http_port',
  WEIR_COLLECTOR_NAME: 'collect.name',
  WEIR_HUBBLE_ADDRESS: 'collect.hubble.address',
  WEIR_HUBBLE_SHARE_NUMBER: 'collect.hubble.share.number',
  WEIR_HUBBLE_SHARE_OF: 'collect.hubble.share.of',
  WEIR_KUBECONFIG: 'collect.kubernetes.kubeconfig',
  WEIR_KUBERNETES_CLUSTER: 'collect.kubernetes.cluster',
  WEIR_DEMO_RATE: 'demo.rate',
  WEIR_DEMO_SEED: 'demo.seed',
  WEIR_DEMO_HISTORY: 'demo.history',
  WEIR_DEMO_PORT: 'demo.port',
} as const

/** Variables that are no setting of the configuration. */
export const otherVariables = {
  WEIR_CONFIG: 'The configuration file, as --config.',
  WEIR_LOG_LEVEL: 'The least that is logged: debug, info (the default), warn or error.',
  WEIR_LOG_FORMAT: 'text for lines to read, which a terminal gets anyway; else one JSON object a line.',
  WEIR_URL: 'Where weir flows, requests and query ask: http://127.0.0.1:8080 by default.',
} as const

/** The configuration of this process. Throws ConfigError. */
export async function readConfig(file: string | undefined, overrides: Record<string, unknown> = {}): Promise<Config> {
  const config = await loadConfig<Config>({ schema: configSchema, variables, file: file ?? process.env.WEIR_CONFIG, overrides })
  config.data_dir = path.resolve(config.data_dir)
  config.bus.path = path.resolve(config.bus.path ?? path.join(config.data_dir, 'bus.sqlite'))
  return config
}
