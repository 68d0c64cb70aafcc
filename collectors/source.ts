import type { Logger } from '../runtime/log.ts'
import type { Instruments } from '../runtime/telemetry.ts'
import type { ObjectLog } from './objects.ts'
import type { Outbox } from './outbox.ts'

/** What a running source is given. */
export interface SourceContext {
  /** Takes records and publishes them as blocks. Awaiting it is the back-pressure. */
  outbox: Outbox
  signal: AbortSignal
  log: Logger
  instruments: Instruments
  /** Says how the source is doing, for readyz and quality. `reason` is why it is not ready. */
  status(status: SourceStatus): void
}

/** What a source is given that tells of objects. */
export interface ObjectSourceContext extends SourceContext {
  objects: ObjectLog
}

export interface SourceStatus {
  ready: boolean
  reason?: string
  /** What the source knows about its agents, shown in quality: version, nodes, flows seen. */
  detail?: unknown
}

/** A kind of agent. Runs until `signal` is aborted; rejects only when it can never work. */
export interface Source<Options, Context extends SourceContext = SourceContext> {
  name: string
  about: string
  /** JSON Schema of its options, the configuration below `collect.<name>`. */
  options: object
  run(options: Options, context: Context): Promise<void>
}
