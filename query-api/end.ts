import { edgeField, nodeEntities, serviceName } from '../schema/ranking.ts'
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
  service_account?: string
  pod?: string
  entity: string
  network: string
  dns_name?: string
}

/** Fields that say who an end is at a level, without `src_` and `dst_`. */
export const endFields: Readonly<Record<Level, readonly string[]>> = {
  namespace: ['cluster', 'namespace', 'service', 'entity', 'network'],
  workload: ['cluster', 'namespace', 'workload', 'workload_kind', 'service', 'service_account', 'entity', 'network'],
  service: ['cluster', 'namespace', 'workload', 'service', 'service_account', 'entity', 'network'],
  // Names of addresses are in the records only, as pods are.
  pod: ['cluster', 'namespace', 'workload', 'pod', 'service', 'service_account', 'entity', 'network', 'dns_name'],
}

/** What is a node to the map: the API server has a name of its own there. */
const hosts: readonly string[] = nodeEntities.filter(entity => entity !== 'kube-apiserver')

/** With the cluster of the reporter, which an end is of that names none. */
export const fieldsOfEnd = (end: 'src' | 'dst', level: Level) => ['cluster', ...endFields[level].map(name => `${end}_${name}`)]
export const fieldsOfBothEnds = (level: Level) => [...new Set([...fieldsOfEnd('src', level), ...fieldsOfEnd('dst', level)])]

/**
 * SQL of a number that the records of one end share, and no other end's: two ends have the same number if and only if `endOf` gives them
 * the same id. Most records name their ends in full, and of these nothing is looked at but the names.
 */
export function endNumber(end: 'src' | 'dst', level: Level): string {
  const field = (name: string) => `${end}_${name}`
  const [cluster, namespace] = ['cluster', 'namespace'].map(name => edgeField(field(name)))
  const name = nameSql(end, level)
  const outside = [
    `${field('network')} != '', concat('network:', ${field('network')})`,
    `${field('entity')} IN (${hosts.map(entity => `'${entity}'`).join(', ')}), 'host'`,
    ...(level === 'pod' ? [`${field('dns_name')} != '', concat('dns:', ${field('dns_name')})`] : []),
    `${field('entity')} = '', 'world'`,
  ]
  const unnamed = `cityHash64(multiIf(${outside.join(', ')}, ${field('entity')}))`
  const named = `cityHash64(${[cluster, namespace, ...name].join(', ')})`
  const plain = ['cluster', 'namespace', ...plainName[level]].map(field)
  const inFull = plain.map(name => `${name} != ''`).join(' AND ')
  const plainly = plain.map(name => (name === `${end}_service` ? serviceName(end) : name)).join(', ')
  const isUnnamed = [namespace, ...name].map(sql => `${sql} = ''`).join(' AND ')
  return `multiIf(${inFull}, cityHash64(${plainly}), ${isUnnamed}, ${unnamed}, ${named})`
}

/** The field that has the name of an end at a level, where it is there. */
const plainName: Readonly<Record<Level, readonly string[]>> = { namespace: [], workload: ['workload'], service: ['service'], pod: ['pod'] }

function nameSql(end: 'src' | 'dst', level: Level): string[] {
  const name = edgeField(`${end}_workload`)
  if (level === 'namespace') return []
  if (level === 'pod') return [`if(${end}_pod != '', ${end}_pod, ${name})`]
  return [level === 'service' ? `if(${end}_service != '', ${serviceName(end)}, ${name})` : name]
}

type Row = Readonly<Record<string, Cell>>

/**
 * The end a row names. Where its workload is not known it has the name of its service, else of its service account, and so is one with the
 * workload of that name, as where views are compared (`edgeField` in schema/ranking.ts). What is no pod has the name of its network, else of
 * its address, else what it is.
 */
export function endOf(row: Row, end: 'src' | 'dst', level: Level): End {
  const fields = Object.fromEntries(endFields[level].map(name => [name, String(row[`${end}_${name}`] ?? '')]))
  const cluster = fields.cluster || String(row.cluster ?? '')
  const service = serviceOf(fields.service)
  const namespace = fields.namespace || service.namespace
  const own = { ...(level !== 'namespace' && fields), cluster, namespace, entity: fields.entity, network: fields.network }
  const named = nameOf(fields, service.name, level)
  if (named) return { ...own, id: `${cluster}/${namespace}/${named.name}`, name: named.shown ?? named.name, kind: named.kind }
  if (namespace) return { ...own, id: `${cluster}/${namespace}`, name: namespace, kind: 'namespace' }
  return outside(own)
}

/** Of namespace/name, or of the name alone. */
function serviceOf(service: string): { namespace: string; name: string } {
  const parts = service.split('/')
  return { namespace: parts.length > 1 ? parts[0] : '', name: parts.at(-1)! }
}

type Named = Pick<End, 'name' | 'kind'> & { shown?: string }

function nameOf(fields: Readonly<Record<string, string>>, service: string, level: Level): Named | undefined {
  const { pod, workload, service_account } = fields
  if (level === 'namespace') return undefined
  if (level === 'pod' && pod) return { name: pod, kind: 'pod' }
  if (level === 'service' && service) return { name: service, kind: 'service', shown: fields.service }
  if (workload) return { name: workload, kind: 'workload' }
  if (service) return { name: service, kind: 'service' }
  return service_account ? { name: service_account, kind: 'workload' } : undefined
}

/** What is named by nobody is outside, as far as anybody knows. */
function outside(end: Omit<End, 'id' | 'name' | 'kind'>): End {
  const { network, dns_name, entity } = end
  if (network) return { ...end, id: `network:${network}`, name: network, kind: 'outside' }
  if (hosts.includes(entity)) return { ...end, id: 'entity:host', name: 'host', kind: 'host' }
  if (dns_name) return { ...end, id: `dns:${dns_name}`, name: dns_name, kind: 'outside' }
  return { ...end, id: `entity:${entity || 'world'}`, name: entity || 'unknown', kind: 'outside' }
}

/** Of two accounts of one end the one that says more of it. */
export const better = (a: End, b: End, level: Level): End => (saysOf(b, level) > saysOf(a, level) ? b : a)

const saysOf = (end: End, level: Level) => Object.values(end).filter(Boolean).length + (end.kind === level ? 100 : 0)
