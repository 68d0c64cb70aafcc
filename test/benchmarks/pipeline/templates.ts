import { loadObserverProto } from '../../../collectors/hubble/proto.ts'
import { randomNumbers } from '../random.ts'
import { type Cluster, type Pod, nodeOf } from './cluster.ts'

/** Shares of what comes. */
const outsideShare = 0.1
const deniedShare = 0.02
const layer7Share = 0.05
const replyShare = 0.4

const idPlace = 'ffffffff-ffff-4fff-8fff-ffffffffffff'
const anySeconds = 1_790_000_000
const anyNanos = 999_999_999
const prefixBytes = 5
/** Three numbers of three digits from 100 on tell addresses outside apart, so that all are as long as this one. */
const anyAddress = '151.199.199.199'
/** Distinct addresses outside, at most. */
export const mostOutside = 1_000_000

/** A framed GetFlowsResponse, and where in it its time, id and address outside stand; -1 when both ends are pods. */
interface Template {
  bytes: Buffer
  time: number
  id: number
  outside: number
  client: number
  server: number
}

export interface TemplateOptions {
  cluster: Cluster
  /** Distinct addresses outside. */
  outside: number
  count: number
}

/** Flows of a cluster that are encoded once, and sent again and again with another time and id. */
export class Templates {
  readonly #cluster: Cluster
  readonly #random = randomNumbers(7)
  readonly #type = loadObserverProto().lookupType('observer.GetFlowsResponse')
  readonly #outside: number
  readonly #templates: Template[]
  /** By the index of a pod. */
  readonly #ofPod = new Map<number, number[]>()
  #turn = 0
  #sent = 0

  constructor({ cluster, outside, count }: TemplateOptions) {
    this.#cluster = cluster
    this.#outside = outside
    this.#templates = Array.from({ length: count }, (_, at) => {
      const client = this.#below(cluster.pods.length)
      const server = this.#serverOf(client)
      for (const pod of [client, server]) this.#ofPod.set(pod, [...(this.#ofPod.get(pod) ?? []), at])
      return this.#encode(client, server)
    })
  }

  /** Writes the next flows from `start` on, with this time, until `end` or `most`; returns where they end and how many they are. */
  write(out: Buffer, most: number, micros: number): { bytes: number; flows: number } {
    let bytes = 0
    let flows = 0
    const seconds = Math.floor(micros / 1e6)
    const nanos = (micros % 1e6) * 1000
    while (flows < most) {
      const { bytes: source, time, id, outside } = this.#templates[this.#turn]
      if (bytes + source.length > out.length) break
      out.set(source, bytes)
      writePadded(out, bytes + time + 1, seconds)
      writePadded(out, bytes + time + 7, nanos)
      writeId(out, bytes + id, this.#sent++)
      if (outside >= 0) writeAddress(out, bytes + outside, (this.#sent * 7919) % this.#outside)
      bytes += source.length
      flows++
      if (++this.#turn === this.#templates.length) this.#turn = 0
    }
    return { bytes, flows }
  }

  /** Encodes anew what the pod has part in. */
  renew(pod: number): void {
    for (const at of this.#ofPod.get(pod) ?? []) {
      const { client, server } = this.#templates[at]
      this.#templates[at] = this.#encode(client, server)
    }
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  /** Each workload calls three others. */
  #serverOf(client: number): number {
    const { pods } = this.#cluster
    return (client * 7 + 1 + this.#below(3) + 2100 * this.#below(Math.max(1, Math.floor(pods.length / 2100)))) % pods.length
  }

  #encode(client: number, server: number): Template {
    const flow = this.#flow(this.#cluster.pods[client], this.#cluster.pods[server])
    const message = this.#type.encode(this.#type.fromObject({ flow, node_name: flow.node_name, time: flow.time })).finish()
    const bytes = Buffer.alloc(prefixBytes + message.length)
    bytes.writeUInt32BE(message.length, 1)
    bytes.set(message, prefixBytes)
    return {
      bytes,
      time: bytes.indexOf(timePlace),
      id: bytes.indexOf(idPlace),
      outside: bytes.indexOf(anyAddress),
      client,
      server,
    }
  }

  #flow(client: Pod, server: Pod): Record<string, unknown> {
    const random = this.#random
    const outside = random() < outsideShare
    const denied = random() < deniedShare
    const layer7 = !outside && random() < layer7Share
    const isReply = !denied && random() < replyShare
    const far = outside ? outsideEnd : endOf(server)
    const [from, to] = isReply ? [far, endOf(client)] : [endOf(client), far]
    const port = 30_000 + this.#below(30_000)
    const ports = isReply ? { source_port: 8080, destination_port: port } : { source_port: port, destination_port: 8080 }
    const node = nodeOf(outside ? client : server)
    return {
      time: { seconds: anySeconds, nanos: anyNanos },
      uuid: idPlace,
      verdict: denied ? 2 : 1,
      ...(denied && { drop_reason: 133, drop_reason_desc: 133, file: { name: 'bpf_lxc.c', line: 1200 } }),
      ethernet: { source: '0e:3a:00:00:00:01', destination: '2a:91:00:00:00:02' },
      IP: { source: from.address, destination: to.address, ipVersion: 1 },
      l4: { TCP: { ...ports, flags: { [isReply ? 'ACK' : 'SYN']: true } } },
      source: from.endpoint,
      destination: to.endpoint,
      Type: layer7 ? 2 : 1,
      node_name: node,
      node_labels: [`kubernetes.io/hostname=${node}`, 'topology.kubernetes.io/zone=zone-a'],
      ...(layer7 && { l7: { type: isReply ? 2 : 1, latency_ns: isReply ? 3_000_000 : 0, http: httpOf(server, isReply) } }),
      event_type: layer7 ? { type: 129 } : denied ? { type: 1, sub_type: 133 } : { type: 4, sub_type: outside ? 3 : 0 },
      ...(!outside && { [isReply ? 'source_service' : 'destination_service']: { name: server.workload, namespace: server.namespace } }),
      traffic_direction: outside === isReply ? 1 : 2,
      trace_observation_point: layer7 || denied ? 0 : outside ? 3 : 101,
      trace_reason: isReply ? 3 : 1,
      is_reply: { value: isReply },
      interface: { index: 2 + (client.index % 40), name: `lxc${client.index % 40}` },
      Summary: 'TCP Flags: SYN',
    }
  }
}

const timePlace = Buffer.from(Uint8Array.from([8, ...varint(anySeconds), 16, ...varint(anyNanos)]))

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]
}

