import type { Labels } from './pod.ts'

/** metav1.LabelSelector. */
export interface LabelSelector {
  matchLabels?: Readonly<Record<string, string>>
  matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[]
}

/** Whether labels satisfy a selector; an absent or empty one selects all. An operator that Kubernetes does not have selects nothing. */
export function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels.get(key) === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => isMet(operator, labels.get(key), values))
  )
}

function isMet(operator: string, value: string | undefined, values: readonly string[]): boolean {
  if (operator === 'In') return value !== undefined && values.includes(value)
  if (operator === 'NotIn') return value === undefined || !values.includes(value)
  if (operator === 'Exists') return value !== undefined
  return operator === 'DoesNotExist' && value === undefined
}

export const isEmpty = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}) =>
  !Object.keys(matchLabels).length && !matchExpressions.length
