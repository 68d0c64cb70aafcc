import { UndecodableError } from '../protobuf/cursor.ts'
import type { Blocks } from './blocks.ts'
import type { Counts } from './counts.ts'
import type { FlowRows } from './flow-rows.ts'
import type { Losses } from './losses.ts'
import { takeOptions } from './options-data.ts'
import { type Plan, RecordLayout, type TotalFields } from './plan.ts'
import { type Message, type RunOptions, maxRun } from './run.ts'
import type { Growth, Totals } from './totals.ts'
import { uint } from './wire.ts'

/** The bytes of records that a plan describes. */
export interface DataSet {
  message: Message
  bytes: Uint8Array
  start: number
  end: number
}

interface FlowRecord {
  layout: Pick<Plan, 'offsets' | 'lengths'>
  set: DataSet
  at: number
  /** Where it counts since its flow began, and what of it nobody has counted yet. */
  totals: TotalFields | undefined
  growth: Growth | undefined
}

export interface RecordsOptions {
  totals: Totals
  blocks: Blocks
  counts: Counts
  losses: Losses
  cluster: string
}

/** flowEndReason of a flow that will not be told of again: idle timeout, end detected, forced end, lack of resources. */
const endings: ReadonlySet<number> = new Set([1, 3, 4, 5])
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
    return plan.reply || plan.totals || !plan.recordLength ? this.#takeOneByOne(plan, set) : this.#takeAlike(plan, set)
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

  /** Records of variable length, those that tell of both ways, and those that count since their flow began. */
  async #takeOneByOne(plan: Plan, set: DataSet): Promise<number> {
    const layout = plan.recordLength ? plan : this.#layout
    const { cluster } = this.#options
    let count = 0
    for (let at = set.start; ; count++) {
      const length = this.#find(plan, set, at)
      if (length === 0) return count
      const { hasIcmp, reply } = plan
      const hasReply = plan.replyCounters.some(field => uint(set.bytes, at + layout.offsets[field], layout.lengths[field]) > 0)
      const record: FlowRecord = { layout, set, at, totals: plan.totals, growth: undefined }
      await this.#takeWay(plan.forward, record, { cluster, hasIcmp, isReply: hasReply ? 'no' : 'unknown' })
      if (reply && hasReply) await this.#takeWay(reply, record, { cluster, hasIcmp, isReply: 'yes' })
      at += length
    }
  }

  /** Makes a row of one way of a record; a promise only when that had to wait. */
  #takeWay(operations: Int32Array, record: FlowRecord, options: RunOptions): Promise<void> | void {
    const { layout, set, at } = record
    const write = (rows: FlowRows) => {
      rows.begin(set.message, 1, options)
      rows.read(operations, layout, { bytes: set.bytes, start: at, stride: 0, count: 1 })
      if (record.totals) rows.setGrowth(record.totals.counters, this.#growth(record, record.totals, rows.start), options.isReply === 'yes')
      rows.end(1)
    }
    const rows = this.#options.blocks.open()
    if (rows) return write(rows)
    return this.#options.blocks.next().then(write)
  }

  /** Of both ways at once. Of a flow that began when nobody listened nothing is known, and its row says so by counting nothing. */
  #growth(record: FlowRecord, totals: TotalFields, start: number): Growth {
    if (record.growth) return record.growth
    const { layout, set, at } = record
    const numberAt = (field: number | undefined) =>
      field === undefined ? undefined : uint(set.bytes, at + layout.offsets[field], layout.lengths[field])
    const { bytes, packets, replyBytes, replyPackets } = totals.counters
    const counted = {
      bytes: numberAt(bytes),
      packets: numberAt(packets),
      replyBytes: numberAt(replyBytes),
      replyPackets: numberAt(replyPackets),
    }
    const isOver = endings.has(numberAt(totals.endReason) ?? 0)
    const growth = this.#options.totals.grow(flowKey(record, totals.key), counted, { message: set.message, start, isOver })
    if (!growth) this.#options.counts.discard(1, 'no_baseline')
    return (record.growth = growth ?? { bytes: 0, packets: 0, replyBytes: 0, replyPackets: 0 })
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

/** The bytes of the fields that tell flows apart. */
const flowKey = ({ layout, set, at }: FlowRecord, fields: readonly number[]) =>
  Buffer.concat(
    fields.map(field => set.bytes.subarray(at + layout.offsets[field], at + layout.offsets[field] + layout.lengths[field])),
  ).toString('latin1')
