import { type KindName } from './record.ts'

/** Values of one view: the record has one of them in each field named. */
export type ViewPattern = Readonly<Partial<Record<ViewField, readonly string[]>>>

/** What views are chosen by. `event`, `observation_point` and the port are looked at of flows only. */
export type ViewField = 'source' | 'reporter_kind' | 'layer' | 'direction' | 'event' | 'observation_point' | 'server_port'

/** Which of several accounts of the same traffic counts. */
export interface Ranking {
  kind: KindName
  /** One sentence for the catalogue. */
  about: string
  /** SQL conditions on what may count at all. */
  among: readonly string[]
  /** From the best on; a view that none fits ranks below them all. */
  order: readonly ViewPattern[]
  /**
   * Views that rank below them all, and count only where no better view tells of the same two workloads, in any edge and within a minute:
   * what is added up from metrics knows no ports and no names of what is outside, and comes with the next scrape; packets of a tunnel are
   * those of other conversations, on another port.
   */
  last?: readonly ViewPattern[]
  /** SQL expressions by which records of one edge are ranked apart, because they are never of the same packet. */
  apart?: readonly string[]
}

/** Entities that are all a node: which one its own agent and the others name differs. */
export const nodeEntities = ['host', 'remote-node', 'kube-apiserver'] as const

const endFields = ['cluster', 'namespace', 'workload', 'entity', 'network']

const bothEnds = endFields.flatMap(name => [`src_${name}`, `dst_${name}`])

/**
 * What two views must agree on to be views of the same traffic. Of requests not the port: one proxy tells the service's, another the pod's,
 * metrics tell none (docs/decisions/0008-requests-have-no-port-to-agree-on.md).
 */
export const edgeFields: Readonly<Record<'flow' | 'request', readonly string[]>> = {
  flow: [...bothEnds, 'server_port', 'protocol', 'orientation'],
  request: [...bothEnds, 'protocol'],
}

/** SQL of a number that records of one edge share. */
export const edgeNumber = (kind: 'flow' | 'request') => `cityHash64(${edgeFields[kind].map(edgeField).join(', ')})`

/**
 * Where one reporter says more than another what both mean: the cluster of an end is the reporter's own, and outside is where no end is named.
 * An end whose workload nobody knows has the name of its service, which is what a proxy calls, or of its service account, which is what a
 * certificate names (docs/decisions/0012-a-name-where-no-workload-is-known.md).
 */
export function edgeField(name: string): string {
  const end = name.slice(0, 3)
  if (name.endsWith('_workload'))
    return `multiIf(${name} != '', ${name}, ${end}_service != '', ${serviceName(end)}, ${end}_service_account)`
  if (name.endsWith('_namespace')) return `if(${name} = '', ${serviceNamespace(end)}, ${name})`
  if (name.endsWith('_cluster')) return `if(${name} = '', cluster, ${name})`
  if (!name.endsWith('_entity')) return name
  return `multiIf(${name} IN (${nodeEntities.map(entity => `'${entity}'`).join(', ')}), 'node', ${name} = 'world', '', ${name})`
}

/** SQL of the name of an end's service, which is told as namespace/name, or by its name alone. */
export const serviceName = (end: string) => `splitByChar('/', ${end}_service)[-1]`
const serviceNamespace = (end: string) => `if(position(${end}_service, '/') > 0, splitByChar('/', ${end}_service)[1], '')`

const placeFields = ['cluster', 'namespace', 'workload'].flatMap(name => [`src_${name}`, `dst_${name}`])

/** SQL of a number that records between the same two workloads share; gRPC is HTTP to those who do not look for it. */
export const placeNumber = `cityHash64(${placeFields.map(edgeField).join(', ')}, if(protocol = 'grpc', 'http', protocol))`

/** Sources of what is added up from metrics. */
export const metricSources = ['istio_metrics', 'linkerd_metrics'] as const

/** Fields that make edges finer when one asks by them. */
export const finerEdgeFields = ['src_pod', 'dst_pod'] as const

export const viewFields: Readonly<Record<'flow' | 'request', readonly Exclude<ViewField, 'server_port'>[]>> = {
  flow: ['source', 'reporter_kind', 'layer', 'direction', 'event', 'observation_point'],
  request: ['source', 'reporter_kind', 'layer', 'direction'],
}

/**
 * SQL of a number that the records of one view share. Who accounts for whole conversations tells in one account what was let through and what
 * was not; exporters on the way are one view, of which each has its share (docs/decisions/0017-two-routers-on-one-path.md).
 */
