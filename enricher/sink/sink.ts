import type { RecordKind } from '../../schema/record.ts'
import type { Part } from '../batch.ts'

/** Where records end. */
export interface Sink {
  /** Stores the blocks once, however often it is called with the same token. Resolves when they are durable. */
  write(kind: RecordKind, part: Pick<Part, 'rows' | 'blocks' | 'shard'>, token: string): Promise<void>
}
