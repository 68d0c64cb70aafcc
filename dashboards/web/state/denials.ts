import type { Denial } from '../../../query-api/denials.ts'
import { both, is } from './filter.ts'
import type { MapNode } from '../map/graph.ts'
import { endIs } from '../map/graph.ts'
import { policyWords } from './policy.ts'

/** A denial as a row of the table. */
export interface DenialRow {
  id: string
  src: string
  dst: string
  port: string
  policy: string
  reason: string
  count: number
  first: number
  last: number
  series: readonly number[]
  /** Conditions of the ends, and of the whole. */
  srcIs: string
  dstIs: string
  condition: string
}

export function denialRow({ source, target, policy, reason, ...denial }: Denial): DenialRow {
  const nodeOf = (end: Denial['source']): MapNode => ({ id: end.id, name: end.name, group: end.namespace, kind: end.kind, end })
  const [srcIs, dstIs] = [endIs(nodeOf(source), 'src'), endIs(nodeOf(target), 'dst')]
  const words = ({ namespace, name, kind }: Denial['source']) => (namespace && kind !== 'namespace' ? `${namespace} / ${name}` : name)
  return {
    id: denial.id,
    src: words(source),
    dst: words(target),
    port: `${denial.protocol}/${denial.port}`,
    policy: policyWords(policy, reason),
    reason: denial.event === 'l7' ? `${reason || 'denied'} (by the proxy)` : reason,
    count: denial.count,
    first: Date.parse(denial.first_seen),
    last: Date.parse(denial.last_seen),
    series: denial.series,
    srcIs,
    dstIs,
    condition: both(srcIs, dstIs, is('server_port', denial.port))!,
  }
}
