import { type FlowKey, type PolicyHit, actions } from './key.ts'

/** By the number of goldmane.PolicyKind; 7 and 8 are of Calico 3.30. */
const kindNames: readonly string[] = [
  '',
  'CalicoNetworkPolicy',
  'GlobalNetworkPolicy',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
  'StagedKubernetesNetworkPolicy',
  'NetworkPolicy',
  'AdminNetworkPolicy',
  'BaselineAdminNetworkPolicy',
  'Profile',
  'EndOfTier',
  'ClusterNetworkPolicy',
]
const endOfTier = 10
const profile = 9

/** What the trace of a flow comes to, as fields of a flow. */
export interface Decision {
  verdict: 'forwarded' | 'dropped' | 'audit' | 'unknown'
  policy_kind: string
  policy_namespace: string
  policy_name: string
  policy_source: '' | 'dataplane'
  policy_match: string
  allowed_by: string
  denied_by: string
  drop_reason: string
}

/**
 * Which policy decided. At the end of a tier that is the policy that selected the traffic and had no rule for it. Traffic that is allowed
 * and that staged policies would deny is `audit`, and the policy the staged one.
 */
export function decide({ action, enforced, pending }: FlowKey): Decision {
  const staged = pending.filter(isStaged)
  const isDenied = action === actions.deny
  const verdict = isDenied ? 'dropped' : action === actions.allow ? 'forwarded' : 'unknown'
  const audited = action === actions.allow ? wouldDeny(pending) : undefined
  const hit = audited ?? enforced.findLast(one => one.action === action)
  return {
    verdict: audited ? 'audit' : verdict,
    ...nameOf(hit),
    policy_source: hit ? 'dataplane' : '',
    policy_match: hit && isDefault(hit) ? 'end_of_tier' : '',
    allowed_by: listOf([...enforced, ...staged], actions.allow),
    denied_by: listOf([...enforced, ...staged], actions.deny),
    drop_reason: isDenied ? 'policy_denied' : '',
  }
}

/** The hit with which the staged policies end in a denial, if they do. */
function wouldDeny(pending: readonly PolicyHit[]): PolicyHit | undefined {
  const last = pending.findLast(({ action }) => action !== actions.pass)
  return last?.action === actions.deny && isStaged(last) ? last : undefined
}

const isStaged = ({ kind, trigger }: PolicyHit) => kindName(trigger?.kind ?? kind).startsWith('Staged')

/** No rule matched: the end of a tier, in the words of any version. */
const isDefault = ({ kind, ruleIndex }: PolicyHit) => kind === endOfTier || (ruleIndex < 0 && kind !== profile)

const kindName = (kind: number) => kindNames[kind] ?? String(kind)

/** The end of a tier that nobody triggered has the name of the tier. */
function nameOf(hit: PolicyHit | undefined): Pick<Decision, 'policy_kind' | 'policy_namespace' | 'policy_name'> {
  const { kind, namespace, name, tier } = hit?.trigger ?? hit ?? { kind: 0, namespace: '', name: '', tier: '' }
  return { policy_kind: kindName(kind), policy_namespace: namespace, policy_name: kind === endOfTier && !name ? tier : plain(name) }
}

/** Calico's own name of a NetworkPolicy of Kubernetes says so in front. */
const plain = (name: string) => name.replace(/^knp\.default\./, '')

function listOf(hits: readonly PolicyHit[], action: number): string {
  const names = hits.filter(hit => hit.action === action).map(hit => Object.values(nameOf(hit)).join('/'))
  return [...new Set(names)].join(',')
}
