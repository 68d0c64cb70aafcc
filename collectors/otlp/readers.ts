import type { LineReader } from '../access_log/line.ts'
import type { PointTaker } from '../samples/point.ts'
import type { SourceContext } from '../source.ts'

/** Who reads what OTLP carries besides spans. What nobody reads is counted as of an unknown kind. */
export interface Readers {
  /** Access logs, which log records bring. */
  lines?: LineReader
  /** Points of metrics. */
  points?: PointTaker
}

/** Makes the readers of the source of this name: this is where they are named. */
export type OpenReaders = (source: string, context: SourceContext) => Promise<Readers>

export const openReaders: OpenReaders = async () => ({})
