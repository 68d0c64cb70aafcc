import type { Witness } from '../../../query-api/witnesses.ts'

/** What kinds of agent are called by people. */
const agents: Readonly<Record<string, string>> = {
  hubble: 'Hubble',
  netobserv: 'NetObserv',
  envoy: 'Envoy',
  access_log: 'Access logs',
  otlp: 'OpenTelemetry',
  goldmane: 'Goldmane',
  felix: 'Felix',
  istio_metrics: 'Istio metrics',
  linkerd_metrics: 'Linkerd metrics',
  ipfix: 'IPFIX',
  netflow: 'NetFlow',
  sflow: 'sFlow',
}

const proxies: Readonly<Record<string, string>> = { gateway: 'a gateway', waypoint: 'a waypoint', exporter: 'a router or probe on the way' }
const ends: Readonly<Record<string, string>> = { ingress: 'the destination', egress: 'the source' }

/** An agent in the words of people, and from where it saw an edge. */
export interface Sight {
  who: string
  where: string
  /** What it told. */
  told: 'flow' | 'request'
  records: number
}

/** Who saw an edge, the busiest first; one that saw it at both ends stands once. */
export function sightsOf(seen: readonly Witness[]): Sight[] {
  const groups = Map.groupBy(seen, ({ source, reporter_kind, layer, kind }) =>
    [source, reporter_kind, layer === 'l7_proxy', kind].join(' '),
  )
  return [...groups.values()]
    .map(same => ({
      who: whoOf(same[0]!),
      where: whereOf(same),
      told: same[0]!.kind,
      records: same.reduce((sum, { records }) => sum + records, 0),
    }))
    .sort((a, b) => b.records - a.records)
}

/** Where it is says what it is, of those in between; that a node is one is not worth a word. */
function whoOf({ source, reporter_kind, layer }: Witness): string {
  const name = agents[source] ?? source
  if (reporter_kind === 'ztunnel' || reporter_kind === 'sidecar') return `${name}, ${reporter_kind}`
  return layer === 'l7_proxy' && !proxies[reporter_kind] ? `${name}, proxy` : name
}

function whereOf(same: readonly Witness[]): string {
  const between = proxies[same[0]!.reporter_kind]
  if (between) return `at ${between}`
  const sides = ['egress', 'ingress'].filter(side => same.some(({ direction }) => direction === side))
  if (sides.length === 2) return 'at both ends'
  return sides.length ? `at ${ends[sides[0]!]}` : 'somewhere on the way'
}

interface Passing {
  seen_by: readonly Witness[]
  sent: number
  received: number
}

/**
 * Flows that left one end, those that arrived at the other, and what was lost between. Nothing unless somebody watched both ends: the answers of who is
 * outside arrive as well, and say nothing of what reached it.
 */
export function passedOf({ seen_by: seen, sent, received }: Passing): [name: 'Sent' | 'Received' | 'Lost on the way', flows: number][] {
  const isWatched = ['egress', 'ingress'].every(side => seen.some(({ kind, direction }) => kind === 'flow' && direction === side))
  if (!isWatched || !sent) return []
  return received
    ? [
        ['Sent', sent],
        ['Received', received],
        ['Lost on the way', Math.max(0, sent - received)],
      ]
    : [['Sent', sent]]
}
