/** What proxies tell of exchanges, in the forms `collectors/envoy`, `collectors/access_log` and `collectors/samples` give them. */
import type { Exchange, Outcome } from './exchanges.ts'
import { type Between, type Reported, type Row, addresses, certificate, nothing, ownClaim, prefixed, turned } from './ends.ts'
import { type Party, cluster } from './world.ts'

const statuses: Readonly<Record<Outcome, number>> = { answered: 200, failed: 503, unreached: 503, denied: 403 }
const policy = { policy_kind: 'AuthorizationPolicy', policy_namespace: 'mesh', policy_name: 'deny-some', policy_source: 'dataplane' }

/** The server is heard of a little before the client. */
const atServer = (time: number) => time - 700

interface Proxy {
  reporter: Party
  reporter_kind: 'sidecar' | 'gateway' | 'waypoint'
  direction: 'ingress' | 'egress'
}

/** The access log service of Envoy. */
const envoy = ({ reporter, reporter_kind, direction }: Proxy, exchange: Exchange): Row => ({
  source: 'envoy',
  reporter: `${reporter.namespace}/${reporter.pod}`,
  reporter_kind,
  cluster,
  direction,
  time: direction === 'ingress' ? atServer(exchange.time) : exchange.time,
})

const request = (proxy: Row, { requestBytes, responseBytes, latency }: Exchange, outcome: Outcome): Row => ({
  ...proxy,
  layer: 'l7_proxy',
  phase: 'exchange',
  protocol: 'http',
  transport: 'tcp',
  method: 'GET',
  verdict: 'forwarded',
  status_code: statuses[outcome],
  error: statuses[outcome] >= 500,
  request_bytes: requestBytes,
  response_bytes: responseBytes,
  latency,
})

/** A connection as two rows, one for each way. */
function connection(forward: Row, bytes: number, back: number): Row[] {
  const there = { ...forward, layer: 'l4_proxy', type: 'l3_l4', protocol: 'tcp', is_reply: 'no', bytes, connections: 1 }
  const { connections: _, ...reply } = turned(there)
  return [there, { ...reply, is_reply: 'yes', verdict: 'forwarded', bytes: back }]
}

/** The sidecar of the client: it knows the service it calls, and tells of a request once, however often it tried. */
export function clientSidecar(all: readonly Exchange[], { client, server }: Required<Between>, via: Party = server): Reported {
  const reported = nothing()
  for (const exchange of all) {
    const proxy = {
      ...envoy({ reporter: client, reporter_kind: 'sidecar', direction: 'egress' }, exchange),
      ...addresses({ client, server: via }, exchange),
      ...prefixed('src', ownClaim(client)),
      dst_service: via.service,
    }
    const told = exchange.attempts.at(-1)!
    const unreached = told === 'unreached' && { response_flags: 'UF', dst_address: '', dst_port: 80 }
    if (exchange.protocol === 'http')
      reported.request.push({ ...request(proxy, exchange, told), attempts: exchange.attempts.length, ...unreached })
    else reported.flow.push(...connection({ ...proxy, verdict: 'forwarded' }, exchange.requestBytes, exchange.responseBytes))
  }
  return reported
}

/** The sidecar of the server: it knows the client by its certificate, and tells of every attempt. */
export function serverSidecar(all: readonly Exchange[], { client, server }: { client: Party; server: Party }): Reported {
  const reported = nothing()
  for (const exchange of all) {
    const proxy = {
      ...envoy({ reporter: server, reporter_kind: 'sidecar', direction: 'ingress' }, exchange),
      ...addresses({ client, server }, exchange),
      ...prefixed('src', certificate(client)),
      ...prefixed('dst', ownClaim(server)),
      dst_service: server.service,
    }
    if (exchange.protocol === 'tcp')
      reported.flow.push(...connection({ ...proxy, verdict: 'forwarded' }, exchange.requestBytes, exchange.responseBytes))
    else for (const outcome of exchange.attempts) if (outcome !== 'unreached') answer(reported, proxy, exchange, outcome)
  }
  return reported
}

/** A denied request is a flow as well, by which denials are found. */
function answer(reported: Reported, proxy: Row, exchange: Exchange, outcome: Outcome): void {
  const denied = outcome === 'denied' && { verdict: 'dropped', drop_reason: 'policy_denied', ...policy }
  reported.request.push({ ...request(proxy, exchange, outcome), ...denied })
  if (denied) reported.flow.push({ ...proxy, layer: 'l7_proxy', type: 'l7', event: 'l7', protocol: 'tcp', is_reply: 'no', ...denied })
}