export function viewNumber(kind: 'flow' | 'request'): string {
  if (kind === 'request') return `cityHash64(${viewFields.request.join(', ')})`
  const [who, what] = ["if(exporter = '', cityHash64(source, direction), 0)", "if(layer = 'kernel', cityHash64(event), 0)"]
  return `cityHash64(reporter_kind, layer, observation_point, ${who}, ${what})`
}

/** SQL of a number of who tells in the view of exporters: a router may tell of packets where they come in, and again where they go out. */
export const teller = 'cityHash64(exporter, source, direction)'

/** Rankings in which exporters have shares. */
export const sharedRankings: readonly string[] = ['traffic', 'volume']

/** Of a source that tells addresses only, an end with a service and no workload is the address of the service. */
const addressedOnly = "(source = 'netobserv' OR layer = 'exporter')"

/**
 * Packets still addressed to a service, as a source says that knows no more of an end; what the enricher finds out by the address is in
 * `before_translation`. A proxy sees none of these.
 */
const untranslated = ['src', 'dst']
  .map(
    end =>
      `(layer NOT IN ('l4_proxy', 'l7_proxy') AND ${end}_service != '' AND ${end}_workload = '' AND ${end}_entity IN ('', 'world') AND (${end}_namespace = '' OR ${addressedOnly}))`,
  )
  .join(' OR ')
const notSocket = "type != 'sock'"
const countable = [notSocket, "event != 'trace_sock'", 'NOT before_translation', `NOT (${untranslated})`] as const

/** Where a packet leaves a node. */
const leaving = ['to_network', 'to_overlay', 'to_stack'] as const

/** Accounts of whole conversations, which know of no events: who is nearer to the ends before who is farther, the destination before the source. */
const accounts: readonly ViewPattern[] = [
  ...['l4_proxy', 'kernel', 'l7_proxy'].flatMap(layer => [
    { layer: [layer], direction: ['ingress'] },
    { layer: [layer], direction: ['egress'] },
    { layer: [layer] },
  ]),
  { layer: ['exporter'] },
]

/** The destination before what is between before the source, as for logs. */
const ofMetrics: readonly ViewPattern[] = [
  { source: metricSources, direction: ['ingress'] },
  { source: metricSources, direction: ['unknown'] },
  { source: metricSources },
]
const notOfMetrics = `source NOT IN (${metricSources.map(name => `'${name}'`).join(', ')})`

/** Port of the tunnels between ztunnels (HBONE). */
const tunnelPort = '15008'

/** Packets of a tunnel, as the nodes and what is on the way see them, in the order of those that are of none. */
const ofTunnels = [
  { layer: ['kernel'], server_port: [tunnelPort], event: ['trace'], direction: ['ingress'], observation_point: ['to_endpoint'] },
  { layer: ['kernel'], server_port: [tunnelPort], direction: ['ingress'], observation_point: leaving },
  { layer: ['kernel'], server_port: [tunnelPort], direction: ['ingress'] },
  { layer: ['kernel'], server_port: [tunnelPort], direction: ['egress'], observation_point: leaving },
  { layer: ['kernel'], server_port: [tunnelPort], direction: ['egress'] },
  { layer: ['kernel', 'exporter'], server_port: [tunnelPort] },
] as const

const traffic: readonly ViewPattern[] = [
  ...[['to_endpoint'], leaving, ['from_endpoint']].map(observation_point => ({
    event: ['trace'],
    direction: ['ingress'],
    observation_point,
  })),
  { event: ['trace'], direction: ['ingress'] },
  ...[leaving, ['to_endpoint'], ['from_endpoint']].map(observation_point => ({
    event: ['trace'],
    direction: ['egress'],
    observation_point,
  })),
  { event: ['trace'], direction: ['egress'] },
  { event: ['trace'] },
  { layer: ['kernel'], event: ['policy_verdict'], direction: ['ingress'] },
  { layer: ['kernel'], event: ['policy_verdict'], direction: ['egress'] },
  ...accounts,
]

/** Reasons of drops that a policy decided, in lower case. */
export const policyReasons = [
  'policy_denied',
  'policy denied',
  'policy_deny',
  'policy denied by denylist',
  'auth_required',
  'authentication required',
] as const

