import { type MessageShape, shapes } from './shapes.ts'

/** One of the three things OTLP carries that are taken here. */
export interface Signal {
  name: 'traces' | 'logs' | 'metrics'
  /** Of HTTP. */
  path: string
  /** Of gRPC. */
  method: string
  /** What an export is in JSON. */
  shape: MessageShape
  /** Key in JSON of how many items were rejected. */
  rejected: string
}

const signal = (name: Signal['name'], service: string, rejected: string): Signal => ({
  name,
  path: `/v1/${name}`,
  method: `/opentelemetry.proto.collector.${service.toLowerCase()}.v1.${service}Service/Export`,
  shape: shapes.get(`Export${service}ServiceRequest`) as MessageShape,
  rejected,
})

export const signals: readonly Signal[] = [
  signal('traces', 'Trace', 'rejectedSpans'),
  signal('logs', 'Logs', 'rejectedLogRecords'),
  signal('metrics', 'Metrics', 'rejectedDataPoints'),
]