/** A gateway or a waypoint, which is neither end. */
export function proxyBetween(all: readonly Exchange[], between: Between, proxy: Omit<Proxy, 'direction'>): Reported {
  const direction = proxy.reporter_kind === 'waypoint' ? 'ingress' : 'egress'
  const rows = all.map(exchange => ({
    ...request(envoy({ ...proxy, direction }, exchange), exchange, exchange.attempts.at(-1)!),
    ...addresses(between, exchange),
    ...prefixed('src', certificate(between.client)),
    ...(between.server ? { dst_service: between.server.service } : { dst_dns_name: 'api.example.com' }),
  }))
  return { ...nothing(), request: rows }
}

/** The log of the ztunnel of one end, which knows pods, and both identities out of certificates. */
export function ztunnel(
  all: readonly Exchange[],
  { client, server }: { client: Party; server: Party },
  direction: 'ingress' | 'egress',
): Reported {
  const node = direction === 'ingress' ? server.node : client.node
  const end = (side: 'src' | 'dst', party: Party) =>
    prefixed(side, { ...certificate(party), pod: party.pod, cluster, node: party.node === node ? node : '' })
  const rows = all.flatMap(exchange => {
    const denied = exchange.attempts.at(-1) === 'denied'
    const forward = {
      source: 'access_log',
      reporter: node,
      reporter_kind: 'ztunnel',
      cluster,
      direction,
      time: direction === 'ingress' ? atServer(exchange.time) : exchange.time,
      ...addresses({ client, server }, exchange),
      ...end('src', client),
      ...end('dst', server),
      dst_service: server.service,
      ...(denied ? refusedBy(direction) : { verdict: 'forwarded', end_reason: 'closed' }),
    }
    const both = connection(forward, denied ? 0 : exchange.requestBytes, exchange.responseBytes)
    return denied ? both.slice(0, 1) : both
  })
  return { ...nothing(), flow: rows }
}

const refusedBy = (direction: 'ingress' | 'egress'): Row =>
  direction === 'ingress'
    ? { event: 'policy_verdict', verdict: 'dropped', drop_reason: 'policy_denied', ...policy }
    : { event: 'drop', verdict: 'dropped', drop_reason: 'refused_by_destination' }

/** Istio's counters of both ends as scrapes every half minute tell them: without ports, and later than the logs. */
export function istioMetrics(all: readonly Exchange[], { client, server }: { client: Party; server: Party }): Reported {
  const reported = nothing()
  const labels = (party: Party) => ({ namespace: party.namespace, workload: party.workload, service_account: party.workload })
  for (const [direction, later] of [
    ['ingress', 13e6],
    ['egress', 29e6],
  ] as const) {
    const scraped = Map.groupBy(all, ({ time, protocol }) => `${protocol} ${Math.ceil(time / 30e6) * 30e6 + later}`)
    for (const [key, exchanges] of scraped) {
      const [protocol, time] = key.split(' ')
      const common = { source: 'istio_metrics', reporter: 'prometheus', reporter_kind: 'sidecar', cluster, direction, time: Number(time) }
      const ends = { ...prefixed('src', labels(client)), ...prefixed('dst', { ...labels(server), service: server.service }) }
      if (protocol === 'http') reported.request.push(...counted({ ...common, ...ends }, exchanges, direction))
      else reported.flow.push(...transferred({ ...common, ...ends }, exchanges))
    }
  }
  return reported
}

function counted(common: Row, all: readonly Exchange[], direction: string): Row[] {
  const told = all.flatMap(({ attempts }) =>
    direction === 'ingress' ? attempts.filter(outcome => outcome !== 'unreached') : [attempts.at(-1)!],
  )
  return [...Map.groupBy(told, outcome => statuses[outcome])].map(([status_code, { length }]) => ({
    ...common,
    layer: 'l7_proxy',
    phase: 'exchange',
    protocol: 'http',
    transport: 'tcp',
    verdict: 'forwarded',
    status_code,
    error: status_code >= 500,
    weight: length,
  }))
}

function transferred(common: Row, all: readonly Exchange[]): Row[] {
  const sum = (name: 'requestBytes' | 'responseBytes') => all.reduce((total, exchange) => total + exchange[name], 0)
  const forward = { ...common, layer: 'l4_proxy', type: 'l3_l4', verdict: 'forwarded', protocol: 'tcp', is_reply: 'no' }
  return [
    { ...forward, bytes: sum('requestBytes') },
    { ...forward, connections: all.length },
    { ...turned(forward), is_reply: 'yes', bytes: sum('responseBytes') },
  ]
}
