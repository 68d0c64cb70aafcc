import type { Dashboard, Panel } from '../panel.ts'

/** Denials over time, by the policy that decided. */
const overTime: Panel = {
  title: 'Denials over time',
  picture: 'bar',
  question: { metrics: ['denials'], by: ['policy_name', 'drop_reason'], every: 'auto', top: 8 },
}

/** Which service wants to reach which. */
const byEnd: Panel = {
  title: 'Who is denied what',
  picture: 'sankey',
  question: { metrics: ['denials'], by: ['src_workload', 'policy_name', 'dst_workload'], top: 20 },
}

/** What policies denied. */
export const policyDrops: Dashboard = { name: 'policy-drops', title: 'Policy drops', panels: [overTime, byEnd] }
