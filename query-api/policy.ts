import type { RankingName } from '../schema/ranking.ts'
import { viewColumn } from './view.ts'

const policyColumns = ['policy_name', 'policy_namespace', 'policy_kind', 'policy_source']

/** Whether the question is which policy denied: then a view that does not name it takes the name from one that does. */
export const asksForPolicy = (by: readonly string[], names: readonly RankingName[]) =>
  names.includes('denials') && by.some(name => policyColumns.includes(name))

/** Columns needed besides those asked for to tell the policy. */
export const policyFields = (by: readonly string[], names: readonly RankingName[]) => (asksForPolicy(by, names) ? policyColumns : [])

/** The one policy that views of each denial name, as a column of the table of best views; of several it is not known which denied what. */
const counts = `${viewColumn('denials')} >= 1`
const areSeveral = `uniqExactIf((policy_name, policy_namespace), ${counts} AND policy_name != '') > 1`
const nobody = `(${policyColumns.map(() => "''").join(', ')})`
export const policyOfEdge = `if(${areSeveral}, ${nobody}, maxIf((${policyColumns.join(', ')}), ${counts})) AS policy`

/** The columns of a row, of which the policy is the one any view of the same denial names where the row itself names none. */
export const withPolicy = `* REPLACE (${policyColumns.map(replaced).join(', ')})`

function replaced(name: string, i: number): string {
  return `if(views.policy_name = '' AND ${viewColumn('denials')} >= 1, policy.${i + 1}, views.${name}) AS ${name}`
}
