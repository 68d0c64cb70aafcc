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

/** Who made a block. */
export interface Origin {
  /** Whether it was this collector. */
  own: boolean
  collector: string
  /** The agents its records came from, as they were told with `from`, and the reporters of each; of an agent alone, all are its own. */
  peers: Peers
  /** What was told with `silent`. */
  silent: Silent
}

export type Peers = Readonly<Record<string, readonly string[]>>

/** The last time of each reporter of an agent, in microseconds; of files, how many of their bytes were read, by what they are known by. */
export type Silent = Readonly<Record<string, Readonly<Record<string, number>>>>

/** A block published earlier. */
export interface Published extends Origin {
  /** When it was published, in milliseconds. */
  time: number
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
  /** Remembers that the block of this kind that is being filled has records of these reporters, and that this agent sent them. */
  from(kind: KindName, peer: string, reporters: Iterable<string>): void
  /** Remembers in the block of this kind that is being filled where agents were that it has nothing of. */
  silent(kind: KindName, silent: Silent): void
  /** Resolves when no block is full: at once, or when the bus has taken one. */
  ready(): Promise<void>
  /** Resolves when all that was put in so far is durable, which takes no more than the age of a block unless the bus is away. */
  durable(): Promise<void>
  /** Publishes all that is there now and resolves when it is durable. */
  flush(): Promise<void>
  /** Keeps what could not be read, for people to look at. At most 100 a second are kept; all are counted by the caller. */
  deadLetter(letter: DeadLetter): void
  /** What was published in the last `withinMs`, newest first: by this collector, unless others are wanted; up to the first 'stop'. */
  published(kind: KindName, withinMs: number, isWanted?: (origin: Origin, time: number) => boolean | 'stop'): AsyncIterable<Published>
}
