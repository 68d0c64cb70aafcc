import { setImmediate as turn } from 'node:timers/promises'
import { openBlock } from '../runtime/block/message.ts'
import { Writer } from '../runtime/block/writer.ts'
import type { Assignment, Delivered } from '../runtime/bus/bus.ts'
import type { RecordKind } from '../schema/record.ts'
import { type Batch, type BatchLimits, type Memory, type Part, type StoredBlock, readBatches } from './batch.ts'
import { Repeats } from './repeats.ts'
import type { Sink } from './sink/sink.ts'
import { Draft, type Step } from './step.ts'
import { revision } from './steps/revision.ts'
import { type Tag, isControl, later, tagIn } from './tag.ts'

export interface Pipeline {
  kind: RecordKind
  steps: readonly Step[]
  sink: Sink
  limits?: BatchLimits
  /** Among how many shards the parts are spread. */
  shards?: number
  /** Told of a message that cannot be read; resolves when it is kept elsewhere. */
  unreadable(message: Delivered, error: Error): Promise<void>
  /** Told of a block that came before. */
  repeated(message: Delivered): void
  /** Which rows are to be marked now. Asked where no position says it, as in a partition that was just added. */
  tagged?(signal: AbortSignal): Promise<Tag | undefined>
  /** Waits until what the steps should know of a block is known, or has been waited for long enough. */
  settled?(draft: Draft, arrival: Arrival): Promise<void>
}

/** When a block came to us. */
export interface Arrival {
  /** When it was read off the bus, and before that published, milliseconds since 1970. */
  read: number
  published: number
  /** Aborted when its partition is no longer ours. */
  signal: AbortSignal
}

/**
 * Takes the blocks of a partition off the bus, has every step fill its columns, and stores them. A batch is planned before it is
 * stored and committed after: whoever repeats it repeats the same messages under the same token, which ClickHouse stores once.
 * While one batch is being stored the next is enriched.
 */
export async function enrich(assignment: Assignment, pipeline: Pipeline): Promise<void> {
  const { kind, sink, limits, shards, unreadable, repeated, settled, tagged } = pipeline
  let storing: Promise<void> = Promise.resolve()
  let failure: unknown
  let repeats = new Repeats()
  let tag: Tag | undefined
  /** Of the batch stored last, to write blocks to: clearing new memory is a sixth of what a block costs. */
  let spare: Writer[] = []
  const steps = [...pipeline.steps, revision(() => tag)]

  function remember(memory?: Memory): Memory {
    if (memory) {
      repeats = new Repeats(memory.blocks)
      tag = memory.tag
    }
    return { blocks: repeats.note(), tag }
  }

  async function begin() {
    if (!assignment.committed.metadata) tag = later(tag, await tagged?.(assignment.signal))
  }

  async function take(message: Delivered, read: number): Promise<StoredBlock | undefined> {
    // ClickHouse has days of its own.
    if (message.tombstone) return undefined
    if (isControl(message)) {
      tag = later(tag, tagIn(message))
      return undefined
    }
    if (repeats.has(message.headers)) {
      repeated(message)
      return undefined
    }
    // Blocks that wait on the bus would be enriched without a pause, and the batch before would not be sent meanwhile.
    await turn()
    try {
      const draft = new Draft(kind, openBlock(message))
      await settled?.(draft, { read, published: message.time, signal: assignment.signal })
      return enrichBlock(steps, draft, spare)
    } catch (error) {
      assignment.signal.throwIfAborted()
      await unreadable(message, error as Error)
    }
  }

  async function store(batch: Batch) {
    await batch.plan()
    const { topic, partition } = assignment
    // With the time, because a topic that was deleted and made anew counts from 0 again.
    const token = ({ start, end, time }: Part) => `${topic}:${partition}:${start}-${end}@${time}`
    await Promise.all(batch.parts.map(part => sink.write(kind, part, token(part))))
    await batch.done()
    spare = batch.parts.flatMap(({ blocks }) => blocks.flatMap(({ memory }) => memory ?? []))
  }

  for await (const batch of readBatches(assignment, { take, remember, begin }, { ...limits, shards })) {
    if (failure) throw failure
    if (!batch.parts.length) continue
    await storing
    storing = store(batch)
    storing.catch(error => (failure = error))
  }
}

function enrichBlock(steps: readonly Step[], draft: Draft, spare: Writer[]): StoredBlock {
  for (const step of steps) step.enrich(draft)
  const { block, written } = draft
  if (!written.size) return { rows: block.rows, bytes: block.bytes }
  const memory = spare.pop() ?? new Writer(block.bytes.length * 2)
  memory.reset()
  return { rows: block.rows, bytes: block.with(written, memory), memory }
}
