import type { Pod } from './lives.ts'
import { type Node, type Outside, type Workload, clusterName, identityOf, labelsOf } from './shop.ts'
import { type Wire, encoded } from './wire.ts'

/** One end of a conversation, with everything that is said about it in a flow encoded once. */
export interface Party {
  /** namespace/workload, or the entity: world, host. */
  label: string
  address: string
  /** The node that hosts it: there its endpoint is told in full. */
  node?: Node
  workload?: Workload
  pod?: Pod
  /** IP.source and IP.destination. */
  ipSource: Uint8Array
  ipDestination: Uint8Array
  /** Flow.source and Flow.destination (and DNS names) as other nodes tell it, and as its own node does. */
  source: readonly [remote: Uint8Array, local: Uint8Array]
  destination: readonly [remote: Uint8Array, local: Uint8Array]
  /** Flow.interface of the packets that are delivered to it. */
  device: Uint8Array
}

/** Workload kind and name as an Endpoint has it. */
interface EndpointFacts {
  id: number
  identity: number
  namespace?: string
  labels: string[]
  pod?: string
  workload?: Workload
}

function writeEndpoint(wire: Wire, facts: EndpointFacts): void {
  wire.number(1, facts.id)
  wire.number(2, facts.identity)
  if (facts.namespace) wire.text(3, facts.namespace)
  for (const label of facts.labels) wire.text(4, label)
  if (facts.pod) wire.text(5, facts.pod)
  if (facts.workload) {
    const opened = wire.open(6)
    wire.text(1, facts.workload.name)
    wire.text(2, facts.workload.kind)
    wire.close(opened)
  }
  if (facts.namespace) wire.text(7, clusterName)
}

function side(field: 8 | 9, facts: EndpointFacts, dnsName?: string): Buffer {
  return encoded(wire => {
    const opened = wire.open(field, 2)
    writeEndpoint(wire, facts)
    wire.close(opened)
    if (dnsName) wire.text(field + 5, dnsName)
  })
}

type Told = Pick<Party, 'ipSource' | 'ipDestination' | 'source' | 'destination' | 'device'>

/** Flow.interface */
export const device = (index: number, name: string): Buffer =>
  encoded(wire => {
    const opened = wire.open(28)
    wire.number(1, index)
    wire.text(2, name)
    wire.close(opened)
  })

function told(address: string, remote: EndpointFacts, local: EndpointFacts, dnsName?: string): Told {
  return {
    device: local.id ? device(local.id, `lxc${local.id.toString(16).padStart(12, 'e')}`) : device(3, 'cilium_host'),
    ipSource: encoded(wire => wire.text(1, address)),
    ipDestination: encoded(wire => wire.text(2, address)),
    source: [side(8, remote, dnsName), side(8, local, dnsName)],
    destination: [side(9, remote, dnsName), side(9, local, dnsName)],
  }
}

export function podParty(pod: Pod): Party {
  if (pod.workload.hostNetwork) return nodeParty(pod.node)
  const { workload, version, node, address } = pod
  const { namespace, name } = workload
  const remote: EndpointFacts = {
    id: 0,
    identity: identityOf(workload, version),
    namespace,
    labels: [
      ...labelsOf(workload, version).map(label => `k8s:${label}`),
      `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
      `k8s:io.cilium.k8s.policy.cluster=${clusterName}`,
      `k8s:io.cilium.k8s.policy.serviceaccount=${name}`,
      `k8s:io.kubernetes.pod.namespace=${namespace}`,
    ],
    pod: pod.name,
    workload,
  }
  return { label: `${namespace}/${name}`, address, node, workload, pod, ...told(address, remote, { ...remote, id: pod.endpoint }) }
}

/** A node, and so any hostNetwork pod on it: itself it is the host, elsewhere a remote node. */
export function nodeParty(node: Node): Party {
  const remote = { id: 0, identity: 6, labels: ['reserved:remote-node'] }
  const local = { id: 0, identity: 1, labels: ['reserved:host'] }
  return { label: 'host', address: node.address, node, ...told(node.address, remote, local) }
}

/** Identities of networks mean something on one node only; here all nodes happen to number them alike. */
export function outsideParty({ address, cidr, dnsName }: Outside, index: number): Party {
  const names = dnsName ? [`fqdn:${dnsName}`] : []
  const facts = { id: 0, identity: 16_777_217 + index, labels: [`cidr:${cidr}`, ...names, 'reserved:world'] }
  return { label: 'world', address, ...told(address, facts, facts, dnsName) }
}