/** A number in five bytes, whatever its size: a reader takes zeros in front of it as they are. */
function writePadded(out: Buffer, at: number, value: number): void {
  for (let i = 0; i < 4; i++, value = Math.floor(value / 128)) out[at + i] = (value % 128) | 128
  out[at + 4] = value
}

const digits = Buffer.from('0123456789abcdef')

/** The first twelve digits of the id, by which a flow is recognised. */
function writeId(out: Buffer, at: number, value: number): void {
  writeHex(out, at + 8, 8, value % 2 ** 32)
  writeHex(out, at + 13, 4, Math.floor(value / 2 ** 32))
}

function writeHex(out: Buffer, end: number, count: number, value: number): void {
  for (let at = end - 1; at >= end - count; at--, value = Math.floor(value / 16)) out[at] = digits[value % 16]
}

function endOf({ index, name, namespace, workload, address }: Pod) {
  const labels = [
    `k8s:app=${workload}`,
    `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
    'k8s:io.cilium.k8s.policy.cluster=default',
    `k8s:io.cilium.k8s.policy.serviceaccount=${workload}`,
    `k8s:io.kubernetes.pod.namespace=${namespace}`,
  ]
  const workloads = [{ name: workload, kind: 'Deployment' }]
  const identity = 10_000 + Number(workload.slice('service-'.length))
  return {
    address,
    endpoint: { ID: 100 + (index % 60_000), identity, cluster_name: 'default', namespace, labels, pod_name: name, workloads },
  }
}

const outsideEnd = { address: anyAddress, endpoint: { identity: 2, labels: ['reserved:world'] } }

/** The last two digits of the last three numbers of an address. */
function writeAddress(out: Buffer, at: number, index: number): void {
  for (let place = 13; place > 3; place -= 4, index = Math.floor(index / 100)) {
    const pair = index % 100
    out[at + place] = digits[Math.floor(pair / 10)]
    out[at + place + 1] = digits[pair % 10]
  }
}

const httpOf = ({ workload, namespace }: Pod, isReply: boolean) => ({
  code: isReply ? 200 : 0,
  method: 'GET',
  url: `http://${workload}.${namespace}.svc:8080/api/v1/orders`,
  protocol: 'HTTP/1.1',
  headers: [{ key: ':scheme', value: 'http' }],
})
