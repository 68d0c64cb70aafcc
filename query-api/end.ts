import { nodeEntities } from '../schema/ranking.ts'
import type { Cell } from './query.ts'

export const levels = ['namespace', 'workload', 'service', 'pod'] as const
export type Level = (typeof levels)[number]

/** One end of an edge, at some level. */
export interface End {
  /** The same for the same end in every answer. */
  id: string
  name: string
  kind: Level | 'host' | 'outside'
  cluster: string
  namespace: string
  workload?: string
  workload_kind?: string
  service?: string
  pod?: string
  entity: string
  network: string
  dns_name?: string
}

/** Fields that tell ends apart at a level, without `src_` and `dst_`. */
export const endFields: Readonly<Record<Level, readonly string[]>> = {
  namespace: ['cluster', 'namespace', 'entity', 'network'],
  workload: ['cluster', 'namespace', 'workload', 'workload_kind', 'entity', 'network'],
  service: ['cluster', 'namespace', 'workload', 'service', 'entity', 'network'],
  // Names of addresses are in the records only, as pods are.
  pod: ['cluster', 'namespace', 'workload', 'pod', 'entity', 'network', 'dns_name'],
}

export const fieldsOfEnd = (end: 'src' | 'dst', level: Level) => endFields[level].map(name => `${end}_${name}`)
export const fieldsOfBothEnds = (level: Level) => [...fieldsOfEnd('src', level), ...fieldsOfEnd('dst', level)]

type Row = Readonly<Record<string, Cell>>

/** The end a row names. What is no pod has the name of its network, else of its address, else what it is. */
export function endOf(row: Row, end: 'src' | 'dst', level: Level): End {
  const fields = Object.fromEntries(endFields[level].map(name => [name, String(row[`${end}_${name}`] ?? '')]))
  const { cluster, namespace, entity, network } = fields
  const own = { ...fields, cluster, namespace, entity, network }
  const name = fields[level] || (level === 'service' || level === 'pod' ? fields.workload : '')
  if (name) return { ...own, id: idOf(level, fields, name), name, kind: fields[level] ? level : 'workload' }
  if (namespace) return { ...own, id: `${cluster}/${namespace}`, name: namespace, kind: 'namespace' }
  return outside(own)
}

function idOf(
  level: Level,
  { cluster, namespace, workload_kind, service, workload }: Readonly<Record<string, string>>,
  name: string,
): string {
  if (level === 'namespace') return `${cluster}/${name}`
  if (level === 'service') return service ? `${cluster}/service/${service}` : `${cluster}/${namespace}/${workload}`
  return [cluster, namespace, workload_kind, name].filter(part => part !== undefined).join('/')
}

function outside(end: Omit<End, 'id' | 'name' | 'kind'>): End {
  const { network, dns_name, entity } = end
  if (network) return { ...end, id: `network:${network}`, name: network, kind: 'outside' }
  if ((nodeEntities as readonly string[]).includes(entity) && entity !== 'kube-apiserver')
    return { ...end, id: 'entity:host', name: 'host', kind: 'host' }
  if (dns_name) return { ...end, id: `dns:${dns_name}`, name: dns_name, kind: 'outside' }
  return { ...end, id: `entity:${entity || 'unknown'}`, name: entity || 'unknown', kind: 'outside' }
}
