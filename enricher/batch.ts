import type { Assignment, Delivered } from '../runtime/bus/bus.ts'

export interface StoredBlock {
  rows: number
  bytes: Uint8Array
}

/** The blocks of consecutive messages, stored with one INSERT. */
export interface Batch {
  /** Offset of the first message, and the offset after the last. */
  start: number
  end: number
  rows: number
  blocks: StoredBlock[]
  /** Writes down where the batch ends, so that whoever comes after a crash makes the same batch again. */
  plan(): Promise<void>
  /** Writes down that the batch is stored. */
  done(): Promise<void>
}

export interface BatchLimits {
  maxRows?: number
  maxBytes?: number
  maxWaitMs?: number
}

interface Plan {
  end: number
}

/**
 * The partition as batches: full ones at once, smaller ones after `maxWaitMs`; an empty one when nothing came for that long. What
 * was planned before a crash comes first, exactly as it was planned.
 */
export async function* readBatches(
  assignment: Assignment,
  take: (message: Delivered) => Promise<StoredBlock | undefined>,
  { maxRows = 200_000, maxBytes = 96 << 20, maxWaitMs = 1000 }: BatchLimits = {},
): AsyncGenerator<Batch> {
  let start = assignment.committed.offset
  let planned = readPlan(assignment.committed.metadata)
  const waiting: Delivered[] = []

  /** The next message, or nothing when none came in time. */
  async function next(waitMs: number): Promise<Delivered | undefined> {
    if (!waiting.length) waiting.push(...(await assignment.read({ waitMs })))
    return waiting.shift()
  }

  for (;;) {
    const batch = newBatch(assignment, start)
    const deadline = Date.now() + maxWaitMs
    let bytes = 0
    while (planned ? batch.end < planned.end : batch.rows < maxRows && bytes < maxBytes) {
      const waitMs = planned ? maxWaitMs : deadline - Date.now()
      const message: Delivered | undefined = waitMs > 0 || waiting.length ? await next(Math.max(waitMs, 0)) : undefined
      if (!message && planned) continue
      if (!message) break
      batch.end = message.offset + 1
      const block = await take(message)
      if (!block) continue
      batch.blocks.push(block)
      batch.rows += block.rows
      bytes += block.bytes.length
    }
    planned = undefined
    start = batch.end
    yield batch
  }
}

function newBatch(assignment: Assignment, start: number): Batch {
  const batch: Batch = {
    start,
    end: start,
    rows: 0,
    blocks: [],
    plan: () => assignment.commit({ offset: batch.start, metadata: JSON.stringify({ end: batch.end } satisfies Plan) }),
    done: () => assignment.commit({ offset: batch.end, metadata: '' }),
  }
  return batch
}

/** A note of somebody else's is no plan. */
function readPlan(metadata: string): Plan | undefined {
  if (!metadata) return undefined
  const plan = JSON.parse(metadata) as Partial<Plan>
  return typeof plan.end === 'number' ? { end: plan.end } : undefined
}
