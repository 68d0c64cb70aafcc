/** Mixtures of agents that see the same exchanges, each with what is true of them. */
import { type Exchange, type ExchangesOptions, type Outcome, exchanges, isDenied, isUnreached, reached } from './exchanges.ts'
import { type Reported, nothing } from './ends.ts'
import { hubble, ipfix, netobserv, onTheWire, packetsOf, spans } from './kernels.ts'
import { clientSidecar, istioMetrics, proxyBetween, serverSidecar, ztunnel } from './proxies.ts'
import { type Party, World } from './world.ts'

/** What the map is to say of an edge; what is not named here is not looked at. */
export interface Truth {
  requests?: number
  errors?: number
  bytes?: number
  connections?: number
  flows?: number
  sent?: number
  received?: number
  denials?: number
}

export interface Mode {
  reported: Reported
  /** By `from → to`. */
  truth: Record<string, Truth>
  world: World
}

type MakeMode = (made: { world: World; make: (options?: Partial<ExchangesOptions>) => Exchange[] }) => Omit<Mode, 'world'>

const both = ['client', 'server'] as const
const trouble: readonly Outcome[][] = [
  ['failed', 'answered'],
  ['unreached'],
  ['denied'],
  ['failed', 'failed', 'failed'],
  ['unreached', 'answered'],
]

const all = (...reports: Reported[]): Reported => ({
  flow: reports.flatMap(({ flow }) => flow),
  request: reports.flatMap(({ request }) => request),
  span: reports.flatMap(({ span }) => span),
})

const edge = (truth: Truth) => ({ 'client → server': truth })
const sum = (of: readonly Exchange[], count: (exchange: Exchange) => number) => of.reduce((total, exchange) => total + count(exchange), 0)
const payload = (of: readonly Exchange[]) => sum(of, ({ requestBytes, responseBytes }) => requestBytes + responseBytes)
const wire = (of: readonly Exchange[]) => sum(of, onTheWire)
const packetsBoth = (of: readonly Exchange[]) => packetsOf(of, 0) + packetsOf(of, 1)
const seenByKernel = (of: readonly Exchange[]) => of.filter(exchange => !isDenied(exchange) && !isUnreached(exchange))

/** Attempts that reached the proxy of the server, and requests of the client that reached none. */
const served = (of: readonly Exchange[]): Truth => ({
  requests: sum(of, exchange => reached(exchange).length) + of.filter(isUnreached).length,
  errors: sum(of, ({ attempts }) => attempts.filter(outcome => outcome === 'failed').length) + of.filter(isUnreached).length,
  denials: of.filter(isDenied).length,
})

const pair = (world: World, sameNode = false) => ({
  client: world.party('client', 'node-a'),
  server: world.party('server', sameNode ? 'node-a' : 'node-b'),
})

const sidecars = (of: readonly Exchange[], ends: { client: Party; server: Party }) => all(clientSidecar(of, ends), serverSidecar(of, ends))
const ztunnels = (of: readonly Exchange[], ends: { client: Party; server: Party }) =>
  all(ztunnel(of, ends, 'egress'), ztunnel(of, ends, 'ingress'))

/** Both kinds of agent on nodes, at both ends. */
const kernels = (
  of: readonly Exchange[],
  ends: { client?: Party; server?: Party },
  at: readonly ('client' | 'server')[] = both,
  tunnel = false,
) => all(hubble(of, { ...ends, at, tunnel }), netobserv(of, { ...ends, at, tunnel }))

