import type { Dashboard } from '../panel.ts'

/** Traffic, errors, latency and what was denied, of whatever the page is about. */
export const goldenSignals: Dashboard = {
  name: 'golden-signals',
  title: 'Golden signals',
  panels: [
    {
      title: 'Requests',
      picture: 'line',
      names: { requests: 'requests', errors: 'errors' },
      question: { metrics: ['requests', 'errors'], every: 'auto' },
    },
    {
      title: 'Error ratio',
      picture: 'line',
      names: { error_ratio: 'errors per request' },
      question: { metrics: ['error_ratio'], every: 'auto' },
    },
    {
      title: 'Latency',
      picture: 'line',
      names: { latency_p50: 'p50', latency_p95: 'p95', latency_p99: 'p99' },
      question: { metrics: ['latency_p50', 'latency_p95', 'latency_p99'], every: 'auto' },
    },
    { title: 'Connections', picture: 'line', question: { metrics: ['connections'], every: 'auto' } },
    {
      title: 'Drops',
      picture: 'bar',
      names: { drops: 'drops' },
      question: { metrics: ['drops'], by: ['drop_reason'], every: 'auto', top: 8 },
    },
  ],
}
