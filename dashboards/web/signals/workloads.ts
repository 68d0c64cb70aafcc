/** Golden signals of every workload as a server, as rows of a table. */
import type { SignalsAnswer } from '../../../query-api/signals.ts'

export interface WorkloadSignals {
  id: string
  namespace: string
  workload: string
  requests: number | null
  error_ratio: number | null
  latency_p50: number | null
  latency_p95: number | null
  latency_p99: number | null
  connections: number | null
  drops: number | null
  trend: readonly (number | null)[]
}

/** Rows of what is in the cluster; counts become rates. */
export function workloadsOf({ rows, times, meta }: SignalsAnswer, seconds: number): WorkloadSignals[] {
  const complete = <T>(series: readonly T[]) => series.filter((_, at) => !meta.partial.includes(times[at]!))
  return rows
    .filter(({ target }) => target.namespace)
    .map(({ target, metrics, series }) => ({
      id: target.id,
      namespace: target.namespace,
      workload: target.name,
      requests: rate(metrics.requests, seconds),
      error_ratio: metrics.error_ratio,
      latency_p50: metrics.latency_p50,
      latency_p95: metrics.latency_p95,
      latency_p99: metrics.latency_p99,
      connections: rate(metrics.connections, seconds),
      drops: metrics.drops || null,
      trend: complete(series.requests.some(Boolean) ? series.requests : series.flows),
    }))
}

const rate = (count: number | null, seconds: number) => (count ? count / seconds : null)
