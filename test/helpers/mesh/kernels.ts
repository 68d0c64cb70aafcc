/** What nodes and exporters tell of the packets of exchanges, in the forms `collectors/hubble`, `collectors/netobserv` and `collectors/ipfix` give them. */
import { type Exchange, isDenied, isUnreached } from './exchanges.ts'
import { type Between, type Reported, type Row, addressOf, addresses, nothing, prefixed, turned } from './ends.ts'
import { type Party, cluster, nodeAddress } from './world.ts'

const headerBytes = 40
const [syn, synAck, ack] = [2, 18, 16]

/** Bytes of an exchange as they are on the wire, both ways. */
export const onTheWire = ({ requestBytes, responseBytes, packets: [there, back] }: Exchange) =>
  requestBytes + responseBytes + headerBytes * (there + back)

export const packetsOf = (all: readonly Exchange[], way: 0 | 1) => all.reduce((sum, { packets }) => sum + packets[way], 0)

/** Port of the tunnel between ztunnels. */
export const tunnelPort = 15_008

interface Seen extends Between {
  /** At which ends an agent is. */
  at: readonly ('client' | 'server')[]
  /** Packets of tunnels, whatever is in them. */
  tunnel?: boolean
}

const hubbleClaim = (party: Party | undefined): Row =>
  party
    ? { cluster, namespace: party.namespace, pod: party.pod, workload: party.workload, workload_kind: 'Deployment' }
    : { entity: 'world' }

/** One flow for each packet at each of the two nodes; monitor aggregation let them all through. */
export function hubble(all: readonly Exchange[], { client, server, at, tunnel }: Seen): Reported {
  const sameNode = client?.node === server?.node
  const flow = all
    .filter(exchange => !isUnreached(exchange))
    .flatMap(exchange => {
      const forward = {
        source: 'hubble',
        cluster,
        layer: 'kernel',
        type: 'l3_l4',
        protocol: 'tcp',
        ...addresses({ client, server }, tunnel ? { ...exchange, serverPort: tunnelPort } : exchange),
        ...prefixed('src', hubbleClaim(client)),
        ...prefixed('dst', hubbleClaim(server)),
      }
      if (isDenied(exchange)) return denials(forward, exchange, server!)
      return at.flatMap(end => packets(forward, exchange, { end, sameNode, node: (end === 'client' ? client : server)!.node }))
    })
  return { ...nothing(), flow }
}

function packets(
  forward: Row,
  exchange: Exchange,
  { end, sameNode, node }: { end: 'client' | 'server'; sameNode: boolean; node: string },
): Row[] {
  const direction = end === 'client' ? 'egress' : 'ingress'
  const leaving = sameNode ? 'from_endpoint' : 'to_overlay'
  const seen = {
    ...forward,
    reporter: node,
    event: 'trace',
    verdict: 'forwarded',
    direction,
    time: exchange.time - (end === 'server' ? 900 : 1000),
  }
  const there = { ...seen, is_reply: 'no', observation_point: end === 'client' ? leaving : 'to_endpoint' }
  const back = { ...turned(seen), is_reply: 'yes', observation_point: end === 'client' ? 'to_endpoint' : leaving }
  return [
    ...Array.from({ length: exchange.packets[0] }, (_, i) => ({ ...there, tcp_flags: i === 0 ? syn : ack })),
    ...Array.from({ length: exchange.packets[1] }, (_, i) => ({ ...back, tcp_flags: i === 0 ? synAck : ack })),
  ]
}

/** The verdict of the policy, and the drop. */
function denials(forward: Row, { time }: Exchange, { node }: Party): Row[] {
  const denied = {
    ...forward,
    time,
    reporter: node,
    verdict: 'dropped',
    direction: 'ingress',
    is_reply: 'no',
    tcp_flags: syn,
    drop_reason: 'POLICY_DENIED',
  }
  return [
    { ...denied, event: 'policy_verdict' },
    { ...denied, event: 'drop' },
  ]
}

