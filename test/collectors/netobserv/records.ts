import { fileURLToPath } from 'node:url'
import ipaddr from 'ipaddr.js'
import protobuf from 'protobufjs'

const root = new protobuf.Root().loadSync(fileURLToPath(new URL('pbflow.proto', import.meta.url)), { keepCase: true })
export const recordType = root.lookupType('pbflow.Record')
const recordsType = root.lookupType('pbflow.Records')

export type Plain = Record<string, unknown>

export const encodeRecord = (record: Plain): Buffer => Buffer.from(recordType.encode(recordType.fromObject(record)).finish())
export const encodeRecords = (entries: Plain[]): Buffer => Buffer.from(recordsType.encode(recordsType.fromObject({ entries })).finish())
export const decodeRecord = (bytes: Buffer): Plain =>
  recordType.toObject(recordType.decode(bytes), { longs: Number, defaults: true, arrays: true })

/** pbflow.IP of an address in text form. */
export function ip(text: string): Plain {
  const parsed = ipaddr.parse(text)
  const octets = Uint8Array.from(parsed.toByteArray())
  return parsed.kind() === 'ipv4' ? { ipv4: new DataView(octets.buffer).getUint32(0) } : { ipv6: octets }
}

/** pbflow's Timestamp or Duration of milliseconds. */
export const time = (ms: number): Plain => ({ seconds: Math.floor(ms / 1000), nanos: Math.round((ms % 1000) * 1e6) })

export const began = 1_700_000_000_000

/** Web calls cart on another node: 10 packets, as the node of web sees them leave. */
export const record = (more: Plain = {}): Plain => ({
  eth_protocol: 0x0800,
  direction: 'INGRESS',
  time_flow_start: time(began),
  time_flow_end: time(began + 4_500),
  network: { src_addr: ip('10.128.0.7'), dst_addr: ip('10.129.0.9'), dscp: 8 },
  transport: { src_port: 40000, dst_port: 8080, protocol: 6 },
  bytes: 1500,
  packets: 10,
  agent_ip: ip('192.168.0.1'),
  flags: 18,
  dup_list: [
    { interface: 'veth7', direction: 'INGRESS' },
    { interface: 'genev_sys_6081', direction: 'EGRESS' },
  ],
  ...more,
})

/** The same packets as the node of cart sees them come. */
export const arrived = (more: Plain = {}): Plain =>
  record({
    agent_ip: ip('192.168.0.2'),
    dup_list: [
      { interface: 'genev_sys_6081', direction: 'INGRESS' },
      { interface: 'veth9', direction: 'EGRESS' },
    ],
    ...more,
  })

export const acl = (action: string, more: Plain = {}): Plain => ({
  events: {
    Feature: 'acl',
    Action: action,
    Type: 'NetworkPolicy',
    Namespace: 'shop',
    Name: 'only-checkout',
    Direction: 'Ingress',
    ...more,
  },
})
