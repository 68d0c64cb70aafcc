import { isIP } from 'node:net'
import type { Facts } from './facts.ts'
import { labelsOf } from './labels.ts'
import type { ApiObject, OwnerReference } from './object.ts'

interface ContainerStatus {
  state?: { terminated?: { finishedAt?: string } }
}

interface Container {
  ports?: readonly { containerPort: number; protocol?: string }[]
}

/** The parts of a pod that matter (core/v1 Pod). */
export interface PodObject extends ApiObject {
  spec?: {
    nodeName?: string
    hostNetwork?: boolean
    serviceAccountName?: string
    containers?: readonly Container[]
    initContainers?: readonly Container[]
  }
  status?: {
    phase?: string
    podIP?: string
    podIPs?: readonly { ip?: string }[]
    startTime?: string
    containerStatuses?: readonly ContainerStatus[]
    initContainerStatuses?: readonly ContainerStatus[]
  }
}

/** A pod by itself, before its owner, node and services are looked up. Times are milliseconds of the API server's clock; 0 is unknown. */
export interface PodSight {
  uid: string
  facts: Facts
  owner?: OwnerReference
  created: number
  /** When the kubelet took it up, by the kubelet's clock. */
  started: number
  /** Whether its containers have ended for good. */
  over: boolean
  /** When the last of its containers ended, where all have, by the kubelet's clock; else when somebody wanted it ended. */
  finished: number
}

/** What a pod says of itself. */
export function describePod({ metadata = {}, spec = {}, status = {} }: PodObject): PodSight {
  const { uid = '', name = '', namespace = '', labels, ownerReferences } = metadata
  const ips = [...(status.podIPs ?? []).map(({ ip }) => ip), status.podIP].filter(ip => ip !== undefined && isIP(ip) > 0)
  return {
    uid,
    facts: {
      kind: 'pod',
      namespace,
      name,
      addresses: [...new Set(ips as string[])],
      ports: portsOf([...(spec.containers ?? []), ...(spec.initContainers ?? [])]),
      host_network: spec.hostNetwork ?? false,
      node: spec.nodeName ?? '',
      service_account: spec.serviceAccountName ?? '',
      labels: labelsOf(labels),
    },
    owner: ownerReferences?.find(({ controller }) => controller),
    created: timeOf(metadata.creationTimestamp),
    started: timeOf(status.startTime),
    over: status.phase === 'Succeeded' || status.phase === 'Failed',
    finished: finishedAt(status) || askedToEnd(metadata),
  }
}

/** Milliseconds, or 0. */
export function timeOf(text: string | undefined): number {
  const time = Date.parse(text ?? '')
  return Number.isFinite(time) ? time : 0
}

function portsOf(containers: readonly Container[]): string[] {
  const ports = containers.flatMap(({ ports = [] }) =>
    ports.map(({ containerPort, protocol = 'TCP' }) => portText(protocol, containerPort)),
  )
  return [...new Set(ports)]
}

export const portText = (protocol: string, port: number) => `${protocol.toLowerCase()}/${port}`

function finishedAt({ containerStatuses = [], initContainerStatuses = [] }: NonNullable<PodObject['status']>): number {
  if (!containerStatuses.length) return 0
  // Sidecars are init containers that end after the others.
  const times = [...containerStatuses, ...initContainerStatuses].map(({ state }) => timeOf(state?.terminated?.finishedAt))
  return times.includes(0) ? 0 : Math.max(...times)
}

/** A deletion says when its grace will be over. */
function askedToEnd({ deletionTimestamp, deletionGracePeriodSeconds = 0 }: NonNullable<PodObject['metadata']>): number {
  const over = timeOf(deletionTimestamp)
  return over && over - deletionGracePeriodSeconds * 1000
}
