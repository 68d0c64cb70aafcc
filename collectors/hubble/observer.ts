import { type Channel, openChannel } from '../grpc/channel.ts'
import { type Address, type TlsOptions, authorityOf, connect } from '../address.ts'
import type { FlowFilter } from './filters.ts'
import type { Framing } from '../grpc/framing.ts'
import { GrpcError } from '../grpc/status.ts'
import { loadObserverProto } from './proto.ts'

const callTimeoutMs = 10_000

export interface ServerStatus {
  version: string
  num_flows: number
  max_flows: number
  seen_flows: number
  num_connected_nodes?: { value: number }
  num_unavailable_nodes?: { value: number }
  unavailable_nodes: string[]
}

export interface ObserverNode {
  name: string
  version: string
  state: string
  seen_flows: number
}

export interface FlowsRequest {
  /** Microseconds; without it only new flows come. */
  since?: number
  allow: readonly FlowFilter[]
  deny: readonly FlowFilter[]
}

/** Hubble Relay, or one agent. */
export interface Observer extends AsyncDisposable {
  serverStatus(): Promise<ServerStatus>
  /** Undefined when it is an agent, which knows no others. */
  nodes(): Promise<ObserverNode[] | undefined>
  /** Follows the flows until the server ends the stream. */
  flows(request: FlowsRequest, signal: AbortSignal, take: (framing: Framing) => Promise<void>): Promise<void>
}

export async function openObserver(options: {
  address: Address
  tls: TlsOptions
  windowBytes?: number
  idleMs?: number
  answerMs?: number
}): Promise<Observer> {
  const { address, tls, ...watch } = options
  const channel = await openChannel({ authority: authorityOf(address), connection: await connect(address, tls), ...watch })
  return {
    serverStatus: () => call<ServerStatus>(channel, 'ServerStatus'),
    nodes: () =>
      call<{ nodes: ObserverNode[] }>(channel, 'GetNodes').then(
        ({ nodes }) => nodes,
        error => {
          if (error instanceof GrpcError && error.code === 'UNIMPLEMENTED') return undefined
          throw error
        },
      ),
    flows: (request, signal, take) => channel.stream('/observer.Observer/GetFlows', flowsRequest(request), signal, take),
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  }
}

async function call<T>(channel: Channel, method: string): Promise<T> {
  const root = loadObserverProto()
  const { requestType, responseType } = root.lookupService('observer.Observer').methods[method]
  const request = root.lookupType(`observer.${requestType}`)
  const response = root.lookupType(`observer.${responseType}`)
  const answer = await channel.call(`/observer.Observer/${method}`, request.encode({}).finish(), callTimeoutMs)
  return response.toObject(response.decode(answer), { longs: Number, enums: String, defaults: true, arrays: true }) as T
}

function flowsRequest({ since, allow, deny }: FlowsRequest): Uint8Array {
  const type = loadObserverProto().lookupType('observer.GetFlowsRequest')
  const start = since === undefined ? undefined : { seconds: Math.floor(since / 1e6), nanos: Math.floor(since % 1e6) * 1000 }
  return type.encode(type.fromObject({ follow: true, since: start, whitelist: allow, blacklist: deny })).finish()
}