/** A record for each way at each node: addresses, and nothing of who they are. */
export function netobserv(all: readonly Exchange[], seen: Seen & { weight?: number; service?: boolean }): Reported {
  const { client, server, at, tunnel, weight = 1, service } = seen
  const flow = all
    .filter(exchange => !isDenied(exchange) && !isUnreached(exchange))
    .flatMap(exchange =>
      at.flatMap(end => {
        const reporter = nodeAddress((end === 'client' ? client : server)!.node)
        const common = {
          source: 'netobserv',
          reporter,
          reporter_kind: 'node',
          cluster,
          layer: 'kernel',
          type: 'l3_l4',
          event: 'trace',
          verdict: 'forwarded',
        }
        const port = tunnel ? { ...exchange, serverPort: tunnelPort } : exchange
        const row = { ...common, protocol: 'tcp', time: exchange.time, ...addresses({ client, server }, port) }
        const views = counters(row, exchange, weight)
        // Before the service is translated the client's node sees its address, and says so with the verdict where it is told to.
        if (!service || end !== 'client') return views
        return [...views, ...views.map(view => atService(view, server!))]
      }),
    )
  return { ...nothing(), flow }
}

function counters(row: Row, { requestBytes, responseBytes, packets: [there, back] }: Exchange, weight: number): Row[] {
  const share = (count: number) => Math.round(count / weight)
  const forward = { ...row, weight, is_reply: 'no', tcp_flags: syn, connections: 1 / weight >= 1 ? 1 : 0 }
  return [
    { ...forward, bytes: share(requestBytes + headerBytes * there), packets: share(there) },
    {
      ...turned({ ...row, weight }),
      is_reply: 'yes',
      tcp_flags: synAck,
      bytes: share(responseBytes + headerBytes * back),
      packets: share(back),
    },
  ]
}

const atService = (row: Row, { vip }: Party): Row =>
  row.is_reply === 'no' ? { ...row, dst_address: vip, dst_port: 80 } : { ...row, src_address: vip, src_port: 80 }

/** A record for each way from an exporter on the way, which knows addresses only. */
export function ipfix(
  all: readonly Exchange[],
  between: Between,
  { exporter, weight = 1 }: { exporter: string; weight?: number },
): Reported {
  const flow = all
    .filter(exchange => !isDenied(exchange) && !isUnreached(exchange))
    .flatMap(exchange => {
      const common = {
        source: 'ipfix',
        reporter: exporter,
        exporter,
        reporter_kind: 'exporter',
        cluster,
        layer: 'exporter',
        type: 'l3_l4',
        verdict: 'forwarded',
      }
      const rows = counters({ ...common, protocol: 'tcp', time: exchange.time, ...addresses(between, exchange) }, exchange, weight)
      return rows.map(row => ({ ...row, is_reply: 'unknown', connections: 0 }))
    })
  return { ...nothing(), flow }
}

/** The client's spans and the server's, of every exchange. */
export function spans(all: readonly Exchange[], { client, server }: { client: Party; server: Party }): Reported {
  const end = (side: 'src' | 'dst', party: Party) =>
    prefixed(side, { ...hubbleClaim(party), service: party.service, address: addressOf(party, 4) })
  const span = all.flatMap(({ number, time, latency }) => {
    const common = { cluster, source: 'otlp', trace_id: `${server.namespace}-${number}`.padEnd(32, '0'), protocol: 'http' }
    return [
      { ...common, time, span_id: 'c', kind: 'client', duration: latency, service_name: client.workload, ...end('src', client) },
      {
        ...common,
        time,
        span_id: 's',
        parent_span_id: 'c',
        kind: 'server',
        duration: latency,
        service_name: server.workload,
        ...end('dst', server),
      },
    ]
  })
  return { ...nothing(), span }
}
