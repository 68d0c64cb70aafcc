import type { Edge } from './edges.ts'
import type { FlowEvent, L7 } from './event.ts'
import { Flags, Phase, Protocol } from './hubble-numbers.ts'
import type { Party } from './party.ts'
import { type Policy, clientPolicies, clusterEgress, dnsForAll, gatewayOpen, reportEgress } from './policies.ts'
import type { Random } from './random.ts'
import { browsers, httpRequest, kafkaRequest, statusOf } from './requests.ts'
import { type Scene, coredns, world } from './scene.ts'
import { services } from './services.ts'
import { workload } from './shop.ts'
import { type Call, answerTo, exchange, opening, passing, socketTranslation } from './talk.ts'

/** No conversation of a tick lasts longer, so that all of it lies within the tick. */
export const longestTalk = 850_000

/** What a dialogue needs to know of the moment. */
export interface Moment {
  events: FlowEvent[]
  random: Random
  scene: Scene
  /** Beginning of the second. */
  start: number
  load: number
}

/** Share of calls for which a connection is opened; the others use one that is open. */
const newConnections = 0.22

export const ephemeral = (random: Random) => 32_768 + random.below(28_000)

/** A pod's call to another, allowed by the policies there are. */
export function callBetween(client: Party, server: Party, random: Random, proxied: boolean): Call {
  const name = server.workload?.name ?? ''
  return {
    client,
    server,
    protocol: Protocol.tcp,
    clientPort: ephemeral(random),
    serverPort: server.workload?.port ?? 0,
    egress: client.workload?.namespace === 'batch' ? reportEgress : clusterEgress,
    ingress: clientPolicies.get(name),
    proxyPort: proxied ? 10_000 + (server.pod?.endpoint ?? 0) : 0,
  }
}

/** How long it takes: skewed around the typical time, more under load. At least 0.2 ms, at most what a tick holds. */
const latencyOf = ({ random, load }: Moment, typical: number) =>
  Math.floor(Math.min(longestTalk - 20_000, Math.max(200, random.skewed(typical * (0.45 + 0.55 * load * load), 0.45))))

/** Begins a talk of that length at a moment that leaves room for all of it. */
const beginning = ({ random, start }: Moment, length: number) => start + random.below(1_000_000 - length - 2_000)

/** checkout v2 breaks its calls to payment, and nothing else. */
const isBroken = (client: Party, edge: Edge) => edge.server === 'payment' && edge.client === 'checkout' && client.pod?.version === 'v2'

/** One conversation along the edge; none when one of the ends has no replica just then. */
export function talk(moment: Moment, edge: Edge): void {
  const { scene, random } = moment
  const guess = latencyOf(moment, edge.latency)
  const longest = edge.client === 'checkout' ? longestTalk : guess
  const at = beginning(moment, longest)
  const client = scene.replica(workload(edge.client), random, at, at + longest + 1_500)
  const server = scene.replica(workload(edge.server), random, at, at + longest + 1_500)
  if (!client || !server) return
  const broken = isBroken(client, edge)
  const latency = broken ? Math.min(longestTalk - 20_000, guess * 9 + 120_000) : guess
  const call = callBetween(client, server, random, edge.dialogue !== 'tcp')
  const begun = connect(moment, call, at)
  if (edge.dialogue === 'tcp')
    return passing(moment.events, call, begun + latency, Flags.ack | (random.chance(0.3) ? Flags.fin : Flags.psh))
  const asked = edge.dialogue === 'http' ? httpRequest(random, edge.requests, server.label) : kafkaRequest(random, edge.requests)
  const failed = random.chance(broken ? 0.38 : edge.errors)
  const answer = answerTo(asked, statusOf(asked, failed, random), latency)
  if (edge.seenAtClient) exchange(moment.events, call, 'client', { asked, answer, at: begun, answeredAt: begun + latency + 300 })
  exchange(moment.events, call, 'server', { asked, answer, at: begun + 150, answeredAt: begun + 150 + latency })
}

/** Opens a connection for some calls. Returns when the call goes on. */
function connect({ events, random }: Moment, call: Call, at: number): number {
  if (!random.chance(newConnections)) return at
  if (random.chance(0.5)) socketTranslation(events, call, at, random)
  return opening(events, call, at + 6)
}

const shopPages = [
  ['GET', '/'],
  ['GET', '/product/{}'],
  ['GET', '/static/app.js'],
  ['POST', '/checkout'],
] as const

/** A customer's request, from somewhere in the world. */
export function visit(moment: Moment): void {
  const { scene, random, events } = moment
  const latency = latencyOf(moment, 52_000)
  const at = beginning(moment, latency)
  const server = scene.replica(workload('ingress-gateway'), random, at, at + latency + 1_500)
  if (!server) return
  const client = random.pick(world.customers)
  const call = { ...callBetween(client, server, random, true), egress: undefined, ingress: gatewayOpen }
  const begun = random.chance(0.5) ? opening(events, call, at) : at
  const asked = { ...httpRequest(random, shopPages, server.label), userAgent: random.pick(browsers) }
  asked.url = asked.url.replace(/^http:\/\/[^/]*/, 'https://shop.example')
  const answer = answerTo(asked, statusOf(asked, random.chance(0.003), random), latency)
  exchange(events, call, 'server', { asked, answer, at: begun + 200, answeredAt: begun + 200 + latency })
}

const outsideNames = [world.stripe, world.objectStore].map(({ address }, index) => ({
  query: ['api.stripe.com.', 's3.eu-central-1.amazonaws.com.'][index],
  address,
}))
const names = [
  ...services.map(({ name, namespace, address }) => ({ query: `${name}.${namespace}.svc.cluster.local.`, address })),
  ...outsideNames,
]

/** A pod asks for a name; the search path makes some of the questions vain. */
export function lookup(moment: Moment): void {
  const { scene, random, events } = moment
  const latency = latencyOf(moment, 1_400)
  const at = beginning(moment, latency)
  const client = scene.anyPod(random, at, at + latency + 1_500)
  const server = scene.replica(coredns, random, at, at + latency + 1_500)
  if (!client || !server || client.workload === coredns) return
  const call: Call = { ...callBetween(client, server, random, false), protocol: Protocol.udp, egress: dnsForAll }
  const { query, address } = random.pick(names)
  const vain = random.chance(0.12)
  const searched = vain ? `${query.slice(0, -1)}.${client.workload?.namespace}.svc.cluster.local.` : query
  const queryType = random.chance(0.75) ? 'A' : 'AAAA'
  const asked: L7 = { protocol: 'dns', phase: Phase.request, latencyNs: 0, query: searched, queryType, status: 0, addresses: [], ttl: 0 }
  const found = !vain && queryType === 'A'
  const answer = { ...answerTo(asked, vain ? 3 : 0, latency), addresses: found ? [address] : [], ttl: found ? 30 : 0 }
  exchange(events, call, 'client', { asked, answer, at, answeredAt: at + latency })
}

/** A call to the world outside, which sees the address of the node. */
export function callOutside(moment: Moment, from: string, to: Party, egress: Policy): void {
  const { scene, random, events } = moment
  const latency = latencyOf(moment, 110_000)
  const at = beginning(moment, latency)
  const client = scene.replica(workload(from), random, at, at + latency + 1_500)
  if (!client) return
  const call: Call = { ...callBetween(client, to, random, false), serverPort: 443, egress, ingress: undefined }
  passing(events, call, opening(events, call, at) + latency, Flags.ack | Flags.fin)
}
