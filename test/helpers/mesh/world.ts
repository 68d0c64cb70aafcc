import { type ObjectVersion, openEnd } from '../../../schema/object.ts'

/** A pod that takes part, with all that is true of it. */
export interface Party {
  namespace: string
  workload: string
  pod: string
  node: string
  address: string
  address6: string
  /** As namespace/name, of the service in front of it, and its address. */
  service: string
  vip: string
}

export const cluster = 'one'
export const trustDomain = 'spiffe://cluster.local'
const nodes: Readonly<Record<string, string>> = { 'node-a': '192.168.0.1', 'node-b': '192.168.0.2' }
export const nodeAddress = (node: string) => nodes[node]

/** What is outside, which no object has. */
export const outsideAddress = '203.0.113.9'

/** Pods of one namespace, which has the addresses 10.<number>.0.0/16. */
export class World {
  readonly namespace: string
  readonly #number: number
  readonly #parties: Party[] = []

  constructor(namespace: string, number: number) {
    this.namespace = namespace
    this.#number = number
  }

  /** A workload of one pod; its service and its service account have its name. */
  party(workload: string, node: 'node-a' | 'node-b'): Party {
    const host = this.#parties.length + 1
    const party = {
      namespace: this.namespace,
      workload,
      pod: `${workload}-0`,
      node,
      address: `10.${this.#number}.0.${host}`,
      address6: `fd00:${this.#number}::${host}`,
      service: `${this.namespace}/${workload}`,
      vip: `10.${this.#number}.255.${host}`,
    }
    this.#parties.push(party)
    return party
  }

  objects(): ObjectVersion[] {
    return [...Object.entries(nodes).map(([name, address]) => nodeObject(name, address)), ...this.#parties.flatMap(objectsOf)]
  }
}

const always = { cluster, source: 'kubernetes', valid_from: 0, valid_to: openEnd, time: 0 } as const

const nodeObject = (name: string, address: string): ObjectVersion => ({ ...always, kind: 'node', name, uid: name, addresses: [address] })

const objectsOf = ({ namespace, workload, pod, node, address, address6, service, vip }: Party): ObjectVersion[] => [
  {
    ...always,
    kind: 'pod',
    namespace,
    name: pod,
    uid: `${namespace}/${pod}`,
    addresses: [address, address6],
    node,
    workload,
    workload_kind: 'Deployment',
    services: [service],
    service_account: workload,
  },
  {
    ...always,
    kind: 'service',
    namespace,
    name: workload,
    uid: `service/${service}`,
    addresses: [vip],
    ports: ['tcp/80', 'tcp/8080', 'tcp/5432'],
  },
]
