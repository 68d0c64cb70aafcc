import type { Draft } from '../step.ts'
import type { Decided } from './decided.ts'

/** Ports on which a sidecar answers everybody: its health, the metrics it merges, its own metrics. */
const openPorts = new Set([15020, 15021, 15090])

/**
 * By row the policy that demands a certificate of a client that has none: a pod outside the mesh without any identity, or somebody
 * outside the cluster. Nothing where there is no such row.
 */
export function undemonstrated(draft: Draft, src: Decided, dst: Decided): ReadonlyMap<number, string> | undefined {
  const { block, kind } = draft
  const isAsked = kind.name === 'flow' ? isCall(draft, 'protocol') : kind.name === 'request' ? isCall(draft, 'transport') : undefined
  if (!isAsked || !dst.decisions.some(({ standing }) => standing?.demand)) return undefined
  const ids = draft.labels('src_spiffe_id')
  const ports = block.numbers('dst_port')
  const isOutside = outsideBy(draft)
  const unproven = ids.keys.indexOf('')
  const policies = new Map<number, string>()
  for (let row = 0; row < block.rows; row++) {
    const demand = dst.decisions[dst.codes[row]].standing?.demand
    if (!demand || ids.codes[row] !== unproven || openPorts.has(ports[row]) || !isAsked(row)) continue
    const { given, standing } = src.decisions[src.codes[row]]
    const isStranger = standing?.known ? !standing.meshed && !standing.unsure && !standing.candidates.length : isOutside(row)
    const policy = isStranger && !given ? (demand.ports.get(ports[row]) ?? demand.by) : ''
    if (policy) policies.set(row, policy)
  }
  return policies.size ? policies : undefined
}

/** Which rows tell of a client that calls over TCP; sources of requests often do not say over what. */
function isCall(draft: Draft, transport: 'protocol' | 'transport'): (row: number) => boolean {
  const protocols = draft.labels(transport)
  const tcp = protocols.keys.map(key => key === 'tcp' || (transport === 'transport' && key === ''))
  const ways = draft.kind.name === 'flow' ? draft.labels('orientation') : undefined
  const forward = ways?.keys.indexOf('forward')
  const names = draft.kind.name === 'request' ? draft.labels('protocol') : undefined
  const dns = names?.keys.indexOf('dns') ?? -1
  return row => tcp[protocols.codes[row]] && (!ways || ways.codes[row] === forward) && (dns < 0 || names!.codes[row] !== dns)
}

/** Where the kernel saw who is outside. To a proxy it may be told that its client called for another. */
function outsideBy(draft: Draft): (row: number) => boolean {
  const [layers, reasons] = [draft.labels('layer'), draft.labels('src_attribution_reason')]
  const [kernel, outside] = [layers.keys.indexOf('kernel'), reasons.keys.indexOf('outside')]
  return row => layers.codes[row] === kernel && reasons.codes[row] === outside
}
