import type { Drift, DriftAnswer } from '../../../query-api/drift.ts'
import { type MapNode, endIs } from '../map/graph.ts'
import { both, is } from './filter.ts'

/** What is wrong, in words, and how it looks. */
const mistakes: Readonly<Record<string, { words: string; about: string; tone: string }>> = {
  differs: { words: 'belongs to another', about: 'The certificate is not one the pod at this address may have.', tone: 'error' },
  revoked: { words: 'revoked', about: 'The entry that gave this identity was removed before.', tone: 'error' },
  expired: { words: 'expired', about: 'The entry that gave this identity has expired.', tone: 'warning' },
  unknown_trust_domain: { words: 'unknown trust domain', about: 'Its trust domain is neither ours nor federated with it.', tone: 'error' },
  missing: { words: 'no certificate', about: 'The server demands a certificate, and the client has no identity.', tone: 'warning' },
}

/** An identity that is not what it should be, as a row of the table. */
export interface DriftRow {
  id: string
  kind: Drift['kind']
  check: string
  words: string
  about: string
  tone: string
  end: Drift['end']
  client: string
  server: string
  clientIs: string
  serverIs: string
  port: number
  seen: string
  expected: readonly string[]
  count: number
  first: number
  last: number
  /** The newest record of it, and the condition that lets it and its like through. */
  record: Drift['record']
  condition: string
}

export function driftRow({ client, server, check, first_seen, last_seen, ...drift }: Drift): DriftRow {
  const nodeOf = (end: Drift['client']): MapNode => ({ id: end.id, name: end.name, group: end.namespace, kind: end.kind, end })
  const words = ({ namespace, name, kind }: Drift['client']) => (namespace && kind !== 'namespace' ? `${namespace} / ${name}` : name)
  const wrong = (side: 'src' | 'dst') => is(`${side}_identity_check`, check)
  return {
    ...drift,
    check,
    ...(mistakes[check] ?? { words: check, about: '', tone: '' }),
    client: words(client),
    server: words(server),
    clientIs: endIs(nodeOf(client), 'src'),
    serverIs: endIs(nodeOf(server), 'dst'),
    first: Date.parse(first_seen),
    last: Date.parse(last_seen),
    // The ends of an answer are the other way round.
    condition: both(`${wrong('src')} OR ${wrong('dst')}`, is('server_port', drift.port))!,
  }
}

/** How many identities were checked, and how many of them were in order. */
export function totals(checks: DriftAnswer['checks']): { checked: number; agrees: number } {
  const sum = (all: DriftAnswer['checks']) => all.reduce((total, { count }) => total + count, 0)
  return { checked: sum(checks), agrees: sum(checks.filter(({ check }) => check === 'agrees')) }
}
