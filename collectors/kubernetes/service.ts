import { isIP } from 'node:net'
import type { Facts } from './facts.ts'
import { labelsOf } from './labels.ts'
import type { ApiObject } from './object.ts'
import { portText } from './pod.ts'

/** The parts of a service that matter (core/v1 Service). */
interface ServiceObject extends ApiObject {
  spec?: {
    type?: string
    clusterIP?: string
    clusterIPs?: readonly string[]
    externalIPs?: readonly string[]
    externalName?: string
    selector?: Readonly<Record<string, string>>
    ports?: readonly { name?: string; port: number; protocol?: string; targetPort?: number | string; nodePort?: number }[]
  }
  status?: { loadBalancer?: { ingress?: readonly { ip?: string; hostname?: string }[] } }
}

/** Its addresses are those of the cluster, external ones, and those of its load balancer. */
export function serviceFacts({ metadata = {}, spec = {}, status = {} }: ServiceObject): Facts {
  const { type, clusterIP = '', clusterIPs = [clusterIP], externalIPs = [], externalName, selector, ports = [] } = spec
  const ingress = status.loadBalancer?.ingress ?? []
  const external = [...externalIPs, ...ingress.map(({ ip = '' }) => ip)].filter(text => isIP(text) > 0)
  const addresses = [...clusterIPs.filter(text => isIP(text) > 0), ...external]
  const hostnames = ingress.flatMap(({ hostname }) => hostname ?? [])
  return {
    kind: 'service',
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    addresses: [...new Set(addresses)],
    ports: ports.map(({ port, protocol = 'TCP' }) => portText(protocol, port)),
    labels: labelsOf(metadata.labels),
    spec: JSON.stringify({
      type,
      selector,
      external: external.length ? external : undefined,
      external_name: externalName,
      hostnames: hostnames.length ? hostnames : undefined,
      ports: ports.map(({ name, port, protocol = 'TCP', targetPort, nodePort }) => ({ name, port, protocol, targetPort, nodePort })),
    }),
  }
}

/** The parts of an endpoint slice that matter (discovery.k8s.io/v1 EndpointSlice). */
interface SliceObject extends ApiObject {
  endpoints?: readonly { targetRef?: { kind?: string; uid?: string } }[] | null
}

/** Which pods are behind a service, ready or not. */
export interface Backends {
  uid: string
  /** namespace/name; '' for a slice of no service. */
  service: string
  /** UIDs of pods. */
  pods: string[]
}

export function backendsOf({ metadata = {}, endpoints }: SliceObject): Backends {
  const name = metadata.labels?.['kubernetes.io/service-name']
  const pods = (endpoints ?? []).flatMap(({ targetRef }) => (targetRef?.kind === 'Pod' && targetRef.uid ? targetRef.uid : []))
  return { uid: metadata.uid ?? '', service: name ? `${metadata.namespace}/${name}` : '', pods: name ? [...new Set(pods)] : [] }
}
