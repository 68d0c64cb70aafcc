import { type EndName, endpointTypes } from './key.ts'

/** Who an end is, as far as its name in Goldmane tells: what is not known is ''. */
export interface End {
  namespace: string
  pod: string
  workload: string
  workload_kind: string
  entity: string
  node: string
  dns_name: string
}

const nobody: End = { namespace: '', pod: '', workload: '', workload_kind: '', entity: '', node: '', dns_name: '' }

/** What Kubernetes puts behind the name of a Deployment for each of its ReplicaSets (rand.SafeEncodeString). */
const templateHash = /-[bcdfghjklmnpqrstvwxz2456789]{8,10}$/

/** The end of that name. `hasService`: traffic came by way of a service, which an address in no network of Calico answered. */
export function endOf({ type, namespace, name }: EndName, hasService = false): End {
  if (type === endpointTypes.workload) return { ...nobody, namespace, ...workloadOf(name) }
  if (type === endpointTypes.host) return { ...nobody, entity: 'host', node: name }
  if (type === endpointTypes.networkSet) return { ...nobody, entity: 'network-set', dns_name: namespace ? `${namespace}/${name}` : name }
  // What has a service and is `world` would be taken for a packet before its service was translated.
  if (type === endpointTypes.network) return { ...nobody, entity: networkOf(name, hasService) }
  return nobody
}

const networkOf = (name: string, hasService: boolean) =>
  name === 'pvt' ? 'private-network' : hasService ? 'public-network' : name === 'pub' ? 'world' : name

/** Goldmane calls pods by what they were generated from, with a star behind it; only pods without an owner have their own name. */
function workloadOf(name: string): Partial<End> {
  if (!name.endsWith('-*')) return { pod: name }
  const generated = name.slice(0, -2)
  const deployment = generated.replace(templateHash, '')
  return deployment === generated || !deployment ? { workload: generated } : { workload: deployment, workload_kind: 'Deployment' }
}

/**
 * The kind of a workload by the labels that its controller gives to each of its pods. A revision that begins with the name of the
 * workload is one of a StatefulSet, another one of a DaemonSet.
 */
export function kindOf(end: End, labels: readonly string[]): string {
  if (!end.workload) return ''
  for (const label of labels) {
    if (label.startsWith('pod-template-hash=')) return 'Deployment'
    if (label.startsWith('job-name=') || label.startsWith('batch.kubernetes.io/job-name=')) return 'Job'
    if (label.startsWith('controller-revision-hash='))
      return label.startsWith(`controller-revision-hash=${end.workload}-`) ? 'StatefulSet' : 'DaemonSet'
  }
  return end.workload_kind
}
