/** As Cilium and as Envoy say it. */
const isDefaultDeny = (reason: string) => /^(policy[_ ]denied|default_deny)$/i.test(reason)

export interface Policy {
  kind: string
  namespace: string
  name: string
}

/** The policy of a denial, or what it means that none is named. */
export function policyWords({ kind, namespace, name }: Policy, reason: string): string {
  if (name) return [kind, namespace, name].filter(Boolean).join(' / ')
  return isDefaultDeny(reason) ? 'No policy allowed it (default deny)' : 'No policy is named'
}

/** The policy in a word, for where there is little room. */
export const policyWord = ({ name }: Policy, reason: string) => name || (isDefaultDeny(reason) ? 'default deny' : 'no policy named')

/** The policy a record names. */
export const policyOf = (row: Readonly<Record<string, unknown>>): Policy => {
  const text = (name: string) => String(row[`policy_${name}`] ?? '')
  return { kind: text('kind'), namespace: text('namespace'), name: text('name') }
}
