import type { Panel } from '../panel.ts'

/** Denials over time, by the policy that decided. */
export const denialsOverTime: Panel = {
  title: 'Denials over time',
  picture: 'bar',
  question: { metrics: ['denials'], by: ['policy_name', 'drop_reason'], every: 'auto', top: 8 },
}

/** Which service wants to reach which. */
export const denialsByEnd: Panel = {
  title: 'Who is denied what',
  picture: 'sankey',
  question: { metrics: ['denials'], by: ['src_workload', 'policy_name', 'dst_workload'], top: 20 },
}
