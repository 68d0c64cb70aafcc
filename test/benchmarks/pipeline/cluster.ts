import { type ObjectVersion, openEnd } from '../../../schema/object.ts'

const namespaces = 50
const podsPerWorkload = 7
const mostWorkloads = 5000

/** One life of a pod. */
export interface Pod {
  index: number
  uid: string
  name: string
  namespace: string
  workload: string
  address: string
  /** Microseconds. */
  since: number
}

/** A made-up cluster whose pods restart and hand their addresses on. */
export class Cluster {
  readonly pods: Pod[]
  /** The address that the next pod to start gets. */
  #free: string

  constructor(pods: number, since: number) {
    const workloads = Math.min(mostWorkloads, Math.max(1, Math.floor(pods / podsPerWorkload)))
    this.pods = Array.from({ length: pods }, (_, index) => podOf(index, workloads, { life: 0, address: addressOf(index), since }))
    this.#free = addressOf(pods)
  }

  /** The versions that end and begin with it. */
  restart(index: number, now: number): ObjectVersion[] {
    const before = this.pods[index]
    const life = Number(before.uid.split('-')[1]) + 1
    const after = { ...before, uid: `${index}-${life}`, name: nameOf(before.workload, index, life), address: this.#free, since: now }
    this.#free = before.address
    this.pods[index] = after
    return [{ ...versionOf(before), valid_to: now }, versionOf(after)]
  }
}

const addressOf = (index: number) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
const nameOf = (workload: string, index: number, life: number) => `${workload}-7d4b9c6f5d-${(index * 1000 + life).toString(36)}`

function podOf(index: number, workloads: number, { life, address, since }: { life: number; address: string; since: number }): Pod {
  const workload = `service-${index % workloads}`
  const namespace = `team-${(index % workloads) % namespaces}`
  return { index, uid: `${index}-${life}`, name: nameOf(workload, index, life), namespace, workload, address, since }
}

export const nodeOf = ({ index }: Pod) => `node-${index % 100}`

export function versionOf(pod: Pod): ObjectVersion {
  const { uid, name, namespace, workload, address, since } = pod
  return {
    time: since,
    source: 'benchmark',
    cluster: 'default',
    kind: 'pod',
    namespace,
    name,
    uid,
    valid_from: since,
    valid_to: openEnd,
    addresses: [address],
    node: nodeOf(pod),
    workload,
    workload_kind: 'Deployment',
    services: [`${namespace}/${workload}`],
    service_account: workload,
    spiffe_id: `spiffe://cluster.local/ns/${namespace}/sa/${workload}`,
  }
}
