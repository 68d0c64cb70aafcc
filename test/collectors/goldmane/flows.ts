import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

const root = new protobuf.Root().loadSync(fileURLToPath(new URL('goldmane.proto', import.meta.url)), { keepCase: true })
export const resultType = root.lookupType('goldmane.FlowResult')
const requestType = root.lookupType('goldmane.FlowStreamRequest')

export type Plain = Record<string, unknown>

/** A FlowResult as protobufjs encodes it; enums by name. */
export const encodeResult = (flow: Plain): Buffer => Buffer.from(resultType.encode(resultType.fromObject({ id: 1, flow })).finish())

const updateType = root.lookupType('goldmane.FlowUpdate')
export const encodeUpdate = (flow: Plain): Buffer => Buffer.from(updateType.encode(updateType.fromObject({ flow })).finish())

/** The same as protobufjs reads it back, with all defaults. */
export const decodeResult = (bytes: Buffer): Plain =>
  resultType.toObject(resultType.decode(bytes), { longs: Number, defaults: true, arrays: true }).flow as Plain

export const decodeRequest = (bytes: Buffer) =>
  requestType.toObject(requestType.decode(bytes), { longs: Number, defaults: true }) as {
    start_time_gte: number
    aggregation_interval: number
  }

const web = { source_name: 'web-574ff6d9fd-*', source_namespace: 'shop', source_type: 'WorkloadEndpoint' }
const cart = { dest_name: 'cart-*', dest_namespace: 'shop', dest_type: 'WorkloadEndpoint', dest_port: 7070 }
const service = { dest_service_name: 'cart', dest_service_namespace: 'shop', dest_service_port_name: '-', dest_service_port: 70 }
const allowCart = { kind: 'CalicoNetworkPolicy', namespace: 'shop', name: 'allow-cart', tier: 'default', action: 'Allow' }

/** Web calls cart, as the node of cart tells. */
export const key = {
  ...web,
  ...cart,
  ...service,
  proto: 'tcp',
  reporter: 'Dst',
  action: 'Allow',
  policies: { enforced_policies: [allowCart] },
}

/** 10 packets there, 8 back, by `start` in seconds. */
export const flow = (start: number, more: Plain = {}, counts: Plain = {}): Plain => ({
  Key: { ...key, ...more },
  start_time: start,
  end_time: start + 15,
  source_labels: ['app=web', 'pod-template-hash=574ff6d9fd'],
  dest_labels: ['app=cart', 'controller-revision-hash=cart-5d4f8c7b9'],
  packets_in: 10,
  packets_out: 8,
  bytes_in: 1000,
  bytes_out: 800,
  num_connections_started: 2,
  ...counts,
})

/** The policy that selects cart has no rule for web. */
export const defaultDeny = {
  action: 'Deny',
  policies: {
    enforced_policies: [
      {
        kind: 'EndOfTier',
        tier: 'default',
        action: 'Deny',
        rule_index: -1,
        trigger: { kind: 'NetworkPolicy', namespace: 'shop', name: 'knp.default.only-checkout', tier: 'default' },
      },
    ],
  },
}