const dropped = [notSocket, "verdict = 'dropped'"] as const
const atSender = "direction = if(orientation = 'reply', 'ingress', 'egress')"
const atReceiver = "direction = if(orientation = 'reply', 'egress', 'ingress')"
const isDelivery = "event = 'trace' AND observation_point = 'to_endpoint'"
const forwarded = ["event NOT IN ('drop', 'l7')", "verdict != 'dropped'"] as const
const policyDenied = `lower(drop_reason) IN (${policyReasons.map(reason => `'${reason}'`).join(', ')})`

/**
 * Requests of which the client's proxy alone can tell, by the flags of Envoy: no healthy server, connection failed, overflow, no route, no
 * cluster. What reached the server is not among them.
 */
const unreached = "layer = 'l7_proxy' AND direction = 'egress' AND match(response_flags, '(^|,)(UH|UF|UO|NR|NC)(,|$)')"

export const rankings = {
  traffic: {
    kind: 'flow',
    about:
      'Counted once: of the views of an edge in an interval, the delivery to the destination counts, else another trace there, ' +
      'else a trace at the source, else policy verdicts, else whole conversations as a proxy or exporter accounts for them. Socket translations and packets before service translation never count, ' +
      'and packets of a tunnel only where nobody tells what is in it.',
    among: countable,
    order: traffic,
    last: [...ofMetrics, ...ofTunnels],
  },
  volume: {
    kind: 'flow',
    about:
      'Counted once, among the views that count bytes or packets: an L4 proxy before kernel counters before exporters, ' +
      'and the destination before the source.',
    among: [...countable, '(bytes > 0 OR packets > 0)'],
    order: accounts,
    last: [...ofMetrics, ...ofTunnels],
  },
  sent: {
    kind: 'flow',
    about:
      'Counted once, at the sending end only: where packets left it, before any other point there. ' +
      'Of packets that stay on a node, which leave nothing, the delivery is as good.',
    among: [...countable, notOfMetrics, ...forwarded, "layer != 'exporter'", `(${atSender} OR within_node AND ${isDelivery})`],
    order: [
      { event: ['trace'], observation_point: leaving },
      { event: ['trace'], observation_point: ['from_endpoint'] },
      { event: ['trace'], observation_point: ['to_endpoint'] },
      { event: ['trace'] },
      { event: ['policy_verdict'] },
    ],
    apart: ['within_node'],
  },
  received: {
    kind: 'flow',
    about: 'Counted once, at the receiving end only: the delivery to it, before any other point there.',
    among: [...countable, notOfMetrics, ...forwarded, "layer != 'exporter'", atReceiver],
    order: [{ event: ['trace'], observation_point: ['to_endpoint'] }, { event: ['trace'] }, { event: ['policy_verdict'] }],
  },
  drops: {
    kind: 'flow',
    about:
      'Counted once: where the drop itself was reported, the policy verdict of the same packet does not count again. ' +
      'Drops at either end, and denials of an L7 proxy, are different packets.',
    among: dropped,
    order: [{ event: ['drop'] }, { event: ['policy_verdict'] }],
    last: ofMetrics,
    apart: ["event = 'l7'", 'direction'],
  },
  denials: {
    kind: 'flow',
    about:
      'Counted once per edge and reason: the policy verdict and the drop of one packet are one denial. ' +
      'Its policy is the one either of them names.',
    among: [...dropped, `(event IN ('policy_verdict', 'l7') OR ${policyDenied})`],
    order: [{ event: ['drop'] }, { event: ['policy_verdict'] }],
    last: ofMetrics,
    apart: ["multiIf(event = 'l7', 'l7', drop_reason = '', 'policy_denied', lower(drop_reason))", 'direction'],
  },
  requests: {
    kind: 'request',
    about:
      'Counted once: as the proxy of the destination reports it, else a waypoint, else the proxy of the source, else the kernel; ' +
      'logs before what is added up from metrics. What the proxy of the source found no server for counts beside what reached one.',
    among: [],
    order: [
      { layer: ['l7_proxy'], direction: ['ingress'], reporter_kind: ['', 'sidecar', 'gateway', 'node', 'application'] },
      { layer: ['l7_proxy'], reporter_kind: ['waypoint'] },
      { layer: ['l7_proxy'], direction: ['unknown'] },
      { layer: ['l7_proxy'], direction: ['egress'] },
      ...['ingress', 'unknown', 'egress'].map(direction => ({ layer: ['kernel'], direction: [direction] })),
    ],
    last: ofMetrics,
    apart: [unreached],
  },
} as const satisfies Record<string, Ranking>

export type RankingName = keyof typeof rankings
