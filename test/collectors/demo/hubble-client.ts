import grpc from '@grpc/grpc-js'
import { loadObserverProto } from '../../../collectors/hubble/proto.ts'

export interface Timestamp {
  seconds: string
  nanos: number
}

export interface Endpoint {
  ID: number
  identity: number
  namespace: string
  pod_name: string
  labels: string[]
  workloads: { name: string; kind: string }[]
}

export interface PolicyRef {
  kind: string
  namespace: string
  name: string
}

/** A flow as protobufjs gives it, with the defaults of what is absent. */
export interface Flow {
  time: Timestamp
  uuid: string
  verdict: string
  Type: string
  drop_reason_desc: string
  IP: { source: string; destination: string; source_xlated: string }
  l4?: { TCP?: { source_port: number; destination_port: number; flags?: Record<string, boolean> } }
  source?: Endpoint
  destination?: Endpoint
  node_name: string
  traffic_direction: string
  is_reply?: { value: boolean }
  event_type: { type: number; sub_type: number }
  sock_xlate_point: string
  destination_service?: { name: string; namespace: string }
  l7?: {
    type: string
    latency_ns: string
    http?: { code: number; url: string }
    dns?: { rcode: number; query: string }
    kafka?: { error_code: number }
  }
  trace_context?: { parent: { trace_id: string } }
  ingress_denied_by: PolicyRef[]
  egress_denied_by: PolicyRef[]
}

export interface FlowsResponse {
  flow?: Flow
  node_status?: { state_change: string; node_names: string[] }
  node_name: string
  time: Timestamp
}

export const timestampOf = (microseconds: number): Timestamp => ({
  seconds: String(Math.floor(microseconds / 1e6)),
  nanos: (microseconds % 1e6) * 1000,
})
export const microsecondsOf = ({ seconds, nanos }: Timestamp) => Number(seconds) * 1e6 + nanos / 1000

const decoding = { longs: String, enums: String, defaults: true, arrays: true }
const type = (name: string) => loadObserverProto().lookupType(`observer.${name}`)

export const decodeResponse = (bytes: Uint8Array) => {
  const decoded = type('GetFlowsResponse').toObject(type('GetFlowsResponse').decode(bytes), decoding)
  return decoded as FlowsResponse
}

/** The messages in bytes that gRPC framed. */
export function* messagesIn(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    yield bytes.subarray(at + 5, end)
    at = end
  }
}

/** A client of the Observer service over grpc-js, which shares no code with the server. */
export function openClient(address: string) {
  // Clients of one process would share a connection otherwise, and its window.
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  const encode = (name: string) => (message: object) => Buffer.from(type(name).encode(type(name).fromObject(message)).finish())

  function stream(request: object): grpc.ClientReadableStream<Buffer> {
    return client.makeServerStreamRequest('/observer.Observer/GetFlows', encode('GetFlowsRequest'), bytes => bytes, request)
  }

  /** Messages as they came, until there are `most` or the call ends. */
  async function raw(request: object, most = Infinity): Promise<Buffer[]> {
    const call = stream(request)
    const messages: Buffer[] = []
    call.on('data', (bytes: Buffer) => {
      messages.push(bytes)
      if (messages.length >= most) call.cancel()
    })
    await new Promise<void>((resolve, reject) => {
      call.once('end', resolve)
      call.once('error', error => (messages.length >= most ? resolve() : reject(error)))
    })
    return messages.slice(0, most)
  }

  return {
    stream,
    raw,
    flows: async (request: object, most?: number) => (await raw(request, most)).map(decodeResponse),
    call: (name: string) =>
      new Promise<Record<string, unknown>>((resolve, reject) =>
        client.makeUnaryRequest(
          `/observer.Observer/${name}`,
          encode(`${name}Request`),
          bytes => type(`${name}Response`).toObject(type(`${name}Response`).decode(bytes), decoding),
          {},
          (error, answer) => (error ? reject(error) : resolve(answer as Record<string, unknown>)),
        ),
      ),
    [Symbol.dispose]: () => client.close(),
  }
}
