import { Writer } from '../../runtime/block/writer.ts'
import { anyText } from './any-value.ts'
import { eachMessage } from './groups.ts'
import { type Claim, type Maker, noClaim } from './maker.ts'
import type { Limits } from './options.ts'
import { readPlace } from './place.ts'

/** What sends: OTLP's Resource. */
export interface Resource {
  maker: Maker
  /** Proxies that speak through it, by what their spans say of them. */
  proxies: Map<string, Maker>
  attributes: ReadonlyMap<string, string>
  /** The attributes as a Map column has them: how many, their keys, their values. */
  count: number
  keys: Buffer
  values: Buffer
  /** Attributes that were left out or cut. */
  discarded: number
}

const workloadKinds = [
  ['k8s.deployment.name', 'Deployment'],
  ['k8s.statefulset.name', 'StatefulSet'],
  ['k8s.daemonset.name', 'DaemonSet'],
  ['k8s.cronjob.name', 'CronJob'],
  ['k8s.job.name', 'Job'],
  ['k8s.replicaset.name', 'ReplicaSet'],
] as const

/** What Linkerd's proxies call themselves unless told otherwise (traceServiceName of the Helm chart). */
const linkerdProxy = 'linkerd-proxy'

/** What says who sends: kept however many attributes stand before it. */
const telling: ReadonlySet<string> = new Set([
  'service.name',
  'service.instance.id',
  'host.name',
  'k8s.cluster.name',
  'k8s.namespace.name',
  'k8s.pod.name',
  'k8s.pod.ip',
  'k8s.node.name',
  'k8s.serviceaccount.name',
  ...workloadKinds.map(([name]) => name),
])

/** Reads a Resource. `cluster` is that of senders that name none. Throws UndecodableError. */
export function readResource(
  bytes: Buffer,
  start: number,
  end: number,
  { limits, cluster }: { limits: Limits; cluster: string },
): Resource {
  const { pairs: attributes, discarded } = pairsOf(bytes, start, end, 1, limits, telling)
  const keys = new Writer(1 << 8)
  const values = new Writer(1 << 8)
  for (const [key, value] of attributes) {
    keys.text(key)
    values.text(value)
  }
  const maker = makerOf(attributes, cluster)
  return { maker, proxies: new Map(), attributes, count: attributes.size, keys: keys.bytes(), values: values.bytes(), discarded }
}

/**
 * The attributes that are field `field` of a message, and how many were left out or cut; those with the names `kept` are never left out.
 * Throws UndecodableError.
 */
export function pairsOf(
  bytes: Buffer,
  start: number,
  end: number,
  field: number,
  limits: Limits,
  kept?: ReadonlySet<string>,
): { pairs: Map<string, string>; discarded: number } {
  const pairs = new Map<string, string>()
  let discarded = 0
  eachMessage(bytes, start, end, (number, at, to) => {
    if (number !== field) return
    const { key, text, isCut } = pairOf(bytes, at, to, limits)
    if (pairs.size >= limits.attributes && !pairs.has(key) && !kept?.has(key)) discarded++
    else {
      pairs.set(key, text)
      if (isCut) discarded++
    }
  })
  return { pairs, discarded }
}

/** KeyValue{key 1, value 2}. */
export function pairOf(bytes: Buffer, start: number, end: number, limits: Limits): { key: string; text: string; isCut: boolean } {
  const pair = { key: '', text: '', isCut: false }
  eachMessage(bytes, start, end, (field, at, to) => {
    if (field === 1) pair.key = bytes.toString('utf8', at, Math.min(to, at + limits.value_bytes))
    else if (field === 2) Object.assign(pair, anyText(bytes, at, to, limits))
  })
  return pair
}

function makerOf(attributes: ReadonlyMap<string, string>, cluster: string): Maker {
  const own = claimOf(attributes)
  const said = (name: string) => attributes.get(name) ?? ''
  const service = said('service.name')
  const isProxy = service === linkerdProxy
  const place = own.pod ? [own.namespace, own.pod].filter(Boolean).join('/') : ''
  return {
    reporter: place || said('service.instance.id') || said('host.name') || service,
    reporter_kind: isProxy ? 'sidecar' : 'application',
    cluster: own.cluster || cluster,
    layer: isProxy ? 'l7_proxy' : '',
    service_name: service,
    own,
  }
}

function claimOf(attributes: ReadonlyMap<string, string>): Claim {
  const said = (name: string) => attributes.get(name) ?? ''
  const [name, workload_kind] = workloadKinds.find(([name]) => said(name)) ?? ['', '']
  return {
    ...noClaim,
    cluster: said('k8s.cluster.name'),
    namespace: said('k8s.namespace.name'),
    pod: said('k8s.pod.name'),
    workload: name && said(name),
    workload_kind,
    node: said('k8s.node.name'),
    address: readPlace(said('k8s.pod.ip')).address,
    service_account: said('k8s.serviceaccount.name'),
  }
}
