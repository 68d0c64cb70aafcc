import type { LineReader } from '../access_log/line.ts'
import { openLineReader } from '../access_log/reader.ts'
import { openSamples } from '../samples/intake.ts'
import type { SamplesOptions } from '../samples/options.ts'
import type { PointTaker } from '../samples/point.ts'
import type { SourceContext } from '../source.ts'

/** Who reads what OTLP carries besides spans. What nobody reads is counted as of an unknown kind. */
export interface Readers {
  /** Access logs, which log records bring. */
  lines?: Pick<LineReader, 'take'>
  /** Points of metrics. */
  points?: PointTaker
}

export interface ReaderOptions {
  /** Name of the source. */
  source: string
  metrics?: SamplesOptions
}

/** Makes the readers: this is where they are named. */
export async function openReaders({ source, metrics }: ReaderOptions, { outbox, instruments }: SourceContext): Promise<Readers> {
  return { lines: openLineReader({}, outbox, instruments), points: await openSamples({ ...metrics, outbox, source, instruments }) }
}