export const modes: Readonly<Record<string, MakeMode>> = {
  'sidecar-and-sidecar': ({ world, make }) => {
    const ends = pair(world)
    const [http, tcp] = [make({ outcomes: trouble }), make({ protocol: 'tcp' })]
    return { reported: sidecars([...http, ...tcp], ends), truth: edge({ ...served(http), bytes: payload(tcp), connections: tcp.length }) }
  },
  'sidecars-and-the-kernel': ({ world, make }) => {
    const ends = pair(world)
    const [http, tcp] = [make({ outcomes: [['failed', 'answered']] }), make({ protocol: 'tcp' })]
    const of = [...http, ...tcp]
    return {
      reported: all(sidecars(of, ends), kernels(of, ends)),
      truth: edge({
        ...served(http),
        bytes: wire(http) + payload(tcp),
        connections: of.length,
        flows: packetsBoth(of),
        sent: packetsBoth(of),
        received: packetsBoth(of),
      }),
    }
  },
  'sidecars-logs-and-metrics': ({ world, make }) => {
    const ends = pair(world)
    const [http, tcp] = [make({ outcomes: [['failed', 'answered']] }), make({ protocol: 'tcp' })]
    const of = [...http, ...tcp]
    return {
      reported: all(sidecars(of, ends), istioMetrics(of, ends)),
      truth: edge({ ...served(http), bytes: payload(tcp), connections: tcp.length }),
    }
  },
  'metrics-alone': ({ world, make }) => {
    const ends = pair(world)
    const [http, tcp] = [make({ outcomes: [['failed', 'answered']] }), make({ protocol: 'tcp' })]
    return {
      reported: istioMetrics([...http, ...tcp], ends),
      truth: edge({ ...served(http), bytes: payload(tcp), connections: tcp.length }),
    }
  },
  'sidecars-and-spans': ({ world, make }) => {
    const ends = pair(world)
    const http = make()
    return { reported: all(sidecars(http, ends), spans(http, ends)), truth: edge(served(http)) }
  },
  'only-the-client-has-a-sidecar': ({ world, make }) => {
    const ends = pair(world)
    const http = make({ outcomes: [['failed', 'answered'], ['unreached']] })
    return { reported: clientSidecar(http, ends), truth: edge({ requests: http.length, errors: http.filter(isUnreached).length }) }
  },
  'only-the-server-has-a-sidecar': ({ world, make }) => {
    const ends = pair(world)
    const http = make({ outcomes: [['failed', 'answered']] })
    return { reported: serverSidecar(http, ends), truth: edge(served(http)) }
  },
  'ztunnel-and-ztunnel': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make({ protocol: 'tcp', outcomes: [['denied']] })
    const open = seenByKernel(tcp)
    return {
      reported: ztunnels(tcp, ends),
      truth: edge({
        bytes: payload(open),
        connections: open.length + tcp.filter(isDenied).length,
        flows: 2 * open.length + tcp.filter(isDenied).length,
        denials: tcp.filter(isDenied).length,
      }),
    }
  },
  'ztunnels-and-the-kernel': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make({ protocol: 'tcp' })
    return {
      reported: all(ztunnels(tcp, ends), kernels(tcp, ends, both, true)),
      truth: edge({ bytes: payload(tcp), connections: tcp.length, flows: 2 * tcp.length }),
    }
  },
  'the-tunnel-alone': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make({ protocol: 'tcp' })
    return { reported: kernels(tcp, ends, both, true), truth: edge({ bytes: wire(tcp), connections: tcp.length, flows: packetsBoth(tcp) }) }
  },
  'ztunnel-waypoint-ztunnel': ({ world, make }) => {
    const ends = pair(world)
    const waypoint = world.party('waypoint', 'node-a')
    const http = make({ serverPort: 8080 })
    const [first, second] = [
      { client: ends.client, server: waypoint },
      { client: waypoint, server: ends.server },
    ]
    const carried = { bytes: payload(http), connections: http.length, flows: 2 * http.length }
    return {
      reported: all(
        ztunnel(http, first, 'egress'),
        ztunnel(http, second, 'ingress'),
        proxyBetween(http, ends, { reporter: waypoint, reporter_kind: 'waypoint' }),
      ),
      truth: {
        'client → server': { requests: http.length, errors: 0, bytes: 0 },
        'client → waypoint': carried,
        'waypoint → server': carried,
      },
    }
  },
  'sidecar-and-ztunnel': ({ world, make }) => {
    const ends = pair(world)
    const http = make()
    return {
      reported: all(clientSidecar(http, ends), ztunnel(http, ends, 'ingress')),
      truth: edge({ requests: http.length, errors: 0, bytes: payload(http), connections: http.length, flows: 2 * http.length }),
    }
  },
  'gateway-and-sidecar': ({ world, make }) => {
    const [gateway, server] = [world.party('gateway', 'node-a'), world.party('server', 'node-b')]
    const http = make()
    return {
      reported: all(
        proxyBetween(http, { server }, { reporter: gateway, reporter_kind: 'gateway' }),
        serverSidecar(http, { client: gateway, server }),
        kernels(http, { client: gateway, server }),
        hubble(http, { server: gateway, at: ['server'] }),
      ),
      truth: {
        'outside → server': { requests: http.length, errors: 0, bytes: 0 },
        'gateway → server': { requests: http.length, errors: 0, bytes: wire(http), connections: http.length, flows: packetsBoth(http) },
        'outside → gateway': { requests: 0, connections: http.length, flows: packetsBoth(http) },
      },
    }
  },
  'sidecar-and-egress-gateway': ({ world, make }) => {
    const [client, gateway] = [world.party('client', 'node-a'), world.party('gateway', 'node-b')]
    const http = make()
    return {
      reported: all(
        clientSidecar(http, { client, server: gateway }),
        proxyBetween(http, { client }, { reporter: gateway, reporter_kind: 'gateway' }),
        kernels(http, { client, server: gateway }),
      ),
      truth: {
        'client → gateway': { requests: http.length, errors: 0, bytes: wire(http), flows: packetsBoth(http) },
        'client → outside': { requests: http.length, errors: 0, bytes: 0 },
      },
    }
  },
  'hubble-alone': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make({ outcomes: [['denied']], dualStack: true })
    const open = seenByKernel(tcp)
    const seen = packetsBoth(open)
    const denials = tcp.filter(isDenied).length
    return {
      reported: hubble(tcp, { ...ends, at: both }),
      truth: edge({ flows: seen, sent: seen, received: seen, denials, connections: open.length, bytes: 0 }),
    }
  },
  'only-the-source-has-an-agent': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make()
    const seen = packetsBoth(tcp)
    const [there, back] = [packetsOf(tcp, 0), packetsOf(tcp, 1)]
    return {
      reported: kernels(tcp, ends, ['client']),
      truth: edge({ flows: seen, sent: there, received: back, bytes: wire(tcp), connections: tcp.length }),
    }
  },
  'only-the-destination-has-an-agent': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make()
    const seen = packetsBoth(tcp)
    const [there, back] = [packetsOf(tcp, 0), packetsOf(tcp, 1)]
    return {
      reported: kernels(tcp, ends, ['server']),
      truth: edge({ flows: seen, sent: back, received: there, bytes: wire(tcp), connections: tcp.length }),
    }
  },
  'netobserv-on-both-nodes': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make({ dualStack: true })
    const count = 2 * tcp.length
    return {
      reported: netobserv(tcp, { ...ends, at: both }),
      truth: edge({ bytes: wire(tcp), connections: tcp.length, flows: count, sent: count, received: count }),
    }
  },
  'a-service-and-its-backend': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make()
    return {
      reported: netobserv(tcp, { ...ends, at: both, service: true }),
      truth: edge({ bytes: wire(tcp), connections: tcp.length, flows: 2 * tcp.length }),
    }
  },
  'the-same-node': ({ world, make }) => {
    const ends = pair(world, true)
    const tcp = make()
    const seen = packetsBoth(tcp)
    return {
      reported: all(hubble(tcp, { ...ends, at: both }), netobserv(tcp, { ...ends, at: ['server'] })),
      truth: edge({ flows: seen, sent: seen, received: seen, bytes: wire(tcp), connections: tcp.length }),
    }
  },
  'sampling-at-the-source-only': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make({ perMinute: 40 })
    const sampled = tcp.filter(({ number }) => number % 10 === 0)
    return {
      reported: all(netobserv(tcp, { ...ends, at: ['server'] }), netobserv(sampled, { ...ends, at: ['client'], weight: 10 })),
      truth: edge({ bytes: wire(tcp), connections: tcp.length, flows: 2 * tcp.length }),
    }
  },
  'ipfix-alone': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make()
    return {
      reported: ipfix(tcp, ends, { exporter: 'router-1' }),
      truth: edge({ bytes: wire(tcp), connections: tcp.length, flows: 2 * tcp.length, sent: 0, received: 0 }),
    }
  },
  'two-routers-on-one-path': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make()
    return {
      reported: all(ipfix(tcp, ends, { exporter: 'router-1' }), ipfix(tcp, ends, { exporter: 'router-2' })),
      truth: edge({ bytes: wire(tcp), connections: tcp.length, flows: 2 * tcp.length }),
    }
  },
  'two-routers-that-share-the-flows': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make()
    const through = (router: number) => tcp.filter(({ clientPort }) => clientPort % 2 === router)
    return {
      reported: all(ipfix(through(0), ends, { exporter: 'router-1' }), ipfix(through(1), ends, { exporter: 'router-2' })),
      truth: edge({ bytes: wire(tcp), connections: tcp.length, flows: 2 * tcp.length }),
    }
  },
  'a-router-and-the-nodes': ({ world, make }) => {
    const ends = pair(world)
    const tcp = make()
    return {
      reported: all(ipfix(tcp, ends, { exporter: 'router-1' }), kernels(tcp, ends)),
      truth: edge({ bytes: wire(tcp), connections: tcp.length, flows: packetsBoth(tcp) }),
    }
  },
  'out-of-the-cluster': ({ world, make }) => {
    const client = world.party('client', 'node-a')
    const tcp = make({ serverPort: 443 })
    const reported = all(kernels(tcp, { client }, ['client']), nothing())
    return { reported, truth: { 'client → outside': { flows: packetsBoth(tcp), bytes: wire(tcp), connections: tcp.length } } }
  },
}

/** Every mode in a namespace of its own name, of exchanges in the ten minutes from `from` on. */
export function makeModes(seed: number, from: number): Map<string, Mode> {
  return new Map(
    Object.entries(modes).map(([name, mode], i) => {
      const world = new World(name, i + 1)
      const make = (options: Partial<ExchangesOptions> = {}) => exchanges({ seed: seed + i, from, minutes: 10, perMinute: 9, ...options })
      return [name, { world, ...mode({ world, make }) }]
    }),
  )
}
