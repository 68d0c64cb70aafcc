/** The cluster that is made up: a shop. Everything here is a list; who lives when is in `lives.ts`, what they send in `traffic.ts`. */

export const clusterName = 'shop'
export const trustDomain = 'shop.example'

export interface Node {
  index: number
  name: string
  address: string
  zone: string
}

const zones = ['eu-central-1a', 'eu-central-1b', 'eu-central-1c']

export const nodes: readonly Node[] = Array.from({ length: 5 }, (_, index) => ({
  index,
  name: `worker-${index + 1}`,
  address: `172.18.0.${11 + index}`,
  zone: zones[index % zones.length],
}))

export type WorkloadKind = 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'CronJob'
export type Speaks = 'http' | 'tcp' | 'kafka' | 'dns' | 'none'

export interface Workload {
  index: number
  namespace: string
  name: string
  kind: WorkloadKind
  replicas: number
  port: number
  speaks: Speaks
  /** Address of its Service; absent when nobody calls it by one. */
  clusterIp?: string
  hostNetwork: boolean
}

type Line = [namespace: string, name: string, kind: WorkloadKind, replicas: number, port: number, speaks: Speaks]

const lines: Line[] = [
  ['edge', 'ingress-gateway', 'Deployment', 3, 8443, 'http'],
  ['shop', 'frontend', 'Deployment', 4, 8080, 'http'],
  ['shop', 'cart', 'Deployment', 3, 8080, 'http'],
  ['shop', 'catalog', 'Deployment', 3, 8080, 'http'],
  ['shop', 'checkout', 'Deployment', 3, 8080, 'http'],
  ['shop', 'recommendation', 'Deployment', 2, 8080, 'http'],
  ['payments', 'payment', 'Deployment', 3, 8080, 'http'],
  ['payments', 'fraud', 'Deployment', 2, 8080, 'http'],
  ['data', 'postgres', 'StatefulSet', 3, 5432, 'tcp'],
  ['data', 'redis', 'Deployment', 2, 6379, 'tcp'],
  ['messaging', 'kafka', 'StatefulSet', 3, 9092, 'kafka'],
  ['observability', 'prometheus', 'StatefulSet', 2, 9090, 'http'],
  ['kube-system', 'coredns', 'Deployment', 2, 53, 'dns'],
  ['observability', 'node-exporter', 'DaemonSet', nodes.length, 9100, 'http'],
  ['batch', 'report', 'CronJob', 1, 0, 'none'],
]

const withService = (speaks: Speaks, kind: WorkloadKind) => speaks !== 'none' && kind !== 'DaemonSet'

export const workloads: readonly Workload[] = lines.map(([namespace, name, kind, replicas, port, speaks], index) => ({
  index,
  namespace,
  name,
  kind,
  replicas,
  port,
  speaks,
  clusterIp: withService(speaks, kind) ? (speaks === 'dns' ? '10.96.0.10' : `10.96.${1 + index}.${20 + index}`) : undefined,
  hostNetwork: kind === 'DaemonSet',
}))

export const namespaces: readonly string[] = [...new Set(workloads.map(workload => workload.namespace))]

/** The workload of that name; names are unique across the shop. */
export function workload(name: string): Workload {
  const found = workloads.find(each => each.name === name)
  if (!found) throw new Error(`the shop has no workload ${JSON.stringify(name)}`)
  return found
}

/** Numeric security identity; another version of a workload has other labels and so another identity. */
export const identityOf = ({ index }: Workload, version: string) => 20_000 + index * 137 + (version === 'v2' ? 61 : 0)

export const labelsOf = ({ namespace, name }: Workload, version: string): string[] => [
  `app.kubernetes.io/name=${name}`,
  `app.kubernetes.io/part-of=${namespace}`,
  `app.kubernetes.io/version=${version}`,
]

/** An address outside the cluster, with the names DNS gave it. */
export interface Outside {
  address: string
  cidr: string
  dnsName?: string
}

const network = (prefix: string, hosts: number[]): Outside[] =>
  hosts.map(host => ({ address: `${prefix}.${host}`, cidr: `${prefix}.0/24` }))

/** Where the customers are: the three networks reserved for documentation (RFC 5737). */
export const customers: readonly Outside[] = [
  ...network('198.51.100', [4, 17, 23, 42, 77, 101, 140, 180, 211, 250]),
  ...network('203.0.113', [9, 31, 56, 88, 120, 199]),
  ...network('192.0.2', [14, 60, 90, 133, 201]),
]

export const stripe: Outside = { address: '198.18.5.20', cidr: '198.18.5.20/32', dnsName: 'api.stripe.com' }
export const objectStore: Outside = { address: '198.18.9.41', cidr: '198.18.9.41/32', dnsName: 's3.eu-central-1.amazonaws.com' }
export const registry: Outside = { address: '198.18.77.3', cidr: '198.18.77.3/32', dnsName: 'registry-1.docker.io' }
