import type { BlockBuilder } from '../runtime/block/builder.ts'
import type { KindName } from '../schema/record.ts'

/** Where a source puts its records. Full or old blocks are published; nothing is acknowledged that is not durable on the bus. */
export interface Outbox {
  /** The block of this kind that is being filled. Ask again after `flushed` or `add`: it may be another one then. */
  block(kind: KindName): BlockBuilder
  /** Resolves when there is room for more: at once, or when the bus has taken a full block. */
  ready(): Promise<void>
  /** Publishes everything now. */
  flush(): Promise<void>
}
