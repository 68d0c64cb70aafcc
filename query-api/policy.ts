import type { RankingName } from '../schema/ranking.ts'
import { viewColumn } from './view.ts'

const policyColumns = ['policy_name', 'policy_namespace', 'policy_kind', 'policy_source']

/** Whether the question is which policy denied: then a view that does not name it takes the name from one that does. */
export const asksForPolicy = (by: readonly string[], names: readonly RankingName[]) =>
  names.includes('denials') && by.some(name => policyColumns.includes(name))

/** Columns needed besides those asked for to tell the policy. */
export const policyFields = (by: readonly string[], names: readonly RankingName[]) => (asksForPolicy(by, names) ? policyColumns : [])

/** The policy that some view of each denial names, as a column of the table of best views. */
export const policyOfEdge = `maxIf((${policyColumns.join(', ')}), ${viewColumn('denials')} >= 1) AS policy`

/** The columns of a row, of which the policy is the one any view of the same denial names where the row itself names none. */
export const withPolicy = `* REPLACE (${policyColumns.map(replaced).join(', ')})`

function replaced(name: string, i: number): string {
  return `if(views.policy_name = '' AND ${viewColumn('denials')} >= 1, policy.${i + 1}, views.${name}) AS ${name}`
}
