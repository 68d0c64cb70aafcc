import { isIP } from 'node:net'
import type { Facts } from './facts.ts'
import { labelsOf } from './labels.ts'
import type { ApiObject } from './object.ts'

/** The parts of a node that matter (core/v1 Node). */
interface NodeObject extends ApiObject {
  spec?: { podCIDR?: string; podCIDRs?: readonly string[]; providerID?: string }
  status?: { addresses?: readonly { type: string; address: string }[] }
}

const zoneLabels = ['topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone']
/** Ends of Calico's tunnels: what crosses from node to node has them. */
const tunnelAnnotations = [
  'projectcalico.org/IPv4IPIPTunnelAddr',
  'projectcalico.org/IPv4VXLANTunnelAddr',
  'projectcalico.org/IPv6VXLANTunnelAddr',
  'projectcalico.org/IPv4WireguardInterfaceAddr',
  'projectcalico.org/IPv6WireguardInterfaceAddr',
]

export function nodeFacts({ metadata = {}, spec = {}, status = {} }: NodeObject): Facts {
  const { name = '', labels = {}, annotations = {} } = metadata
  const { podCIDR, podCIDRs = podCIDR ? [podCIDR] : [], providerID } = spec
  const addresses = [...(status.addresses ?? []).map(({ address }) => address), ...tunnelAnnotations.map(key => annotations[key] ?? '')]
  return {
    kind: 'node',
    namespace: '',
    name,
    addresses: [...new Set(addresses.filter(text => isIP(text) > 0))],
    zone: zoneLabels.map(label => labels[label]).find(Boolean) ?? '',
    labels: labelsOf(labels),
    spec: JSON.stringify({ podCIDRs, providerID }),
  }
}
