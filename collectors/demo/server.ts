import type protobuf from 'protobufjs'
import type { Logger } from '../../runtime/log.ts'
import { loadObserverProto } from '../hubble/proto.ts'
import { fullName } from './encode.ts'
import { GrpcCode, GrpcError, type Listening, type Method, framed, serveGrpc } from './grpc.ts'
import { NodeState } from './hubble-numbers.ts'
import { type Plan, beginningOf, flowsBetween } from './plan.ts'
import { clusterName, namespaces, nodes } from './shop.ts'
import { second } from './story.ts'
import { FlowStream, type Range } from './stream.ts'

interface Timestamp {
  seconds?: number | string
  nanos?: number
}

/** GetFlowsRequest as protobufjs gives it. */
interface FlowsRequest {
  number?: string
  first?: boolean
  follow?: boolean
  blacklist?: unknown[]
  whitelist?: unknown[]
  since?: Timestamp
  until?: Timestamp
  field_mask?: { paths?: string[] }
}

const microseconds = ({ seconds = 0, nanos = 0 }: Timestamp, round: (value: number) => number) =>
  Number(seconds) * second + round(nanos / 1000)

/** What the request asks for that we do not do is an error, as half an answer would be taken for a whole one. */
function check({ number, first, follow, since, until, blacklist, whitelist, field_mask: mask }: FlowsRequest): void {
  const last = Number(number ?? 0) > 0
  if (last && (since || until)) throw new GrpcError(GrpcCode.invalidArgument, 'number excludes since and until')
  if (first && follow) throw new GrpcError(GrpcCode.invalidArgument, 'first excludes follow')
  if (blacklist?.length || whitelist?.length) throw new GrpcError(GrpcCode.unimplemented, 'the demo has no flow filters')
  if (mask?.paths?.length) throw new GrpcError(GrpcCode.unimplemented, 'the demo has no field masks')
}

/** The range a request asks for, and how many flows of it. `now` is up to when there are flows. */
function rangeOf(request: FlowsRequest, plan: Plan, now: number): Range & { limit: number } {
  const { first = false, follow = false, since, until } = request
  const number = Number(request.number ?? 0)
  const beginning = beginningOf(plan)
  const end = until ? microseconds(until, Math.floor) : follow ? Infinity : now - 1
  const range = { until: end, follow, limit: follow || !number ? Infinity : number }
  if (since) return { ...range, since: Math.max(beginning, microseconds(since, Math.ceil)) }
  if (first || (!number && !follow)) return { ...range, since: beginning }
  return { ...range, since: now, limit: Infinity }
}

export interface ServerOptions {
  plan: Plan
  listen: { host?: string; port?: number }
  log: Logger
  /** Up to when, in microseconds, flows may be told. */
  ready: () => number
}

/** A Hubble Relay over the made-up cluster. */
export function serveHubble({ plan, listen, log, ready }: ServerOptions): Promise<Listening> {
  const root = loadObserverProto()
  const type = (name: string): protobuf.Type => root.lookupType(`observer.${name}`)
  const stream = new FlowStream(plan)
  const reply = (name: string, message: object) => framed(type(name).encode(type(name).fromObject(message)).finish())
  const started = ready()
  const seen = () => flowsBetween(plan, 0, ready() / second)

  async function* getFlows(body: Buffer, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const request = type('GetFlowsRequest').toObject(decode(type('GetFlowsRequest'), body), { longs: String }) as FlowsRequest
    check(request)
    const time = { seconds: Math.floor(ready() / second), nanos: 0 }
    const status = { state_change: NodeState.connected, node_names: nodes.map(fullName) }
    yield reply('GetFlowsResponse', { node_status: status, node_name: `${clusterName}/hubble-relay`, time })
    const now = ready()
    const { limit, ...range } = rangeOf(request, plan, now)
    if (Number(request.number ?? 0) && !request.first) yield* newest(Number(request.number), now)
    else if (limit !== Infinity) return yield* take(limit, stream.send(range, ready, signal))
    if (range.follow || limit === Infinity) yield* stream.send(range, ready, signal)
  }

  /** The last flows before now, in order. */
  function* newest(number: number, now: number): Generator<Uint8Array> {
    let tick = Math.floor(now / second)
    const parts: Buffer[][] = []
    for (let count = 0; count < number && tick * second >= beginningOf(plan); tick--) {
      const frames = [...stream.encode(tick * second, Math.min(now, (tick + 1) * second))].flatMap(framesOf)
      parts.unshift(frames.slice(Math.max(0, frames.length - (number - count))))
      count += parts[0].length
    }
    for (const frames of parts) yield* frames
  }

  const methods: Record<string, Method> = {
    GetFlows: getFlows,
    ServerStatus: () => [
      reply('ServerStatusResponse', {
        num_flows: seen(),
        max_flows: seen(),
        seen_flows: seen(),
        uptime_ns: String(Math.floor((ready() - started) * 1000)),
        num_connected_nodes: { value: nodes.length },
        num_unavailable_nodes: { value: 0 },
        version: '1.19.4',
        flows_rate: plan.segments.at(-1)?.rate,
      }),
    ],
    GetNodes: () => [
      reply('GetNodesResponse', {
        nodes: nodes.map(node => ({
          name: fullName(node),
          version: '1.19.4',
          address: `${node.address}:4244`,
          state: NodeState.connected,
          seen_flows: Math.floor(seen() / nodes.length),
        })),
      }),
    ],
    GetNamespaces: () => [
      reply('GetNamespacesResponse', { namespaces: namespaces.map(namespace => ({ cluster: clusterName, namespace })) }),
    ],
  }
  const paths = Object.entries(methods).map(([name, method]) => [`/observer.Observer/${name}`, method])
  return serveGrpc(Object.fromEntries(paths), { ...listen, log })
}

function decode(type: protobuf.Type, body: Buffer): protobuf.Message {
  try {
    return type.decode(body)
  } catch (error) {
    throw new GrpcError(GrpcCode.invalidArgument, `expected a ${type.name}: ${(error as Error).message}`)
  }
}

/** The frames in some bytes, each by itself. */
function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    frames.push(bytes.subarray(at, end))
    at = end
  }
  return frames
}

async function* take(count: number, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks)
    for (const frame of framesOf(chunk)) {
      if (count-- <= 0) return
      yield frame
    }
}
