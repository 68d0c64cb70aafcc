import type { Writer } from '../runtime/block/writer.ts'
import type { Assignment, Delivered } from '../runtime/bus/bus.ts'
import { manyRecords } from '../schema/record.ts'
import type { Tag } from './tag.ts'

export interface StoredBlock {
  rows: number
  bytes: Uint8Array
  /** What the bytes are a view of, where another block may be written to it once this one is stored. */
  memory?: Writer
}

/** The blocks of consecutive messages, stored with one INSERT. */
export interface Part {
  /** Offset of the first message, and the offset after the last. */
  start: number
  end: number
  /** When the first message was published. */
  time: number
  rows: number
  blocks: StoredBlock[]
  /** The share of the rows it belongs to, counted from 0. */
  shard: number
}

/** Parts that are stored side by side and committed together. */
export interface Batch {
  parts: Part[]
  /** Writes down where each part ends, so that whoever comes after a crash makes the same parts again. */
  plan(): Promise<void>
  /** Writes down that the batch is stored. */
  done(): Promise<void>
}

/** What the reader of a partition has to know to go on from a position, so that it does as who read it before. */
export interface Memory {
  /** Which blocks came last. */
  blocks?: string
  /** Which rows it marks. */
  tag?: Tag
}

/** Who looks into the messages of a partition, one after the other. */
export interface Reader {
  /** `read` is when the message was read off the bus, milliseconds since 1970. */
  take(message: Delivered, read: number): Promise<StoredBlock | undefined>
  /** What it has to know to go on from here; given a memory, it goes on from there. */
  remember(memory?: Memory): Memory
  /** Resolves when it may begin with what was not planned before. */
  begin?(): Promise<void>
}

export interface BatchLimits {
  /** Rows of one INSERT. */
  maxRows?: number
  /** INSERTs of one batch: ClickHouse works at so many at a time. */
  maxParts?: number
  /** How long a batch may take to come together; five times as long once it has many rows. */
  maxWaitMs?: number
}

/** How many times as long a batch may take that has many records. */
const busyFactor = 5

/** What stands beside a position. */
interface Note {
  /** Where the parts of the batch that begins here end. */
  ends?: number[]
  /** Among how many shards these parts are spread; one when absent. */
  shards?: number
  /** Of what the reader of the partition remembers at this position, the blocks. */
  memory?: string
  tag?: Tag
}

/**
 * The partition as batches: full ones at once, smaller ones after `maxWaitMs`, or five times that when many rows come; an empty one when
 * nothing came for that long. What was planned before a crash comes first, exactly as it was planned: also in the same shards, had some
 * been added since.
 */
export async function* readBatches(
  assignment: Assignment,
  { remember, take, begin }: Reader,
  { maxRows = 400_000, maxParts = 2, maxWaitMs = 1000, shards = 1 }: BatchLimits & { shards?: number } = {},
): AsyncGenerator<Batch> {
  let start = assignment.committed.offset
  let { plan: planned, memory } = readNote(assignment.committed.metadata)
  remember(memory)
  let begun = false
  const waiting: Delivered[] = []
  /** When those that wait were read. */
  let readAt = 0

  /** The next message, or nothing when none came in time. */
  async function next(waitMs: number): Promise<Delivered | undefined> {
    if (!waiting.length) {
      waiting.push(...(await assignment.read({ waitMs })))
      readAt = Date.now()
    }
    return waiting.shift()
  }

  /** Messages up to the planned end; without one until there are enough rows or the time of the batch, which has `rowsBefore`, is over. */
  async function readPart(
    shard: number,
    end: number | undefined,
    { began, rowsBefore }: { began: number; rowsBefore: number },
  ): Promise<Part> {
    const part: Part = { start, end: start, time: 0, rows: 0, blocks: [], shard }
    const deadline = () => began + (rowsBefore + part.rows < manyRecords ? maxWaitMs : maxWaitMs * busyFactor)
    while (end === undefined ? part.rows < maxRows : part.end < end) {
      const waitMs = end === undefined ? Math.max(0, deadline() - Date.now()) : maxWaitMs
      const message = waitMs || waiting.length ? await next(waitMs) : undefined
      if (!message && end === undefined) break
      if (!message) continue
      part.time ||= message.time
      start = part.end = message.offset + 1
      const block = await take(message, readAt)
      if (!block) continue
      part.blocks.push(block)
      part.rows += block.rows
    }
    return part
  }

  for (;;) {
    if (!planned && !begun) {
      await begin?.()
      memory = remember()
      begun = true
    }
    const began = Date.now()
    const parts: Part[] = []
    const among = planned?.shards ?? shards
    const first = firstShard(assignment, start, among)
    for (let number = 0; number < (planned?.ends.length ?? maxParts); number++) {
      const part = await readPart((first + number) % among, planned?.ends[number], { began, rowsBefore: number * maxRows })
      if (part.end > part.start) parts.push(part)
      if (!planned && part.rows < maxRows) break
    }
    planned = undefined
    const before = memory
    memory = remember()
    yield batchOf(assignment, parts, { shards: among, before, after: memory })
  }
}

/** Shard of a batch's first part: any, but the same for the same batch. The others follow, so that parts side by side go to different ones. */
const firstShard = ({ partition }: Assignment, start: number, shards: number) => (Math.imul(start + partition, 0x9e3779b1) >>> 8) % shards

interface Around {
  shards: number
  /** What its reader remembers before and after the batch. */
  before: Memory
  after: Memory
}

function batchOf(assignment: Assignment, parts: Part[], { shards, before, after }: Around): Batch {
  const ends = parts.map(({ end }) => end)
  const noteOf = ({ blocks, tag }: Memory, plan: Note = {}) =>
    writeNote({ ...plan, ...(blocks && { memory: blocks }), ...(tag && { tag }) })
  return {
    parts,
    plan: () => assignment.commit({ offset: parts[0].start, metadata: noteOf(before, { ends, ...(shards > 1 && { shards }) }) }),
    done: () => assignment.commit({ offset: ends.at(-1)!, metadata: noteOf(after) }),
  }
}

/** A note of somebody else's is no plan. */
export function readNote(metadata: string): { plan?: { ends: number[]; shards: number }; memory: Memory } {
  if (!metadata) return { memory: {} }
  const { ends, shards = 1, memory: blocks, tag } = JSON.parse(metadata) as Note
  return { plan: Array.isArray(ends) && ends.length ? { ends, shards } : undefined, memory: { blocks, tag } }
}

const writeNote = (note: Note) => (Object.keys(note).length ? JSON.stringify(note) : '')
