import type { RankingName } from '../schema/ranking.ts'
import { partitionSql, viewColumn } from './view.ts'

const policyColumns = ['policy_name', 'policy_namespace', 'policy_kind', 'policy_source']

/** Whether the question is which policy denied: then a view that does not name it takes the name from one that does. */
export const asksForPolicy = (by: readonly string[], names: readonly RankingName[]) =>
  names.includes('denials') && by.some(name => policyColumns.includes(name))

/** Columns needed besides those asked for to tell the policy. */
export const policyFields = (by: readonly string[], names: readonly RankingName[]) => (asksForPolicy(by, names) ? policyColumns : [])

/** The column of a dimension; of a policy, as any view of the same denial names it. */
export function dimensionSql(name: string, by: readonly string[], names: readonly RankingName[]): string {
  if (!policyColumns.includes(name) || !asksForPolicy(by, names)) return name
  const denied = `${viewColumn('denials')}.1 > 0`
  const policy = `(${policyColumns.map(column => `views.${column}`).join(', ')})`
  const named = `maxIf(${policy}, ${denied}) OVER (PARTITION BY ${partitionSql('denials')}).${policyColumns.indexOf(name) + 1}`
  return `if(views.policy_name = '' AND ${denied}, ${named}, views.${name}) AS ${name}`
}
