import { type Denial, denialBy } from '../mesh/rbac.ts'
import type { Rbac } from './metadata.ts'
import type { Details, Flags } from './parts.ts'
import { Words } from './words.ts'

/** Columns of a request that say what was decided, in the order of `Decision.request`. */
export const requestDecisionColumns = ['verdict', 'drop_reason', 'policy_kind', 'policy_namespace', 'policy_name', 'policy_source'] as const

/** The same of a flow. */
export const flowDecisionColumns = [...requestDecisionColumns, 'type', 'event', 'allowed_by', 'denied_by'] as const

/** What was decided on a request or a connection, and who did. */
export interface Decision {
  request: Words
  flow: Words
  /** A policy, or what it had asked, refused it here: not what a server answered. */
  denied: boolean
  /** Policies that are not enforced and would have denied it. */
  dryRun: string
}

/** What is decided on: the number is the place where `decide` remembers. */
export const subjects = { request: 0, connection: 1, handshake: 2, blackhole: 3 } as const
export type Subject = (typeof subjects)[keyof typeof subjects]

interface Outcome {
  verdict: 'forwarded' | 'dropped' | 'error' | 'audit'
  reason: string
  policy?: Denial
  source: '' | 'dataplane' | 'log'
  /** A policy, or what it had asked, refused it. */
  denied?: true
}

const maxRemembered = 4096
const kind = 'AuthorizationPolicy'
const customPrefix = 'istio-ext-authz-'

/**
 * What the parts of an entry say together. `handshake` is a connection that broke before it was one, `blackhole` anything to where the mesh
 * lets nobody go.
 */
export function decide(subject: Subject, rbac: Rbac, details: Details, flags: Flags): Decision {
  const known = rbac.decisions[subject]?.get(details)?.get(flags)
  if (known) return known
  const decision = decisionOf(subject, rbac, outcomeOf(subject, rbac, details, flags))
  remember(rbac, subject, details, flags, decision)
  return decision
}

function remember({ decisions }: Rbac, subject: Subject, details: Details, flags: Flags, decision: Decision): void {
  const byDetails = decisions[subject]?.size < maxRemembered ? decisions[subject] : new Map<Details, Map<Flags, Decision>>()
  const byFlags = byDetails.get(details) ?? new Map<Flags, Decision>()
  decisions[subject] = byDetails
  byDetails.set(details, byFlags)
  byFlags.set(flags, decision)
}

function outcomeOf(subject: Subject, rbac: Rbac, details: Details, flags: Flags): Outcome {
  const denied = denialIn(rbac, details)
  if (denied) return denied
  if (details.refused || flags.refused) {
    const policy = rbac.custom === undefined ? undefined : denialBy(rbac.custom.replace(customPrefix, ''))
    return { verdict: 'dropped', reason: details.words.texts[0] || 'ext_authz', policy, source: policy ? 'dataplane' : '', denied: true }
  }
  if (subject === subjects.blackhole) return { verdict: 'dropped', reason: 'blackhole', source: '' }
  const failure = subject === subjects.request ? undefined : failureOf(subject, flags)
  if (failure) return failure
  if (rbac.dryRuns.length) return { verdict: 'audit', reason: '', policy: denialBy(rbac.dryRuns[0]), source: 'dataplane' }
  const allowed = rbac.enforced?.policy ? denialBy(rbac.enforced.policy) : undefined
  return { verdict: 'forwarded', reason: '', policy: allowed, source: allowed ? 'dataplane' : '' }
}

/** Details name the filter that denied; what filters before it decided stands in the metadata, too. */
function denialIn({ enforced }: Rbac, { denial }: Details): Outcome | undefined {
  const policy = denial ?? (enforced?.denied ? denialBy(enforced.policy) : undefined)
  if (!policy) return undefined
  return { verdict: 'dropped', reason: policy.reason, policy, source: enforced?.denied ? 'dataplane' : 'log', denied: true }
}

function failureOf(subject: Subject, flags: Flags): Outcome | undefined {
  if (flags.noRoute) return { verdict: 'dropped', reason: 'no_filter_chain_or_route', source: '' }
  if (subject === subjects.handshake) return { verdict: 'dropped', reason: 'downstream_transport_failure', source: '' }
  return flags.failed ? { verdict: 'error', reason: '', source: '' } : undefined
}

function decisionOf(subject: Subject, rbac: Rbac, outcome: Outcome): Decision {
  const { verdict, reason, policy, source, denied = false } = outcome
  const isNamed = policy !== undefined && policy.policy !== ''
  const named = isNamed ? [kind, policy.namespace, policy.policy] : [policy ? kind : '', '', '']
  const said = [verdict, reason, ...named, source]
  const full = isNamed ? named.join('/') : ''
  const [type, event] =
    subject === subjects.request ? ['l7', 'l7'] : ['l3_l4', denied ? 'policy_verdict' : subject === subjects.blackhole ? 'drop' : 'unknown']
  return {
    request: new Words(...said),
    flow: new Words(...said, type, event, verdict === 'forwarded' ? full : '', denied ? full : ''),
    denied,
    dryRun: rbac.dryRuns
      .map(id => denialBy(id))
      .map(({ namespace, policy }) => (policy ? `${namespace}/${policy}` : 'none'))
      .join(','),
  }
}
