import type { Dashboard } from '../panel.ts'

/** What the side panel of the map shows of a selection. */
export const selection: Dashboard = {
  name: 'selection',
  title: 'Selection',
  panels: [
    { title: 'Requests and errors', picture: 'line', question: { metrics: ['requests', 'errors'], every: 'auto' } },
    {
      title: 'Latency',
      picture: 'line',
      names: { latency_p50: 'p50', latency_p95: 'p95', latency_p99: 'p99' },
      question: { metrics: ['latency_p50', 'latency_p95', 'latency_p99'], every: 'auto' },
    },
    { title: 'Connections', picture: 'line', question: { metrics: ['connections'], every: 'auto', where: "orientation != 'reply'" } },
    { title: 'Denials', picture: 'bar', question: { metrics: ['denials'], every: 'auto' } },
  ],
}
