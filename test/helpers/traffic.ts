import { BlockBuilder } from '../../runtime/block/builder.ts'
import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import { kinds } from '../../schema/record.ts'

const random = (below: number) => Math.floor(Math.random() * below)
const addressOf = (pod: number) => `10.${(pod >> 16) & 255}.${(pod >> 8) & 255}.${pod & 255}`
const podName = (pod: number) => `workload-${pod % 300}-7d4b9c6f5d-${pod.toString(36)}`

/** The pods of a made-up cluster: 50 namespaces, 300 workloads, 100 nodes. */
export function podVersions(pods: number): ObjectVersion[] {
  return Array.from({ length: pods }, (_, pod) => ({
    cluster: 'east',
    kind: 'pod',
    namespace: `ns-${pod % 50}`,
    name: podName(pod),
    uid: String(pod),
    valid_from: 0,
    valid_to: openEnd,
    addresses: [addressOf(pod)],
    node: `node-${pod % 100}`,
    workload: `workload-${pod % 300}`,
    workload_kind: 'Deployment',
    services: [`ns-${pod % 50}/workload-${pod % 300}`],
    service_account: `sa-${pod % 300}`,
    spiffe_id: `spiffe://example/ns/ns-${pod % 50}/sa/sa-${pod % 300}`,
  }))
}

/** A block of flows among them, one in ten to the outside: as the Hubble source writes it, or without what Hubble claims of both ends. */
export function flowBlock({ pods, rows, claims, time }: { pods: number; rows: number; claims: boolean; time: number }): BlockBuilder {
  const builder = new BlockBuilder(kinds.flow, rows)
  const claim = (end: string, pod: number) =>
    claims
      ? {
          [`${end}_pod`]: podName(pod),
          [`${end}_namespace`]: `ns-${pod % 50}`,
          [`${end}_workload`]: `workload-${pod % 300}`,
          [`${end}_workload_kind`]: 'Deployment',
          [`${end}_service_account`]: `sa-${pod % 300}`,
          [`${end}_identity`]: 1000 + (pod % 300),
          [`${end}_cluster`]: 'east',
        }
      : {}
  for (let row = 0; row < rows; row++) {
    const from = random(pods)
    // Each workload calls three others, on the port each listens on.
    const callee = ((from % 300) * 7 + random(3)) % 300
    const to = callee + 300 * random(Math.max(1, Math.floor(pods / 300)))
    const client = 32768 + random(28000)
    const outside = row % 10 === 0
    const dropped = row % 50 === 0
    const reply = row % 3 === 0
    builder.add({
      time: time + row * 30,
      received: time + 250_000,
      source: 'hubble',
      cluster: 'east',
      reporter: `node-${from % 100}`,
      layer: 'kernel',
      type: 'l3_l4',
      event: dropped ? 'drop' : 'trace',
      observation_point: outside ? 'to_network' : 'to_endpoint',
      direction: outside ? 'egress' : 'ingress',
      is_reply: dropped ? 'unknown' : reply ? 'yes' : 'no',
      verdict: dropped ? 'dropped' : 'forwarded',
      drop_reason: dropped ? 'policy_denied' : '',
      trace_reason: reply ? 'reply' : 'established',
      ip_version: 4,
      protocol: 'tcp',
      tcp_flags: reply ? 16 : 24,
      src_address: addressOf(from),
      dst_address: outside ? `203.0.113.${random(255)}` : addressOf(to),
      src_port: reply ? 8000 + (from % 20) : client,
      dst_port: reply ? client : outside ? 443 : 8000 + (callee % 20),
      interface: `lxc${from % 200}`,
      ...claim('src', from),
      ...(outside ? { dst_entity: 'world' } : claim('dst', to)),
    })
  }
  return builder
}
