import { remembered } from '../../runtime/shared.ts'
import { readNodeId } from '../mesh/node-id.ts'
import type { Facts } from './facts.ts'
import { at } from './keys.ts'
import { type Maker, noClaim } from './maker.ts'
import { readPlace } from './place.ts'
import type { Resource } from './resource.ts'

/** Proxies known of one resource at the most: a sidecar is one, a collector in between sends for many. */
const mostProxies = 4096

/** Whether Envoy made the span; Istio's proxies are Envoys. */
export const isProxySpan = (facts: Facts) => facts.text(at.component) === 'proxy'

/** Who made the span of a proxy: its node's id says more, and surer, than the resource. */
export function proxyMaker(facts: Facts, resource: Resource): Maker {
  const id = facts.text(at.node_id)
  const cluster = facts.text(at['istio.cluster_id'])
  const namespace = facts.text(at['istio.namespace'])
  const key = `${id}|${cluster}|${namespace}`
  return remembered(resource.proxies, key, mostProxies, () => readMaker(id, { cluster, namespace }, resource.maker))
}

function readMaker(id: string, said: { cluster: string; namespace: string }, of: Maker): Maker {
  const node = readNodeId(id)
  const cluster = of.own.cluster || said.cluster || of.cluster
  const common = { ...of, cluster, layer: 'l7_proxy' as const }
  if (!node) return { ...common, reporter: id || of.reporter, reporter_kind: '' }
  const namespace = node.namespace || said.namespace || of.own.namespace
  const isOwn = of.own.pod === '' || of.own.pod === node.pod
  const own = {
    ...(isOwn ? of.own : noClaim),
    cluster: of.own.cluster || said.cluster,
    namespace,
    pod: node.pod,
    address: readPlace(node.address).address,
  }
  return {
    ...common,
    reporter: `${namespace}/${node.pod}`,
    reporter_kind: node.kind,
    own: node.kind === 'waypoint' ? noClaim : own,
  }
}
