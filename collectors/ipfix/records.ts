import { UndecodableError } from '../protobuf/cursor.ts'
import type { Blocks } from './blocks.ts'
import type { Counts } from './counts.ts'
import type { FlowRows } from './flow-rows.ts'
import type { Losses } from './losses.ts'
import { takeOptions } from './options-data.ts'
import { type Plan, RecordLayout } from './plan.ts'
import { type Message, type RunOptions, maxRun } from './run.ts'
import { uint } from './wire.ts'

/** The bytes of records that a plan describes. */
export interface DataSet {
  message: Message
  bytes: Uint8Array
  start: number
  end: number
}

export interface RecordsOptions {
  blocks: Blocks
  counts: Counts
  losses: Losses
  cluster: string
}

/** Less than this at the end of a set is padding (RFC 7011 §3.3.1). */
const paddingBytes = 4

/** Reads the records of sets whose template is known. */
export class Records {
  readonly #options: RecordsOptions
  readonly #layout = new RecordLayout()

  constructor(options: RecordsOptions) {
    this.#options = options
  }

  /** Returns how many records there were. Rejects with UndecodableError when one ends early. */
  async take(plan: Plan, set: DataSet): Promise<number> {
    if (plan.template.scopes !== undefined) return this.#takeOptions(plan, set)
    const count = await this.#takeFlows(plan, set)
    this.#options.counts.receive(count)
    return count
  }

  #takeFlows(plan: Plan, set: DataSet): Promise<number> | number {
    if (!plan.hasAddress) return this.#skip(plan, set)
    return plan.reply || !plan.recordLength ? this.#takeOneByOne(plan, set) : this.#takeAlike(plan, set)
  }

  /** Records of one length, many at a time. */
  async #takeAlike(plan: Plan, { message, bytes, start, end }: DataSet): Promise<number> {
    const { blocks, cluster } = this.#options
    const { recordLength: stride, forward, hasIcmp } = plan
    const total = Math.floor((end - start) / stride)
    for (let done = 0; done < total;) {
      const rows = blocks.open() ?? (await blocks.next())
      const count = Math.min(total - done, maxRun, rows.room)
      rows.begin(message, count, { cluster, isReply: 'unknown', hasIcmp })
      rows.read(forward, plan, { bytes, start: start + done * stride, stride, count })
      rows.end(count)
      done += count
    }
    return total
  }

  /** Records of variable length, and those that tell of both ways. */
  async #takeOneByOne(plan: Plan, set: DataSet): Promise<number> {
    const layout = plan.recordLength ? plan : this.#layout
    const { cluster } = this.#options
    let count = 0
    for (let at = set.start; ; count++) {
      const length = this.#find(plan, set, at)
      if (length === 0) return count
      const { hasIcmp, reply } = plan
      const hasReply = plan.replyCounters.some(field => uint(set.bytes, at + layout.offsets[field], layout.lengths[field]) > 0)
      await this.#takeWay(plan.forward, { layout, set, at }, { cluster, hasIcmp, isReply: hasReply ? 'no' : 'unknown' })
      if (reply && hasReply) await this.#takeWay(reply, { layout, set, at }, { cluster, hasIcmp, isReply: 'yes' })
      at += length
    }
  }

  /** Makes a row of one way of a record; a promise only when that had to wait. */
  #takeWay(
    operations: Int32Array,
    { layout, set, at }: { layout: Pick<Plan, 'offsets' | 'lengths'>; set: DataSet; at: number },
    options: RunOptions,
  ): Promise<void> | void {
    const write = (rows: FlowRows) => {
      rows.begin(set.message, 1, options)
      rows.read(operations, layout, { bytes: set.bytes, start: at, stride: 0, count: 1 })
      rows.end(1)
    }
    const rows = this.#options.blocks.open()
    if (rows) return write(rows)
    return this.#options.blocks.next().then(write)
  }

  /** The length of the record at `at`, 0 when there is none any more. Throws UndecodableError when it ends early. */
  #find(plan: Plan, { bytes, end }: DataSet, at: number): number {
    if (end - at < plan.minLength) return 0
    if (plan.recordLength) return plan.recordLength
    const length = this.#layout.read(plan, bytes, at, end)
    if (length > 0) return length
    if (end - at < paddingBytes) return 0
    throw new UndecodableError('a record of variable length ends early', at)
  }

  #takeOptions(plan: Plan, set: DataSet): number {
    const { session } = set.message
    const layout = plan.recordLength ? plan : this.#layout
    return this.#each(plan, set, at => {
      const notSent = takeOptions(plan, layout, { bytes: set.bytes, start: at, session })
      this.#options.losses.byAgent(session, 'not_sent', notSent)
    })
  }

  /** Counts records that tell of no IP addresses. */
  #skip(plan: Plan, set: DataSet): number {
    const count = this.#each(plan, set, () => {})
    this.#options.counts.discard(count, 'unknown_kind')
    return count
  }

  #each(plan: Plan, set: DataSet, take: (at: number) => void): number {
    let count = 0
    for (let at = set.start; ; count++) {
      const length = this.#find(plan, set, at)
      if (length === 0) return count
      take(at)
      at += length
    }
  }
}
