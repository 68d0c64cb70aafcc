/** What a proxy says about the policy that denied. */
export interface Denial {
  /** Empty where no policy allowed it: then that is the reason. */
  namespace: string
  policy: string
  /** Number of the rule within the policy. */
  rule?: number
  reason: 'policy_denied' | 'default_deny'
}

const marker = 'rbac_access_denied_matched_policy['

/**
 * Finds a denial in Envoy's response_code_details or connection_termination_details, as
 * rbac_access_denied_matched_policy[ns[shop]-policy[deny-all]-rule[0]] or [none]. Underscores stand for spaces there.
 */
export function readDenial(details: string): Denial | undefined {
  const start = details.indexOf(marker)
  if (start < 0) return undefined
  return denialBy(details.slice(start + marker.length).replace(/\][^\]]*$/, ''))
}

/** The same by the id of the policy alone, as structured metadata have it; none, or an empty one, when nothing allowed it. */
export function denialBy(id: string): Denial {
  if (id === 'none' || id === '') return { namespace: '', policy: '', reason: 'default_deny' }
  const [, namespace, policy, rule] = /^ns\[(.*?)\]-policy\[(.*?)\](?:-rule\[(\d+)\])?$/.exec(id) ?? []
  if (policy === undefined) return { namespace: '', policy: id, reason: 'policy_denied' }
  return { namespace, policy, rule: rule === undefined ? undefined : Number(rule), reason: 'policy_denied' }
}
