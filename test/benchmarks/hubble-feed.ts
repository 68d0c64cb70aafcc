import { loadObserverProto } from '../../collectors/hubble/proto.ts'
import { randomNumbers } from './random.ts'

/** A made-up cluster of 2,000 pods, as two nodes of it report it. The same feed for the same arguments. */
export function hubbleFeed({ flows = 40_000, pods = 2000, seed = 7 } = {}): Buffer[] {
  const type = loadObserverProto().lookupType('observer.GetFlowsResponse')
  const random = randomNumbers(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]
  const cluster = Array.from({ length: pods }, (_, index) => podOf(index, random))
  return Array.from({ length: flows }, (_, index) => {
    const flow = flowOf(index, pick(cluster), pick(cluster), random)
    const message = { flow, node_name: flow.node_name, time: flow.time }
    return Buffer.from(type.encode(type.fromObject(message)).finish())
  })
}

type Pod = ReturnType<typeof podOf>

function podOf(index: number, random: () => number) {
  const workload = `service-${Math.floor(index / 8)}`
  const namespace = `team-${Math.floor(index / 80)}`
  return {
    address: `10.${index % 8}.${Math.floor(index / 250)}.${index % 250}`,
    service: { name: workload, namespace },
    endpoint: {
      ID: index % 2 ? 100 + index : 0,
      identity: 10_000 + Math.floor(index / 8),
      cluster_name: 'default',
      namespace,
      labels: [
        `k8s:app=${workload}`,
        `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
        'k8s:io.cilium.k8s.policy.cluster=default',
        `k8s:io.cilium.k8s.policy.serviceaccount=${workload}`,
        `k8s:io.kubernetes.pod.namespace=${namespace}`,
      ],
      pod_name: `${workload}-7d9c5b8f66-${Math.floor(random() * 1e8).toString(36)}`,
      workloads: [{ name: workload, kind: 'Deployment' }],
    },
  }
}

/** Two traces, a verdict, a request, a response and a drop out of ten events, roughly as Cilium mixes them. */
function flowOf(index: number, client: Pod, server: Pod, random: () => number): Record<string, unknown> {
  const what = index % 10
  const isReply = what === 2 || what === 5 || what === 8
  const [from, to] = isReply ? [server, client] : [client, server]
  const port = 30_000 + Math.floor(random() * 30_000)
  const ports = isReply ? { source_port: 8080, destination_port: port } : { source_port: port, destination_port: 8080 }
  const allowed = { name: `allow-${server.service.name}`, namespace: server.service.namespace, kind: 'CiliumNetworkPolicy', revision: 7 }
  const node = `node-${index % 2}.example.internal`
  const hex = () =>
    Math.floor(random() * 0x100000000)
      .toString(16)
      .padStart(8, '0')
  const [a, b, c, d] = [hex(), hex(), hex(), hex()]
  return {
    time: { seconds: 1_790_000_000 + Math.floor(index / 20_000), nanos: (index % 20_000) * 50_000 },
    uuid: `${a}-${b.slice(0, 4)}-4${b.slice(5)}-8${c.slice(1, 4)}-${c.slice(4)}${d}`,
    emitter: { name: 'Hubble', version: '1.19.7+g' },
    verdict: what === 9 ? 2 : 1,
    ...(what === 9 && { drop_reason: 133, drop_reason_desc: 133, file: { name: 'bpf_lxc.c', line: 1200 + (index % 30) } }),
    ethernet: { source: '0e:3a:00:00:00:01', destination: '2a:91:00:00:00:02' },
    IP: { source: from.address, destination: to.address, ipVersion: 1 },
    l4: { TCP: { ...ports, flags: { [isReply ? 'ACK' : 'SYN']: true } } },
    source: from.endpoint,
    destination: to.endpoint,
    Type: what === 4 || what === 5 ? 2 : 1,
    node_name: node,
    node_labels: [`kubernetes.io/hostname=${node}`, 'topology.kubernetes.io/zone=zone-a'],
    ...(what === 4 && { l7: { type: 1, http: httpOf(server, index) } }),
    ...(what === 5 && { l7: { type: 2, latency_ns: 3_000_000 + index, http: { ...httpOf(server, index), code: 200 } } }),
    event_type: what === 4 || what === 5 ? { type: 129 } : what === 3 ? { type: 5 } : { type: 4, sub_type: what % 4 },
    [isReply ? 'source_service' : 'destination_service']: server.service,
    traffic_direction: 1 + (index % 2),
    trace_observation_point: what === 3 || what === 4 || what === 5 ? 0 : 101,
    trace_reason: isReply ? 3 : 1,
    is_reply: { value: isReply },
    interface: { index: 2 + (index % 40), name: `lxc${index % 40}` },
    ...(what === 3 && { ingress_allowed_by: [allowed], policy_match_type: 4 }),
    Summary: 'TCP Flags: SYN',
  }
}

const httpOf = (server: Pod, index: number) => ({
  method: 'GET',
  url: `http://${server.service.name}.${server.service.namespace}.svc:8080/api/v1/orders/${index}`,
  protocol: 'HTTP/1.1',
  headers: [
    { key: ':scheme', value: 'http' },
    { key: 'User-Agent', value: 'curl/8.9.1' },
    { key: 'X-Request-Id', value: `49116c2c-3017-4237-97e7-${index.toString(16).padStart(12, '0')}` },
  ],
})
