import type { Block } from '../runtime/block/block.ts'
import type { BlockBuilder } from '../runtime/block/builder.ts'
import type { KindName } from '../schema/record.ts'

/** What could not be read, and why. */
export interface DeadLetter {
  source: string
  reporter?: string
  reason: string
  body: Uint8Array
}

/** A block this collector published earlier. */
export interface Published {
  /** 8 bytes a record, as they were given to the builder. */
  ids: Uint8Array
  minTime: number
  maxTime: number
  block(): Block
}

/** Where a source puts its records. Full or old blocks are published; the bus is the collector's memory of what it has sent. */
export interface Outbox {
  /** The block of this kind that is being filled. Ask again after every await: it may be another one then. */
  block(kind: KindName): BlockBuilder
  /** Resolves when no block is full: at once, or when the bus has taken one. */
  ready(): Promise<void>
  /** Publishes all that is there now and resolves when it is durable. */
  flush(): Promise<void>
  /** Keeps what could not be read, for people to look at. At most 100 a second are kept; all are counted by the caller. */
  deadLetter(letter: DeadLetter): void
  /** What this collector published in the last `withinMs`, newest first. */
  published(kind: KindName, withinMs: number): AsyncIterable<Published>
}
